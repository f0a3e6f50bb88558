#include "config/passed_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace ringmaster::config {

namespace {

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Error malformed(const char* what) { return {ErrorKind::malformed, 0, what}; }

bool is_listening_stream(int descriptor) {
  int type = 0, listening = 0;
  socklen_t length = sizeof type;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM) return false;
  length = sizeof listening;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0;
}

}  // namespace

Result<std::vector<PassedSocket>> read_passed_sockets(const char* listen_pid, const char* listen_fds,
                                                      const char* listen_fdnames, int own_pid) {
  std::vector<PassedSocket> sockets;
  if (!listen_pid || !listen_fds) return sockets;
  const auto pid = number(listen_pid);
  if (!pid) return std::unexpected(malformed("LISTEN_PID"));
  if (*pid != static_cast<unsigned>(own_pid)) return sockets;
  const auto count = number(listen_fds);
  if (!count || *count > passed_max) return std::unexpected(malformed("LISTEN_FDS"));
  for (unsigned i = 0; i < *count; ++i) sockets.push_back({passed_first + static_cast<int>(i), ""});
  if (!listen_fdnames || sockets.empty()) return sockets;

  std::string_view names = listen_fdnames;
  for (size_t i = 0; i < sockets.size(); ++i) {
    const size_t colon = names.find(':');
    const bool last = i + 1 == sockets.size();
    if (last != (colon == std::string_view::npos)) return std::unexpected(malformed("LISTEN_FDNAMES"));
    sockets[i].name = names.substr(0, colon);
    names.remove_prefix(last ? names.size() : colon + 1);
  }
  return sockets;
}

std::vector<PassedSocket> take_passed_sockets() {
  auto sockets = read_passed_sockets(::getenv("LISTEN_PID"), ::getenv("LISTEN_FDS"), ::getenv("LISTEN_FDNAMES"),
                                     ::getpid());
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  if (!sockets) {
    throw StartError(ExitCode::configuration, "sockets passed by systemd: " + to_string(sockets.error()),
                     "Start ringmaster from a .service with its .socket, or without LISTEN_FDS in the environment.");
  }
  for (const PassedSocket& socket : *sockets) {
    if (!is_listening_stream(socket.descriptor)) {
      throw StartError(ExitCode::configuration,
                       fmt::format("sockets passed by systemd: descriptor {} {} is no listening stream socket",
                                   socket.descriptor, socket.name.empty() ? "" : "(" + socket.name + ")"),
                       "Give the .socket unit ListenStream= and Accept=no.");
    }
    ::fcntl(socket.descriptor, F_SETFD, FD_CLOEXEC);
  }
  return *std::move(sockets);
}

}  // namespace ringmaster::config
