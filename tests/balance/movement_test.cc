#include "balance/movement.h"

#include <cmath>

#include "support.h"

namespace ringmaster::balance {
namespace {

class EveryKindMoves : public testing::TestWithParam<TableKind> {
 protected:
  Builder some(size_t members) const { return builder_of(settings_for(GetParam()), members); }

  // Keys by chance, as positions; whether each has another owner in the second table is asked key by key.
  struct Counted {
    std::vector<uint32_t> positions;
    std::vector<uint64_t> owned;
    uint64_t moved = 0;
  };
  static Counted count(const Table& before, const Table& after, size_t keys) {
    Counted counted;
    counted.owned.resize(before.members().size());
    std::mt19937_64 random(11);
    for (size_t i = 0; i < keys; ++i) {
      const std::string key = "key-" + std::to_string(random());
      counted.positions.push_back(before.position_of(key));
      EXPECT_EQ(before.slot_at(counted.positions.back()), before.slot_of(key));
      EXPECT_EQ(after.slot_at(counted.positions.back()), after.slot_of(key));
      ++counted.owned[before.owner(before.slot_of(key))];
      counted.moved += owner_name(before, before.slot_of(key)) != owner_name(after, after.slot_of(key)) ? 1 : 0;
    }
    return counted;
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryKindMoves, testing::ValuesIn(all_kinds), [](const auto& parameter) {
  std::string name(name_of(parameter.param));
  std::erase(name, '-');
  return name;
});

TEST_P(EveryKindMoves, SharesAddUpAndMeetWhatKeysDo) {
  Builder builder = some(5);
  ASSERT_TRUE(builder.set_weight("S2", 3));
  const Table table = builder.build();
  const std::vector<double> shares = key_shares(table);
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-9);
  constexpr size_t keys = 40'000;
  const Counted counted = count(table, table, keys);
  EXPECT_EQ(sampled_keys(table, counted.positions), counted.owned);
  EXPECT_EQ(movement(table, table, counted.positions).samples, 0u);
  EXPECT_EQ(movement(table, table).keys, 0);
  const TableKind kind = GetParam();
  if (kind == TableKind::assignment || kind == TableKind::assignment_printed) return;   // their H is not even
  for (size_t i = 0; i < shares.size(); ++i) {
    const double seen = static_cast<double>(counted.owned[i]) / keys;
    EXPECT_NEAR(seen, shares[i], 5 * std::sqrt(shares[i] * (1 - shares[i]) / keys)) << i;
  }
}

TEST_P(EveryKindMoves, WhatMovesIsWhatKeysDo) {
  Builder builder = some(6);
  const Table before = builder.build();
  builder.leave("S3");
  join_ready(builder, "S9", 2);
  ASSERT_TRUE(builder.set_weight("S1", 2));
  const Table after = builder.build();
  constexpr size_t keys = 40'000;
  const Counted counted = count(before, after, keys);
  const Movement moved = movement(before, after, counted.positions);
  EXPECT_EQ(moved.samples, counted.moved);
  EXPECT_EQ(movement(after, before, counted.positions).samples, counted.moved);
  EXPECT_NEAR(movement(after, before).keys, moved.keys, 1e-12);
  const TableKind kind = GetParam();
  if (kind == TableKind::assignment || kind == TableKind::assignment_printed) return;
  const double error = 5 * std::sqrt(moved.keys * (1 - moved.keys) / keys);
  EXPECT_NEAR(static_cast<double>(counted.moved) / keys, moved.keys, error);
}

TEST_P(EveryKindMoves, EverythingMovesToAndFromNobody) {
  Builder builder = some(2);
  const Table full = builder.build();
  builder.set_ready("S1", false);
  builder.set_ready("S2", false);
  const Table empty = builder.build();
  EXPECT_DOUBLE_EQ(movement(full, empty).keys, 1);
  EXPECT_DOUBLE_EQ(movement(empty, full).keys, 1);
  EXPECT_EQ(movement(empty, empty).keys, 0);
  EXPECT_TRUE(key_shares(empty).empty());
}

TEST(MaxOverMean, IsOneForEqualShares) {
  EXPECT_DOUBLE_EQ(max_over_mean(std::vector<double>{0.25, 0.25, 0.25, 0.25}), 1);
  EXPECT_DOUBLE_EQ(max_over_mean(std::vector<double>{3, 1}), 1.5);
  EXPECT_EQ(max_over_mean(std::vector<double>{0, 0}), 0);
  EXPECT_EQ(max_over_mean({}), 0);
}

}  // namespace
}  // namespace ringmaster::balance
