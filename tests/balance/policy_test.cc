#include "balance/policy.h"

#include "balance/choice.h"
#include "support.h"

namespace ringmaster::balance {
namespace {

TEST(Policy, IsKnownByItsNameAndServedByATable) {
  EXPECT_EQ(policy("round_robin"), Policy::round_robin);
  EXPECT_EQ(policy("least_connections"), Policy::least_connections);
  EXPECT_EQ(policy("power_of_two"), Policy::power_of_two);
  EXPECT_EQ(policy("maglev"), Policy::table);
  EXPECT_FALSE(policy("best"));
  EXPECT_FALSE(policy(""));
  EXPECT_EQ(table_kind_under("power_of_two"), TableKind::rendezvous);
  EXPECT_EQ(table_kind_under("ketama"), TableKind::ketama);
  EXPECT_FALSE(table_kind_under("best"));
}

size_t next_of(const std::vector<Turn>& turns, uint64_t present) {
  size_t best = 0;
  for (size_t i = 1; i < turns.size(); ++i) {
    if (turns[i].from(present) < turns[best].from(present)) best = i;
  }
  return best;
}

// Also where the times go round: one of the starts is just before that.
TEST(Turns, GiveEveryoneTheirShareToOneExchange) {
  for (const uint64_t start : {uint64_t{0}, ~uint64_t{0} - (uint64_t{3} << 32)}) {
    const std::vector<uint32_t> weights{1, 2, 3, 10, 7};
    std::vector<Turn> turns(weights.size());
    for (Turn& turn : turns) turn.due = start;
    uint64_t present = start;
    std::vector<double> served(weights.size());
    for (int request = 1; request <= 5000; ++request) {
      const size_t one = next_of(turns, present);
      turns[one].take(present, weights[one]);
      ++served[one];
      for (size_t i = 0; i < weights.size(); ++i) ASSERT_NEAR(served[i], request * weights[i] / 23.0, 2.0) << request;
    }
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(served[i], 5000 * weights[i] / 23.0, 1.5);
  }
}

TEST(Turns, MakeNothingUpToWhoHasBeenAway) {
  std::vector<Turn> turns(3);
  uint64_t present = 0;
  for (int i = 0; i < 1000; ++i) turns[static_cast<size_t>(i % 2)].take(present, 1);
  std::vector<int> served(3);
  for (int i = 0; i < 30; ++i) {
    const size_t one = next_of(turns, present);
    turns[one].take(present, 1);
    ++served[one];
  }
  EXPECT_NEAR(served[2], 10, 1);
}

TEST(Load, IsComparedByWeight) {
  EXPECT_TRUE(less_loaded(0, 1, 1, 1));
  EXPECT_FALSE(less_loaded(1, 1, 1, 1));
  EXPECT_TRUE(less_loaded(1, 3, 0, 1)) << "2/3 before 1";
  EXPECT_FALSE(less_loaded(2, 3, 0, 1));
}

// --- slow start -----------------------------------------------------------------------------------------------------

TEST(SlowStart, TakesSlotsOverEvenlyInTime) {
  constexpr uint64_t span = 10'000'000'000;
  for (const uint64_t identity : {uint64_t{1}, uint64_t{0xFEDCBA9876543210}}) {
    int early[10] = {};
    for (uint32_t slot = 0; slot < 65'536; ++slot) {
      const uint64_t after = takes_over_after_ns(slot, identity, span);
      ASSERT_LT(after, span);
      ++early[after * 10 / span];
    }
    // 6,553.6 expected in each tenth; five standard deviations of the binomial are 384.
    for (const int count : early) EXPECT_NEAR(count, 6554, 384);
  }
}

TEST(SlowStart, IsTheSameEverywhereAndScalesWithTheSpan) {
  EXPECT_EQ(takes_over_after_ns(17, 99, 1'000'000'000), takes_over_after_ns(17, 99, 1'000'000'000));
  const uint64_t day = uint64_t{86'400} * 1'000'000'000;
  for (uint32_t slot = 0; slot < 1000; ++slot) {
    const double part = static_cast<double>(takes_over_after_ns(slot, 5, day)) / static_cast<double>(day);
    EXPECT_NEAR(part, static_cast<double>(takes_over_after_ns(slot, 5, 1'000'000)) / 1e6, 0.001);
  }
}

}  // namespace
}  // namespace ringmaster::balance
