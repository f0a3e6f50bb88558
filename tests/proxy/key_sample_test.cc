#include "proxy/key_sample.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

namespace ringmaster::proxy {
namespace {

class KeySampleTest : public testing::Test {
 protected:
  void meet(uint32_t position) {
    if (sample_->due()) sample_->note(position, random_());
  }
  std::map<uint32_t, size_t> counts() const {
    std::map<uint32_t, size_t> counted;
    for (const uint32_t position : sample_->positions()) ++counted[position];
    return counted;
  }

  std::mt19937_64 random_{1};
  std::unique_ptr<KeySample> sample_ = std::make_unique<KeySample>();
};

TEST_F(KeySampleTest, TakesTheFirstKeysAll) {
  EXPECT_TRUE(sample_->positions().empty());
  for (uint32_t i = 0; i < KeySample::size; ++i) meet(i);
  const std::vector<uint32_t> positions = sample_->positions();
  ASSERT_EQ(positions.size(), KeySample::size);
  for (uint32_t i = 0; i < KeySample::size; ++i) ASSERT_EQ(positions[i], i);
  EXPECT_EQ(sample_->seen(), KeySample::size);
}

TEST_F(KeySampleTest, TakesOneOfSixtyFourLater) {
  constexpr uint64_t keys = 4'000'000;
  for (uint64_t i = 0; i < keys; ++i) meet(7);
  EXPECT_EQ(sample_->positions().size(), KeySample::size);
  EXPECT_NEAR(static_cast<double>(sample_->seen()), static_cast<double>(keys), KeySample::distance_max);
}

TEST_F(KeySampleTest, ForgetsTheTrafficOfYesterday) {
  for (uint32_t i = 0; i < KeySample::size; ++i) meet(1);
  for (uint32_t i = 0; i < 70 * KeySample::size; ++i) meet(2);
  EXPECT_EQ(counts(), (std::map<uint32_t, size_t>{{2, KeySample::size}}));
}

// A load generator that asks for the same 64 keys in turn must not be taken for one key.
TEST_F(KeySampleTest, SeesThroughAPeriod) {
  for (uint32_t i = 0; i < 80 * KeySample::size; ++i) meet(i % 64);
  const auto counted = counts();
  ASSERT_EQ(counted.size(), 64u);
  constexpr double mean = KeySample::size / 64.0;
  for (const auto& [position, count] : counted) EXPECT_NEAR(static_cast<double>(count), mean, 6 * 11.3) << position;
}

}  // namespace
}  // namespace ringmaster::proxy
