// floor: the bare layer-4 relay that proxies are measured against. See relay.h.
//
//   floor --listen 127.0.0.1:5000 --upstream 127.0.0.1:9001 --upstream 127.0.0.1:9002 --buffer-bytes 4096
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "relay.h"

int main(int argc, char** argv) {
  using namespace ringmaster;
  CLI::App app("A layer-4 relay on io_uring that knows no HTTP: the limit for a proxy.");
  std::string listen;
  std::vector<std::string> upstreams;
  perf::RelaySettings settings;
  app.add_option("--listen", listen, "Address")->required();
  app.add_option("--upstream", upstreams, "Addresses that clients are given in turn")->required();
  app.add_option("--buffer-bytes", settings.buffer_bytes, "Bytes of one receive and one send at most")
      ->check(CLI::Range(512, 1 << 22));
  app.add_option("--buffers", settings.buffers, "How many; a power of two")->check(CLI::Range(2, 32768));
  CLI11_PARSE(app, argc, argv);

  try {
    const auto parse = [](const std::string& text) {
      const auto address = SocketAddress::parse(text);
      if (!address) throw StartError(ExitCode::usage, "no address: " + text, "write it as 127.0.0.1:5000");
      return *address;
    };
    settings.listen = parse(listen);
    for (const std::string& text : upstreams) settings.upstreams.push_back(parse(text));
    perf::Relay relay(std::move(settings));
    std::printf("floor: %s\n", relay.address().text().c_str());
    std::fflush(stdout);
    relay.serve();
  } catch (const StartError& error) {
    std::cerr << "floor: " << error.what() << '\n' << error.remedy() << '\n';
    return static_cast<int>(error.code());
  }
}
