// Deadlines for very many connections: set, moved and cancelled in O(1), no allocation, a tick of 8 ms.
//
// A hashed wheel (Varghese and Lauck, 1987, scheme 6) of 1,024 places with intrusive lists. Most deadlines of a
// proxy are moved long before they pass, nearly always to later: set() then only writes the new deadline into the
// timer, and the wheel puts it into its new place when it meets it. A timer fires at most one tick late, never early.
//
// Belongs to one thread. Time is monotonic nanoseconds, given by the caller, so that tests can own it.
#pragma once

#include <array>
#include <cstdint>

#include "base/intrusive_list.h"

namespace ringmaster::uring {

struct TimerTag;

// Embed one in whatever has a deadline. Destroying an armed timer is a mistake of ours: disarm it first.
class Timer : public Link<TimerTag> {
 public:
  Timer() = default;
  ~Timer() { ensure(!armed()); }

  bool armed() const noexcept { return linked(); }
  uint64_t deadline_ns() const noexcept { return deadline_ns_; }

 private:
  friend class TimerWheel;
  uint64_t deadline_ns_ = 0;
  uint64_t place_tick_ = 0;   // the tick of the place that it hangs in; not later than its deadline's
};

class TimerWheel {
 public:
  static constexpr uint64_t tick_ns = 8'000'000;
  static constexpr uint32_t places = 1024;

  explicit TimerWheel(uint64_t now_ns) noexcept : tick_(now_ns / tick_ns) {}

  // Arms, or moves to any other time. A deadline that is past already fires at the next expire().
  void set(Timer& timer, uint64_t deadline_ns) noexcept;
  void disarm(Timer& timer) noexcept;

  // Calls fired(Timer&) for each timer whose deadline has passed, disarmed, in the order of their ticks. fired may set
  // and disarm any timer: one that it disarms does not fire, one that it sets does not before the next expire().
  template <class Fired>
  void expire(uint64_t now_ns, Fired fired);

  // The time by which expire() should next be called, UINT64_MAX where no timer is armed. Never later than a tick
  // after the first deadline; earlier where a timer was moved to later and still hangs in its old place, or lies more
  // than a turn (8.2 s) ahead: expire() then fires nothing and carries it on.
  uint64_t next_ns() const noexcept;

  uint32_t armed() const noexcept { return armed_; }

 private:
  using Place = List<Timer, TimerTag>;
  uint64_t place_for(uint64_t deadline_ns) const noexcept;
  void put_in(Timer& timer, uint64_t tick) noexcept;
  void take_out(Timer& timer) noexcept;
  uint64_t next_tick() const noexcept;
  void collect_due(uint64_t now_ns) noexcept;
  Timer* take_due() noexcept;  // the next one that is due, disarmed; nullptr when none is left

  std::array<Place, places> places_;
  std::array<uint64_t, places / 64> occupied_{};  // a bit for each place that holds something
  Place due_;       // collected, not yet fired
  uint64_t tick_;   // everything before it has fired; every place_tick_ is in [tick_, tick_ + places)
  uint32_t armed_ = 0;
};

template <class Fired>
void TimerWheel::expire(uint64_t now_ns, Fired fired) {
  collect_due(now_ns);
  while (Timer* timer = take_due()) fired(*timer);
}

}  // namespace ringmaster::uring
