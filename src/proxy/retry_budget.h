// Retries may be at most a share of the requests, so that a failing fleet is not asked twice as much.
//
// A token bucket: every request pays in its share, every retry takes one whole token. So the retries of a worker are
// never more than that share of its requests and `at_start`, with which the bucket begins: the first requests must not
// be lost because none came before them. It saves up to `saved_max` in quiet times, so that a replica which dies under
// many connections loses none of their requests. Belongs to one worker.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ringmaster::proxy {

class RetryBudget {
 public:
  static constexpr uint32_t at_start = 16;
  static constexpr uint32_t saved_max = 1024;

  explicit RetryBudget(uint32_t percent) noexcept : percent_(percent), hundredths_(percent == 0 ? 0 : at_start * 100) {}

  void on_request() noexcept { hundredths_ = std::min(hundredths_ + percent_, saved_max * 100); }
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
