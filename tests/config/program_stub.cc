// Stands in for the running program: says what it was given and ends.

#include <cstdio>
#include <stdexcept>

#include "program.h"

namespace ringmaster {

int run_program(const config::Loaded& loaded, std::vector<int> passed_sockets) {
  if (loaded.settings.heartbeat.path == "/throw") throw std::runtime_error("thrown");
  std::printf("run workers=%u sockets=%zu file=%s\n", loaded.settings.proxy.workers, passed_sockets.size(),
              loaded.file_name.c_str());
  return 0;
}

}  // namespace ringmaster
