// The running program: builds every part, hands each what it needs, and waits for the end.
#pragma once

#include <vector>

#include "config/load.h"

namespace ringmaster {

// Runs until SIGTERM or SIGINT; returns the exit code. `passed_sockets` are listening descriptors from systemd, used in
// place of proxy.listen. Throws StartError where it cannot begin.
int run_program(const config::Loaded& loaded, std::vector<int> passed_sockets);

}  // namespace ringmaster
