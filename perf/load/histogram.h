// Counts of durations with three significant digits, whatever their size, in fixed memory.
//
// The idea is HdrHistogram's (G. Tene): values below 2048 have a counter each; above, every doubling of the range
// shares 1024 counters, so that a counter is never wider than 1/1024 of its value. Recording is a shift and an add.
// Bounds: 0 to 2^40 ns (18 minutes); a longer one counts as the longest, and max_ns() still tells the truth.
#pragma once

#include <cstdint>
#include <vector>

namespace ringmaster::perf {

class Histogram {
 public:
  Histogram();

  void record(uint64_t ns) noexcept;
  void clear() noexcept;

  uint64_t count() const noexcept { return count_; }
  uint64_t min_ns() const noexcept { return count_ == 0 ? 0 : min_; }
  uint64_t max_ns() const noexcept { return max_; }
  double mean_ns() const noexcept;
  // The smallest recorded duration, to three digits, that `percent` of all do not exceed. 0 where nothing was recorded.
  uint64_t percentile_ns(double percent) const noexcept;

 private:
  static constexpr int sub_bits = 11;  // 2^11 counters for the first range, half as many for each doubling
  static constexpr int value_bits = 40;

  static uint32_t index_of(uint64_t ns) noexcept;
  static uint64_t highest_of(uint32_t index) noexcept;

  std::vector<uint64_t> counters_;
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace ringmaster::perf
