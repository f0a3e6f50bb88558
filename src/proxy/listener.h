// A worker's listening sockets. Each has one multishot accept; where the worker has as many clients as it may have, the
// longest idle one is closed to make room, and where none is idle, accepting pauses: the backlog holds the others.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "proxy/parts.h"

namespace ringmaster::proxy {

class Listeners {
 public:
  Listeners(Parts& parts, std::vector<Fd> sockets) noexcept;

  void start() noexcept;
  void on_accept(uint32_t index, const uring::Completion& completion) noexcept;
  // Once for each loop: arms what paused, when there is room again.
  void resume_if_room() noexcept;
  // For good. What becomes of those who have connected and were not accepted yet.
  enum class Waiting : uint8_t { served, refused };
  void stop(Waiting waiting) noexcept;
  bool stopped() const noexcept;
  // When resume_if_room() has something to do by itself; UINT64_MAX: when something else happens.
  uint64_t wake_ns() const noexcept;

 private:
  struct Listener {
    int socket;             // the ring closes it
    bool accepting = false;
  };
  void arm(uint32_t index) noexcept;
  void take_in(int socket) noexcept;
  void close(uint32_t index) noexcept;
  bool has_room() const noexcept;
  bool may_resume() const noexcept;
  void make_room() noexcept;

  // Descriptors that may be short for other reasons than the limit: look again after a while, not at once.
  static constexpr uint64_t retry_ns = 50'000'000;
  // A multishot accept may deliver this many more before its cancel takes hold.
  static constexpr uint32_t overshoot_max = 32;

  Parts& parts_;
  std::vector<Listener> listeners_;
  uint64_t not_before_ns_ = 0;
  bool paused_ = false;
  bool stopping_ = false;
  bool refusing_ = false;
};

}  // namespace ringmaster::proxy
