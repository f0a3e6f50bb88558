#include "proxy/waiting_room.h"

#include "proxy/exchange.h"

namespace ringmaster::proxy {

WaitingRoom::~WaitingRoom() {
  ensure(empty());
  parts_.timers.disarm(timer_);
}

void Waiter::leave_room() noexcept {
  if (room) room->remove(*this);
}

void WaitingRoom::add(Exchange& exchange) noexcept {
  Waiter& waiter = exchange;
  if (waiter.since_ns == 0) waiter.since_ns = parts_.now();
  waiter.room = this;
  set_length(length_ + 1);
  parts_.meters.exchanges_waiting.add();
  // Nearly always the newest; one that was sent here from another room may have waited longer than those here.
  Waiter* behind = nullptr;
  if (Waiter* last = waiters_.back(); last && last->since_ns > waiter.since_ns) {
    behind = waiters_.front();
    while (behind->since_ns <= waiter.since_ns) behind = waiters_.after(*behind);
  }
  if (behind) waiters_.insert_before(*behind, waiter);
  else waiters_.push_back(waiter);
  if (waiters_.front() == &waiter) parts_.timers.set(timer_, waiter.since_ns + patience_ns_);
}

void WaitingRoom::remove(Waiter& waiter) noexcept {
  waiter.unlink();
  waiter.room = nullptr;
  set_length(length_ - 1);
  parts_.meters.exchanges_waiting.subtract();
  // The timer may fire for one that has left: then it looks at who is first now.
  if (length_ == 0) parts_.timers.disarm(timer_);
}

void WaitingRoom::set_length(uint32_t length) noexcept {
  length_ = length;
  if (gauge_) gauge_->set(length);
}

Exchange* WaitingRoom::take() noexcept {
  Waiter* first = waiters_.front();
  if (!first) return nullptr;
  remove(*first);
  return static_cast<Exchange*>(first);
}

void WaitingRoom::on_timer() noexcept {
  const uint64_t now = parts_.now();
  while (Waiter* first = waiters_.front()) {
    const uint64_t deadline_ns = first->since_ns + patience_ns_;
    if (deadline_ns > now) return parts_.timers.set(timer_, deadline_ns);
    take()->on_waited_in_vain(in_vain_);
  }
}

}  // namespace ringmaster::proxy
