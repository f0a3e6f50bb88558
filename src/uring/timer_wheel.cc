#include "uring/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace ringmaster::uring {

namespace {

// The first tick at whose beginning the deadline has passed. Rounding up is what makes "never early".
uint64_t tick_of(uint64_t deadline_ns) noexcept {
  return deadline_ns / TimerWheel::tick_ns + (deadline_ns % TimerWheel::tick_ns != 0);
}

constexpr uint64_t waiting_to_fire = UINT64_MAX;  // place_tick_ of a timer in due_

}  // namespace

void TimerWheel::set(Timer& timer, uint64_t deadline_ns) noexcept {
  timer.deadline_ns_ = deadline_ns;
  const uint64_t tick = place_for(deadline_ns);
  if (timer.armed()) {
    if (timer.place_tick_ <= tick) return;  // to later: it moves when the wheel meets it
    take_out(timer);
  }
  put_in(timer, tick);
}

void TimerWheel::disarm(Timer& timer) noexcept {
  if (timer.armed()) take_out(timer);
}

// Within the turn that begins now, so that all timers of one place always have the same place_tick_, and none of
// them has to be looked at before its time. A deadline beyond hangs in the last place and is carried on from there:
// one touch a turn (8 s).
uint64_t TimerWheel::place_for(uint64_t deadline_ns) const noexcept {
  return std::clamp(tick_of(deadline_ns), tick_, tick_ + places - 1);
}

void TimerWheel::put_in(Timer& timer, uint64_t tick) noexcept {
  const uint64_t index = tick % places;
  timer.place_tick_ = tick;
  places_[index].push_back(timer);
  occupied_[index / 64] |= uint64_t{1} << index % 64;
  ++armed_;
}

void TimerWheel::take_out(Timer& timer) noexcept {
  timer.unlink();
  --armed_;
  if (timer.place_tick_ == waiting_to_fire) return;
  const uint64_t index = timer.place_tick_ % places;
  if (places_[index].empty()) occupied_[index / 64] &= ~(uint64_t{1} << index % 64);
}

// The first occupied tick from tick_ on, or UINT64_MAX.
uint64_t TimerWheel::next_tick() const noexcept {
  const uint64_t start = tick_ % places;
  for (uint64_t step = 0; step <= occupied_.size(); ++step) {
    const uint64_t word = (start / 64 + step) % occupied_.size();
    uint64_t bits = occupied_[word];
    if (step == 0) bits &= ~uint64_t{0} << start % 64;  // the rest of this word comes last: it is a turn ahead
    if (bits == 0) continue;
    const uint64_t index = word * 64 + static_cast<uint64_t>(std::countr_zero(bits));
    return tick_ + (index + places - start) % places;
  }
  return UINT64_MAX;
}

// Moves what is due into due_, and what was moved to later into its new place. All of it before anything fires:
// timers that fired() sets, even into the past, are then the business of the next expire(), and no handler can keep
// the loop here for ever.
void TimerWheel::collect_due(uint64_t now_ns) noexcept {
  const uint64_t now_tick = std::max(now_ns / tick_ns, tick_);
  for (uint64_t tick = next_tick(); tick <= now_tick; tick = next_tick()) {
    tick_ = tick;
    Place& place = places_[tick % places];
    while (Timer* timer = place.front()) {
      take_out(*timer);
      if (tick_of(timer->deadline_ns_) > now_tick) {
        put_in(*timer, std::min(tick_of(timer->deadline_ns_), tick + places - 1));
      } else {
        timer->place_tick_ = waiting_to_fire;
        due_.push_back(*timer);
        ++armed_;
      }
    }
  }
  tick_ = now_tick;
}

Timer* TimerWheel::take_due() noexcept {
  Timer* timer = due_.pop_front();
  if (timer) --armed_;
  return timer;
}

uint64_t TimerWheel::next_ns() const noexcept {
  if (!due_.empty()) return 0;
  const uint64_t tick = next_tick();
  return tick == UINT64_MAX ? UINT64_MAX : tick * tick_ns;
}

}  // namespace ringmaster::uring
