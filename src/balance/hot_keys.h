// Which keys are so popular that one replica should not serve them alone: a sketch of a worker's latest traffic.
//
// A count-min sketch (G. Cormode and S. Muthukrishnan, J. Algorithms 55(1), 2005) with conservative update (C. Estan
// and G. Varghese, SIGCOMM 2002): four rows of counters, a key adds to those of its own that are smallest. A key's
// estimate is never below its count; it is above by more than e / width = 0.13 % of all with a probability of e^-4 at
// most, and conservative update only lessens that. So a key above the share is always found, and one that is well below
// hardly ever. Every `window` keys all counters are halved: what was popular is forgotten within a few windows. Before
// `least` keys have been met, none is hot.
//
// 32 KiB for each worker; a key costs four counters. Written by one thread; anybody may ask share_of() and
// next_is_hot(), and may see a few keys more in one counter than in another.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmaster::balance {

// XXH3 of the bytes, 64 bits.
uint64_t key_hash(std::string_view bytes) noexcept;

class HotKeys {
 public:
  static constexpr uint32_t rows = 4, width = 2048, window = 32768, least = 512;
  static constexpr uint32_t named_max = 64;

  // --- its thread. `percent`: a key is hot above so many hundredths of the traffic; 1 to 100, always the same.
  // Counts the key; true where it is hot.
  bool note(uint64_t hash, uint32_t percent) noexcept;
  // How many are hot: of those that were met as such, at most named_max, as of the last halving or meeting.
  uint32_t hot() const noexcept { return named_; }

  // --- anybody
  // What note() would say of the key now.
  bool next_is_hot(uint64_t hash, uint32_t percent) const noexcept;
  // The key's part of the latest traffic, as estimated; nullopt before `least` keys have been met.
  std::optional<double> share_of(uint64_t hash) const noexcept;

 private:
  using Count = std::atomic<uint32_t>;
  static uint32_t read(const Count& count) noexcept { return count.load(std::memory_order_relaxed); }
  static size_t column(uint64_t hash, uint32_t row) noexcept { return hash >> (16 * row) & (width - 1); }
  static bool above(uint32_t count, uint32_t total, uint32_t percent) noexcept {
    return total >= least && uint64_t{count} * 100 > uint64_t{total} * percent;
  }
  uint32_t estimate(uint64_t hash) const noexcept;
  void remember(uint64_t hash) noexcept;
  void halve(uint32_t percent) noexcept;

  Count total_{0};
  uint32_t named_ = 0;
  std::array<uint64_t, named_max> names_{};
  std::array<std::array<Count, width>, rows> counts_{};
};

}  // namespace ringmaster::balance
