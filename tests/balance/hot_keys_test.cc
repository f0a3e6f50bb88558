#include "balance/hot_keys.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace ringmaster::balance {
namespace {

// A sketch and the share, in hundredths, above which a key is hot; each is asked first what it will say.
class Sketch {
 public:
  explicit Sketch(uint32_t share) : share_(share) {}
  bool note(uint64_t hash) {
    const bool expected = keys->next_is_hot(hash, share_);
    const bool hot = keys->note(hash, share_);
    EXPECT_EQ(hot, expected);
    return hot;
  }
  const std::unique_ptr<HotKeys> keys = std::make_unique<HotKeys>();

 private:
  const uint32_t share_;
};
uint64_t key(uint64_t number) { return key_hash(std::to_string(number)); }

TEST(HotKeys, FindsEveryKeyAboveTheShareAndHardlyAnyOther) {
  Sketch sketch(5);
  std::mt19937_64 random(1);
  // Key 0 is 20 % of the traffic, key 1 is 7 %, key 2 is 3 %; the others are ten thousand.
  uint64_t hot[3] = {}, met[3] = {}, hot_others = 0;
  for (int i = 0; i < 200'000; ++i) {
    const auto dice = random() % 100;
    const uint64_t number = dice < 20 ? 0 : dice < 27 ? 1 : dice < 30 ? 2 : 3 + random() % 10'000;
    const bool is_hot = sketch.note(key(number));
    if (i < 10'000) continue;   // shares of the first few hundred are chance
    if (number < 3) ++met[number], hot[number] += is_hot;
    else hot_others += is_hot;
  }
  EXPECT_EQ(hot[0], met[0]);
  EXPECT_EQ(hot[1], met[1]);
  EXPECT_EQ(hot[2], 0u);
  EXPECT_EQ(hot_others, 0u);
  EXPECT_EQ(sketch.keys->hot(), 2u);
  EXPECT_NEAR(sketch.keys->share_of(key(0)).value(), 0.20, 0.01);
  EXPECT_NEAR(sketch.keys->share_of(key(1)).value(), 0.07, 0.01);
  EXPECT_LT(sketch.keys->share_of(key(2'000'000)).value(), 0.002);
}

TEST(HotKeys, FindsTheHeadOfAZipfDistributionAmongAMillionKeys) {
  Sketch sketch(1);
  std::mt19937_64 random(2);
  constexpr int ranks = 1'000'000;
  std::vector<double> sums;
  double sum = 0;
  for (int rank = 1; rank <= ranks; ++rank) sums.push_back(sum += 1.0 / rank);
  std::map<uint64_t, uint64_t> found;
  constexpr int requests = 150'000;
  for (int i = 0; i < requests; ++i) {
    const double at = std::uniform_real_distribution<double>(0, sum)(random);
    const auto rank = static_cast<uint64_t>(std::lower_bound(sums.begin(), sums.end(), at) - sums.begin()) + 1;
    if (sketch.note(key(rank)) && i > requests / 2) ++found[rank];
  }
  for (uint64_t rank = 1; 100.0 / (static_cast<double>(rank) * sum) > 1.2; ++rank) EXPECT_GT(found[rank], 0u) << rank;
  for (const auto& [rank, times] : found) EXPECT_GT(100.0 / (static_cast<double>(rank) * sum), 0.7) << rank;
}

TEST(HotKeys, ForgetsAKeyThatHasCooledDown) {
  Sketch sketch(10);
  for (uint64_t i = 0; i < 50'000; ++i) sketch.note(key(i % 2 == 0 ? 0 : i));
  EXPECT_TRUE(sketch.note(key(0)));
  for (uint64_t i = 0; i < 4 * HotKeys::window; ++i) sketch.note(key(100'000 + i));
  EXPECT_FALSE(sketch.note(key(0)));
  EXPECT_EQ(sketch.keys->hot(), 0u);
}

TEST(HotKeys, TakesNobodyForHotBeforeThereIsTraffic) {
  Sketch sketch(1);
  for (uint32_t i = 0; i + 1 < HotKeys::least; ++i) EXPECT_FALSE(sketch.note(key(7)));
  EXPECT_FALSE(sketch.keys->share_of(key(7)));
  EXPECT_TRUE(sketch.note(key(7)));
  EXPECT_EQ(sketch.keys->share_of(key(7)), 1.0);
}

}  // namespace
}  // namespace ringmaster::balance
