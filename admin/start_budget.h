// How soon a replica that died may start again, and when it is left alone for a while.
//
// The first respawn is immediate: a replica that somebody killed must be back in its own start time. A life is steady
// once it has been ready for a second. After lives in a row that were not, the start waits 100 ms, doubled each time;
// the fifth such death is a crash loop, and the replica is quarantined: one try a minute. Lives that were steady are
// restarted at once, but more than 20 deaths within a minute are a crash loop as well.
//
// Pure: time is given, in monotonic nanoseconds.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace ringmaster::admin {

class StartBudget {
 public:
  static constexpr uint64_t second_ns = 1'000'000'000;
  static constexpr uint64_t steady_ns = second_ns;
  static constexpr uint64_t delay_first_ns = second_ns / 10;
  static constexpr uint32_t unsteady_max = 5;
  // The longest wait is the one before the last try; nobody should have to wait longer for that.
  static_assert(delay_first_ns << (unsteady_max - 3) <= 10 * second_ns);
  static constexpr uint32_t deaths_max = 20;
  static constexpr uint64_t window_ns = 60 * second_ns;
  static constexpr uint64_t quarantine_ns = 60 * second_ns;

  struct Verdict {
    uint64_t delay_ns = 0;
    bool quarantined = false;
    std::string reason;      // of the quarantine: "5 deaths in a row before it was ready for 1 s"
  };
  // A life has ended that was ready for `ready_ns` (0: never).
  Verdict death(uint64_t now_ns, uint64_t ready_ns);

 private:
  uint32_t unsteady_ = 0;                           // in a row
  std::array<uint64_t, deaths_max> deaths_ns_{};    // the last ones, round and round
  uint32_t deaths_ = 0;
};

}  // namespace ringmaster::admin
