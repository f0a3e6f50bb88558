#include "balance/hot_keys.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringmaster::balance {

uint64_t key_hash(std::string_view bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

uint32_t HotKeys::estimate(uint64_t hash) const noexcept {
  uint32_t smallest = read(counts_[0][column(hash, 0)]);
  for (uint32_t row = 1; row < rows; ++row) smallest = std::min(smallest, read(counts_[row][column(hash, row)]));
  return smallest;
}

bool HotKeys::note(uint64_t hash, uint32_t percent) noexcept {
  const uint32_t count = estimate(hash) + 1, total = read(total_) + 1;
  for (uint32_t row = 0; row < rows; ++row) {
    Count& counter = counts_[row][column(hash, row)];
    if (read(counter) < count) counter.store(count, std::memory_order_relaxed);
  }
  total_.store(total, std::memory_order_relaxed);
  const bool hot = above(count, total, percent);
  if (hot) remember(hash);
  if (total >= 2 * window) halve(percent);
  return hot;
}

bool HotKeys::next_is_hot(uint64_t hash, uint32_t percent) const noexcept {
  return above(estimate(hash) + 1, read(total_) + 1, percent);
}

std::optional<double> HotKeys::share_of(uint64_t hash) const noexcept {
  const uint32_t total = read(total_);
  if (total < least) return std::nullopt;
  return std::min(1.0, static_cast<double>(estimate(hash)) / total);
}

void HotKeys::remember(uint64_t hash) noexcept {
  const auto end = names_.begin() + named_;
  if (std::find(names_.begin(), end, hash) == end && named_ < named_max) names_[named_++] = hash;
}

// The sum is halved with its parts, so that shares stay what they are.
void HotKeys::halve(uint32_t percent) noexcept {
  for (auto& row : counts_) {
    for (Count& counter : row) counter.store(read(counter) / 2, std::memory_order_relaxed);
  }
  total_.store(read(total_) / 2, std::memory_order_relaxed);
  const auto cooled = [&](uint64_t hash) { return !above(estimate(hash), read(total_), percent); };
  named_ = static_cast<uint32_t>(std::remove_if(names_.begin(), names_.begin() + named_, cooled) - names_.begin());
}

}  // namespace ringmaster::balance
