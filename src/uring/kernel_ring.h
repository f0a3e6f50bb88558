// io_uring as a Ring: SINGLE_ISSUER, DEFER_TASKRUN, SUBMIT_ALL; Linux 6.1 and newer.
//
// Measured on the reference machines: DEFER_TASKRUN -2 % CPU a request against COOP_TASKRUN, -7 % against neither;
// SQPOLL costs 1.2 to 2.9 times the CPU and is not used.
//
// Order of destruction: end every socket (ring.h), then the buffer pool, then the ring. The ring's destructor cancels
// what is still in flight and waits for it, at most a second, before it returns: memory that operations were given may
// be freed after it. Queued close() operations are carried out. A pool destroyed before the ring is safe when no
// receive_multishot is in flight, since the kernel touches provided buffers only for one.
#pragma once

#include <memory>

#include "uring/ring.h"

namespace ringmaster::uring {

struct RingSettings {
  uint32_t submission_entries = 1024;   // operations queued between two waits; a full queue is submitted early
  uint32_t completion_entries = 8192;   // must hold a burst of every multishot operation
};

// Both sizes are rounded up to a power of two and clamped to the kernel's bounds (32,768 and 65,536).
//
// Makes a ring for the calling thread, which is from then on the only one that may use it. Throws StartError (exit
// 78) where the kernel or a profile refuses, with the cause told apart: see explain_refusal().
std::unique_ptr<Ring> make_kernel_ring(const RingSettings& settings);

// Why io_uring_setup failed with this errno here and now, and the remedy: a seccomp profile (Seccomp: 2 in
// /proc/self/status), the sysctl kernel.io_uring_disabled, RLIMIT_MEMLOCK, a kernel older than 6.1.
StartError explain_refusal(int errno_value);

}  // namespace ringmaster::uring
