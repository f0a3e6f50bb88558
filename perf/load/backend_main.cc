// perf_backend: the load's far end as a process of its own; see backend.h for what it answers.
//
//   perf_backend --listen 127.0.0.1:9001 --listen 127.0.0.1:9002
//
// Prints the addresses in use as one line of JSON and serves until it is ended by a signal.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "backend.h"

int main(int argc, char** argv) {
  using namespace ringmaster;
  CLI::App app("The cheapest HTTP server that notices spoilt bytes: /bytes/N, /echo, /heartbeat.");
  std::vector<std::string> texts;
  app.add_option("--listen", texts, "Address; port 0 picks one")->required();
  CLI11_PARSE(app, argc, argv);

  perf::EventLoop loop;
  perf::Backend backend(loop);
  auto addresses = nlohmann::json::array();
  for (const std::string& text : texts) {
    const auto address = SocketAddress::parse(text);
    const auto listening = address ? backend.listen(*address) : address;
    if (!listening) {
      std::cerr << "perf_backend: " << text << ": " << to_string(listening.error()) << '\n';
      return static_cast<int>(ExitCode::usage);
    }
    addresses.push_back(listening->text());
  }
  std::puts(nlohmann::json{{"backends", addresses}}.dump().c_str());
  std::fflush(stdout);
  while (true) loop.run_once(UINT64_MAX);
}
