// Makes allocations of this thread fail: operator new is replaced for the whole program that this is linked into, and
// every n-th call between begin() and end() finds no memory. Other threads are left alone.
#pragma once

#include <cstdint>

namespace ringmaster::failing_allocations {

void every(uint64_t n) noexcept;     // 0: none; the count begins anew
void begin() noexcept;               // from here on they may fail …
void end() noexcept;                 // … to here; pairs may be nested the other way round: see Suspension
uint64_t failed() noexcept;          // in this program so far

// Within its life they succeed: for the test's own parts that the code under test calls.
class Suspension {
 public:
  Suspension() noexcept;
  ~Suspension();
  Suspension(const Suspension&) = delete;
  Suspension& operator=(const Suspension&) = delete;
};

}  // namespace ringmaster::failing_allocations
