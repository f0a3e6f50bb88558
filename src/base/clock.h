// Time inside the program is the monotonic clock in nanoseconds; the wall clock is only ever printed.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace ringmaster {

using std::chrono::milliseconds;

// Nanoseconds since some fixed point; never goes back, whatever is done to the wall clock.
inline uint64_t monotonic_ns() noexcept {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace ringmaster
