// Which keys a worker has met lately, for questions such as "how much traffic would move": a sample, because a counter
// for each slot would touch another cache line with each request.
//
// The first `size` keys are all taken, then one of 64 on average: the distance to the next is drawn uniformly from 1 to
// 127, so that no period in the traffic can hide from the sample. The latest `size` samples are kept. A request costs
// one decrement of a word that its worker has at hand; a sample one store. A share p estimated from n samples has a
// standard error of sqrt(p (1 - p) / n): at most 0.6 % of the traffic once 8,192 have been taken.
//
// A key is kept as its position (balance::Table::position_of), which later tables with the same settings understand.
// Written by one worker, read by anybody; a reader may see a few samples newer than others.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace ringmaster::proxy {

class KeySample {
 public:
  static constexpr uint32_t size = 8192;
  static constexpr uint32_t distance_max = 127;

  // --- its worker: once for each key; note() where due() says true
  bool due() noexcept { return --left_ == 0; }
  void note(uint32_t position, uint64_t random) noexcept {
    const uint64_t taken = taken_.load(std::memory_order_relaxed);
    positions_[taken % size].store(position, std::memory_order_relaxed);
    seen_.store(seen_.load(std::memory_order_relaxed) + distance_, std::memory_order_relaxed);
    taken_.store(taken + 1, std::memory_order_release);
    distance_ = left_ = taken + 1 < size ? 1 : 1 + static_cast<uint32_t>(random % distance_max);
  }

  // --- anybody
  // Keys that it stands for: all that its worker has met, but for those since the last sample.
  uint64_t seen() const noexcept { return seen_.load(std::memory_order_relaxed); }
  std::vector<uint32_t> positions() const {
    std::vector<uint32_t> kept(std::min<uint64_t>(taken_.load(std::memory_order_acquire), size));
    for (size_t i = 0; i < kept.size(); ++i) kept[i] = positions_[i].load(std::memory_order_relaxed);
    return kept;
  }

 private:
  uint32_t left_ = 1;        // keys to the next sample
  uint32_t distance_ = 1;    // that it stands for
  std::atomic<uint64_t> taken_{0}, seen_{0};
  std::array<std::atomic<uint32_t>, size> positions_{};
};

}  // namespace ringmaster::proxy
