// Listening sockets that systemd passes: sd_listen_fds(3), without libsystemd.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace ringmaster::config {

inline constexpr int passed_first = 3;          // SD_LISTEN_FDS_START
inline constexpr unsigned passed_max = 1024;

struct PassedSocket {
  int descriptor = -1;
  std::string name;   // of LISTEN_FDNAMES; "" where that is not set
};

// From the values of LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES (nullptr: not set) for the process `own_pid`. Empty
// where they are not set or meant for another process. Error: malformed. Pure: does not look at the descriptors.
Result<std::vector<PassedSocket>> read_passed_sockets(const char* listen_pid, const char* listen_fds,
                                                      const char* listen_fdnames, int own_pid);

// The same from the environment, which is then cleared of the three so that replicas do not take it as theirs; the
// sockets are made close-on-exec. Throws StartError (78) where the values are malformed or a descriptor is no
// listening stream socket. Before any thread starts.
std::vector<PassedSocket> take_passed_sockets();

}  // namespace ringmaster::config
