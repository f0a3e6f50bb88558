// Retries may be at most a share of the requests, so that a failing fleet is not asked twice as much.
//
// A token bucket: every request pays in its share, every retry takes one whole token. The bucket holds `reserve` at
// most and begins full, so that a replica which dies under a burst of connections loses none of their requests.
// Belongs to one worker.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ringmaster::proxy {

class RetryBudget {
 public:
  static constexpr uint32_t reserve = 256;

  explicit RetryBudget(uint32_t percent) noexcept : percent_(percent), hundredths_(percent == 0 ? 0 : reserve * 100) {}

  void on_request() noexcept { hundredths_ = std::min(hundredths_ + percent_, reserve * 100); }
  bool take() noexcept {
    if (hundredths_ < 100) return false;
    hundredths_ -= 100;
    return true;
  }

 private:
  uint32_t percent_;
  uint32_t hundredths_;
};

}  // namespace ringmaster::proxy
