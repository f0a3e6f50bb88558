#include "admin/start_budget.h"

#include <gtest/gtest.h>

namespace ringmaster::admin {
namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t second = 1000 * ms;

TEST(StartBudget, FirstRespawnIsImmediateThenWaitsDouble) {
  StartBudget budget;
  EXPECT_EQ(budget.death(1 * second, 0).delay_ns, 0U);
  EXPECT_EQ(budget.death(2 * second, 0).delay_ns, 100 * ms);
  EXPECT_EQ(budget.death(3 * second, 0).delay_ns, 200 * ms);
  EXPECT_EQ(budget.death(4 * second, 0).delay_ns, 400 * ms);
}

TEST(StartBudget, FifthDeathBeforeASteadyLifeIsACrashLoop) {
  StartBudget budget;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(budget.death(10 * second, 0).quarantined);
  const StartBudget::Verdict fifth = budget.death(10 * second, 999 * ms);
  EXPECT_TRUE(fifth.quarantined);
  EXPECT_EQ(fifth.delay_ns, 60 * second);
  EXPECT_TRUE(budget.death(71 * second, 0).quarantined) << "one try, then again";
}

TEST(StartBudget, ASteadyLifeMakesGood) {
  StartBudget budget;
  for (int i = 0; i < 4; ++i) budget.death(10 * second, 0);
  EXPECT_EQ(budget.death(20 * second, second).delay_ns, 0U);
  EXPECT_EQ(budget.death(21 * second, 0).delay_ns, 0U);
  EXPECT_EQ(budget.death(22 * second, 0).delay_ns, 100 * ms);
}

TEST(StartBudget, TooManyDeathsInAMinuteAreACrashLoopHoweverSteady) {
  StartBudget budget;
  for (uint64_t i = 0; i < 20; ++i) EXPECT_FALSE(budget.death(i * 2 * second, 1500 * ms).quarantined);
  EXPECT_TRUE(budget.death(40 * second, 1500 * ms).quarantined);
}

TEST(StartBudget, DeathsThatAreFarApartAreNone) {
  StartBudget budget;
  for (uint64_t i = 1; i < 100; ++i) EXPECT_FALSE(budget.death(i * 4 * second, 3 * second).quarantined);
}

}  // namespace
}  // namespace ringmaster::admin
