#include "balance/hot_keys.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringmaster::balance {

uint64_t key_hash(std::string_view bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

uint32_t HotKeys::estimate(uint64_t hash) const noexcept {
  uint32_t smallest = counts_[0][column(hash, 0)];
  for (uint32_t row = 1; row < rows; ++row) smallest = std::min(smallest, counts_[row][column(hash, row)]);
  return smallest;
}

bool HotKeys::note(uint64_t hash) noexcept {
  const uint32_t count = estimate(hash) + 1;
  for (uint32_t row = 0; row < rows; ++row) {
    uint32_t& counter = counts_[row][column(hash, row)];
    counter = std::max(counter, count);
  }
  ++total_;
  const bool hot = above_share(count);
  if (hot) remember(hash);
  if (total_ >= 2 * window) halve();
  return hot;
}

void HotKeys::remember(uint64_t hash) noexcept {
  const auto end = names_.begin() + named_;
  if (std::find(names_.begin(), end, hash) == end && named_ < named_max) names_[named_++] = hash;
}

// The sum is halved with its parts, so that shares stay what they are.
void HotKeys::halve() noexcept {
  for (auto& row : counts_) {
    for (uint32_t& counter : row) counter /= 2;
  }
  total_ /= 2;
  const auto end = std::remove_if(names_.begin(), names_.begin() + named_,
                                  [this](uint64_t hash) { return !above_share(estimate(hash)); });
  named_ = static_cast<uint32_t>(end - names_.begin());
}

}  // namespace ringmaster::balance
