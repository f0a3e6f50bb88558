#include "replica/settings.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace ringmaster::replica {

namespace {

constexpr const char* help_text = R"(ringmaster-replica: the small server that ringmaster runs as a replica.

usage: ringmaster-replica [--listen ADDRESS] [--workers N]

  --listen ADDRESS   127.0.0.1, 0.0.0.0, [::], with or without :PORT; unix:PATH; fd:N (a listening socket that
                     the parent has opened). Environment: LISTEN. Default: 127.0.0.1
  --workers N        threads, each with a ring and a listener of its own (1 to 64). Default: 1

environment
  SERVER_ID          the identity in the answers. Default: the host's name
  PORT               the port where the address names none. Default: 5000

endpoints (GET and HEAD, unless it says otherwise; everything else is 404)
  /home              {"message":"Hello from Server: ID","status":"successful"}
  /heartbeat         200 and no body
  /                  a greeting
  /echo              any method: method, target, fields in order and body (up to 1 MiB), as JSON
  /bytes/N           N bytes (up to 10 GiB); the byte at offset i is i mod 251.
                     ?framing=length (default), chunked, or close
  /delay/MS          answers after MS milliseconds (up to 600000)
  /status/N          an answer with status N (200 to 599)
  /upload            any method with a body of any size: {"bytes":N,"xxh3":"HEX"} (XXH3, 64 bits)
  /ws                WebSocket: echoes every message
  /fault/heartbeat   POST ?fail=1: /heartbeat answers 500 from now on; ?fail=hang: not at all; ?fail=0: as before

faults, on every endpoint: ?fault=
  reset_before       resets the connection before a byte of the answer
  reset_mid          the same after half of the answer's body
  close_mid          closes in order after half of the answer's body
  hang               never answers
  hang_mid           stops after half of the answer's body
  garbage            answers with what is not HTTP, and closes
  slow&ms=MS         the body byte by byte, with a pause of MS milliseconds (up to 60000) before each
  status&status=N    an answer with status N
  early              answers before the request's body has been read, and closes
)";

[[noreturn]] void refuse(const std::string& what) {
  throw StartError(ExitCode::usage, what, "ringmaster-replica --help says what there is");
}

uint32_t number(std::string_view text, uint32_t lowest, uint32_t highest, const char* name) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest || value > highest) {
    refuse(std::string(name) + " is \"" + std::string(text) + "\"; allowed is a number from " + std::to_string(lowest) +
           " to " + std::to_string(highest));
  }
  return value;
}

std::string_view environment(const char* name, std::string_view otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? std::string_view(value) : otherwise;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "replica";
  return name.data();
}

void read_listen(std::string_view text, uint16_t port, Settings& settings) {
  if (text.starts_with("fd:")) {
    settings.inherited_listener = static_cast<int>(number(text.substr(3), 0, 1 << 20, "the descriptor of --listen"));
    return;
  }
  Result<SocketAddress> address = SocketAddress::parse(text);
  if (!address) address = SocketAddress::parse(std::string(text) + ":" + std::to_string(port));
  if (!address) refuse("\"" + std::string(text) + "\" is not an address to listen on");
  settings.address = *address;
}

}  // namespace

std::optional<Settings> read_settings(int count, char** arguments) {
  Settings settings;
  settings.server_id = environment("SERVER_ID", "");
  if (settings.server_id.empty()) settings.server_id = host_name();
  std::string_view listen = environment("LISTEN", "127.0.0.1");
  for (int i = 1; i < count; ++i) {
    const std::string_view flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
      std::fputs(help_text, stdout);
      return std::nullopt;
    }
    if (flag == "--version") {
      std::puts("ringmaster-replica " RINGMASTER_VERSION);
      return std::nullopt;
    }
    if (flag != "--listen" && flag != "--workers") refuse("\"" + std::string(flag) + "\" is not a flag");
    if (i + 1 == count) refuse(std::string(flag) + " needs a value");
    const std::string_view value = arguments[++i];
    if (flag == "--listen") listen = value;
    if (flag == "--workers") settings.workers = number(value, 1, workers_max, "--workers");
  }
  const auto port = static_cast<uint16_t>(number(environment("PORT", "5000"), 0, 65535, "PORT"));
  read_listen(listen, port, settings);
  return settings;
}

}  // namespace ringmaster::replica
