// Stands in for the running program: says what it was given and ends.

#include <cstdio>
#include <stdexcept>

#include "offline.h"
#include "program.h"

namespace ringmaster {

int run_program(const config::Loaded& loaded, std::vector<int> passed_sockets) {
  if (loaded.settings.heartbeat.path == "/throw") throw std::runtime_error("thrown");
  std::printf("run workers=%u sockets=%zu file=%s\n", loaded.settings.proxy.workers, passed_sockets.size(),
              loaded.file_name.c_str());
  return 0;
}

std::string explain_offline(const CommandLine& line, const config::Settings&) {
  return "explain " + std::to_string(line.options.size()) + "\n";
}

void check_files(const config::Settings&) {}

std::string table_offline(const CommandLine& line, const config::Settings&) {
  return "table " + std::to_string(line.options.size()) + "\n";
}

}  // namespace ringmaster
