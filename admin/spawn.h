// Starting a child process that cannot outlive us, and finding a port that is its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/fd.h"

namespace ringmaster::admin {

// Where a program is: as it is where it has a slash; else in the folder of our own executable, then on PATH. "" where
// it is nowhere.
std::string find_program(std::string_view name);
// The same; throws the StartError that says what is in the way.
std::string require_program(std::string_view name);

struct Child {
  int32_t pid = -1;
  Fd pidfd;        // readable once it has ended; close-on-exec
};

using Environment = std::vector<std::pair<std::string, std::string>>;

// Starts `program` with `arguments` (the first is its name) and our environment, in which `changes` are set. The child
//   - gets SIGKILL when the calling thread ends, however it ends: call it from a thread that lives as long as the
//     program (its own children are beyond our reach then; they are in its process group, and end_group() gets them);
//   - leads a process group of its own, so that a terminal's ^C is for us alone;
//   - has /dev/null as its input, our output and errors, no other descriptor, no blocked and no ignored signal.
// An exec that fails is an error here, not a child that dies. Blocks for the few hundred microseconds until exec.
Result<Child> spawn(const std::string& program, const std::vector<std::string>& arguments, const Environment& changes);

// A signal to the child and all of its group. Only before it has been reaped: until then its number is nobody else's.
void signal_group(const Child& child, int signal) noexcept;

// Takes what is left of an ended child, and kills what is left of its group. "exited with status 3", "killed by signal
// 9 (Killed)"; exit_status is -1 for the latter.
struct Ending {
  std::string text;
  int exit_status = -1;
};
Ending reap(const Child& child);

// A port of 127.0.0.1 that the kernel gives to nobody else while `holder` is open, bound but not listening: neither
// bind() to port 0 nor connect() is given it, and a server that sets SO_REUSEADDR, as servers do, can still bind it.
struct PortReservation {
  Fd holder;
  uint16_t port = 0;
};
Result<PortReservation> reserve_port();

}  // namespace ringmaster::admin
