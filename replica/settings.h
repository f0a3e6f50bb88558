// What the replica is told: by its environment, as the assignment has it, and by a few flags.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"

namespace ringmaster::replica {

struct Settings {
  std::string server_id;          // SERVER_ID; the host's name where it is not set
  SocketAddress address;          // where to listen, unless:
  int inherited_listener = -1;    // --listen fd:N, a listening socket from the parent
  uint32_t workers = 1;           // threads, each with a ring of its own
};

inline constexpr uint32_t workers_max = 64;

// std::nullopt: --help or --version was asked for and has been printed. Throws StartError (usage) for what it does not
// understand. Reads SERVER_ID, PORT and LISTEN from the environment; flags win.
std::optional<Settings> read_settings(int count, char** arguments);

}  // namespace ringmaster::replica
