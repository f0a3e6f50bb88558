#include "histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace ringmaster::perf {
namespace {

TEST(Histogram, AnEmptyOneSaysZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.percentile_ns(99), 0U);
  EXPECT_EQ(histogram.min_ns(), 0U);
  EXPECT_EQ(histogram.max_ns(), 0U);
}

TEST(Histogram, SmallDurationsAreKeptExactly) {
  Histogram histogram;
  for (uint64_t ns = 1; ns <= 1000; ++ns) histogram.record(ns);
  EXPECT_EQ(histogram.percentile_ns(50), 500U);
  EXPECT_EQ(histogram.percentile_ns(99.9), 999U);
  EXPECT_EQ(histogram.percentile_ns(100), 1000U);
  EXPECT_DOUBLE_EQ(histogram.mean_ns(), 500.5);
}

TEST(Histogram, EveryPercentileIsWithinOneInAThousand) {
  Histogram histogram;
  std::vector<uint64_t> values;
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> durations(std::log(50'000.0), 2.0);  // 50 us, with a tail into seconds
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<uint64_t>(durations(random)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const auto rank = static_cast<size_t>(std::llround(percent * 1000)) - 1;
    const auto exact = static_cast<double>(values[rank]);
    EXPECT_NEAR(static_cast<double>(histogram.percentile_ns(percent)), exact, exact / 1000 + 1) << percent;
  }
  EXPECT_EQ(histogram.max_ns(), values.back());
  EXPECT_EQ(histogram.min_ns(), values.front());
}

TEST(Histogram, ALongerDurationThanItsRangeStillCountsAndKeepsItsMaximum) {
  Histogram histogram;
  histogram.record(uint64_t{1} << 50);
  EXPECT_EQ(histogram.count(), 1U);
  EXPECT_EQ(histogram.max_ns(), uint64_t{1} << 50);
}

TEST(Histogram, ClearForgetsEverything) {
  Histogram histogram;
  histogram.record(1'000'000);
  histogram.clear();
  histogram.record(5);
  EXPECT_EQ(histogram.percentile_ns(100), 5U);
  EXPECT_EQ(histogram.max_ns(), 5U);
}

}  // namespace
}  // namespace ringmaster::perf
