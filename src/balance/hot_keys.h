// Which keys are so popular that one replica should not serve them alone: a sketch of a worker's latest traffic.
//
// A count-min sketch (G. Cormode and S. Muthukrishnan, J. Algorithms 55(1), 2005) with conservative update (C. Estan
// and G. Varghese, SIGCOMM 2002): four rows of counters, a key adds to those of its own that are smallest. A key's
// estimate is never below its count; it is above by more than e / width = 0.13 % of all with a probability of e^-4 at
// most, and conservative update only lessens that. So a key above the share is always found, and one that is well below
// hardly ever. Every `window` keys all counters are halved: what was popular is forgotten within a few windows. Before
// `least` keys have been met, none is hot.
//
// 32 KiB for each worker; a key costs four counters. Belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmaster::balance {

// XXH3 of the bytes, 64 bits.
uint64_t key_hash(std::string_view bytes) noexcept;

class HotKeys {
 public:
  static constexpr uint32_t rows = 4, width = 2048, window = 32768, least = 512;
  static constexpr uint32_t named_max = 64;

  // A key is hot above so many hundredths of the traffic; 1 to 100.
  explicit HotKeys(uint32_t share_percent) noexcept : share_percent_(share_percent) {}

  // Counts the key; true where it is hot.
  bool note(uint64_t hash) noexcept;
  // How many are hot: of those that were met as such, at most named_max, as of the last halving or meeting.
  uint32_t hot() const noexcept { return named_; }

 private:
  static size_t column(uint64_t hash, uint32_t row) noexcept { return hash >> (16 * row) & (width - 1); }
  uint32_t estimate(uint64_t hash) const noexcept;
  bool above_share(uint32_t count) const noexcept {
    return total_ >= least && uint64_t{count} * 100 > uint64_t{total_} * share_percent_;
  }
  void remember(uint64_t hash) noexcept;
  void halve() noexcept;

  const uint32_t share_percent_;
  uint32_t total_ = 0;
  uint32_t named_ = 0;
  std::array<uint64_t, named_max> names_{};
  std::array<std::array<uint32_t, width>, rows> counts_{};
};

}  // namespace ringmaster::balance
