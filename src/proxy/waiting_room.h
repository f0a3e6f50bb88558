// Exchanges that wait, in the order in which they came: for room at a replica, or for an owner that is gone.
//
// Links live in the exchanges: nothing is allocated. All of a room wait equally long at most, so the first is always
// the first whose time is up, and one timer serves them all. Who has waited in vain is told so and answers its client;
// whoever leaves (its client has gone) takes itself out. Belongs to one worker.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "http/refusal.h"
#include "proxy/parts.h"

namespace ringmaster::proxy {

class WaitingRoom;

// What an exchange is while it waits.
struct Waiter : Link<Waiter> {
  WaitingRoom* room = nullptr;
  uint64_t since_ns = 0;      // of its first wait, while it goes from one room to the other
  void leave_room() noexcept;
};

class WaitingRoom {
 public:
  // Who waits longer than `patience_ns` is told `in_vain`. `gauge`, where there is one, follows length().
  WaitingRoom(Parts& parts, uint64_t patience_ns, http::Cause in_vain, Counter* gauge = nullptr) noexcept
      : parts_(parts), patience_ns_(patience_ns), in_vain_(in_vain), gauge_(gauge) {}
  ~WaitingRoom();

  bool empty() const noexcept { return length_ == 0; }
  uint32_t length() const noexcept { return length_; }
  // Behind those who began to wait before it, in front of those who came later.
  void add(Exchange& exchange) noexcept;
  // The first, taken out; nullptr where nobody waits.
  Exchange* take() noexcept;
  void on_timer() noexcept;

 private:
  friend struct Waiter;
  void remove(Waiter& waiter) noexcept;
  void set_length(uint32_t length) noexcept;

  Parts& parts_;
  const uint64_t patience_ns_;
  const http::Cause in_vain_;
  Counter* const gauge_;
  List<Waiter, Waiter> waiters_;
  OwnedTimer timer_{OwnedTimer::Owner::waiting, this};
  uint32_t length_ = 0;
};

}  // namespace ringmaster::proxy
