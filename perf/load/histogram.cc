#include "histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ringmaster::perf {

namespace {
constexpr uint32_t half(int sub_bits) { return 1U << (sub_bits - 1); }
}  // namespace

Histogram::Histogram() : counters_((value_bits - sub_bits + 2) * half(sub_bits)) {}

// Above the first range the top sub_bits bits of the value pick the counter and the position of its highest bit picks
// the doubling.
uint32_t Histogram::index_of(uint64_t ns) noexcept {
  ns = std::min(ns, (uint64_t{1} << value_bits) - 1);
  const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - sub_bits);
  return static_cast<uint32_t>(shift) * half(sub_bits) + static_cast<uint32_t>(ns >> shift);
}

uint64_t Histogram::highest_of(uint32_t index) noexcept {
  if (index < 2 * half(sub_bits)) return index;
  const uint32_t shift = index / half(sub_bits) - 1;
  const uint64_t top = index - uint64_t{shift} * half(sub_bits);
  return ((top + 1) << shift) - 1;
}

void Histogram::record(uint64_t ns) noexcept {
  ++counters_[index_of(ns)];
  ++count_;
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
  sum_ += static_cast<double>(ns);
}

void Histogram::clear() noexcept {
  std::fill(counters_.begin(), counters_.end(), 0);
  count_ = 0;
  min_ = UINT64_MAX;
  max_ = 0;
  sum_ = 0;
}

double Histogram::mean_ns() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

uint64_t Histogram::percentile_ns(double percent) const noexcept {
  if (count_ == 0) return 0;
  // 99.9 % of 1000 is 999, not the 999.0000000000001 that multiplication makes of it.
  const double wanted = std::ceil(percent * static_cast<double>(count_) / 100 - 1e-6);
  const uint64_t rank = std::clamp(static_cast<uint64_t>(wanted), uint64_t{1}, count_);
  uint64_t seen = 0;
  for (uint32_t index = 0; index < counters_.size(); ++index) {
    seen += counters_[index];
    if (seen >= rank) return std::min(highest_of(index), max_);
  }
  return max_;
}

}  // namespace ringmaster::perf
