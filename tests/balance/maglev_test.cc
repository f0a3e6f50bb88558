#include "balance/maglev.h"

#include <xxhash.h>

#include "support.h"

namespace ringmaster::balance {
namespace {

TEST(Maglev, SharesAreEvenToOneTurn) {
  for (const size_t members : {2, 3, 7, 100, 1000}) {
    const auto counts = slots_owned(builder_of(settings_for(TableKind::maglev), members).build());
    const auto [least, most] = std::ranges::minmax(counts);
    EXPECT_LE(most - least, 1u) << members;
  }
}

TEST(Maglev, SharesFollowTheWeights) {
  Builder builder(settings_for(TableKind::maglev));
  for (uint32_t i = 1; i <= 5; ++i) join_ready(builder, name_number(i), i);
  const auto counts = slots_owned(builder.build());
  for (uint32_t i = 1; i <= 5; ++i) EXPECT_NEAR(counts[i - 1], 65537.0 * i / 15, 5);
}

TEST(Maglev, WeightSetLaterIsTheSameAsWeightAtTheBeginning) {
  Builder early(settings_for(TableKind::maglev)), late = builder_of(settings_for(TableKind::maglev), 2);
  join_ready(early, "S1", 1);
  join_ready(early, "S2", 3);
  late.build();
  ASSERT_TRUE(late.set_weight("S2", 3));
  EXPECT_EQ(late.build().digest(), early.build().digest());
}

// The paper's Pseudocode 1, word for word: offset, skip, and turns in one fixed order.
TEST(Maglev, IsThePseudocodeOfThePaper) {
  constexpr uint64_t slots = 251;
  std::vector<std::string> names;
  for (size_t i = 1; i <= 9; ++i) names.push_back(name_number(i));
  const Table table = builder_of({.kind = TableKind::maglev, .slots = slots}, names.size()).build();
  const auto hash = [](const std::string& name) { return XXH3_128bits(name.data(), name.size()); };
  std::ranges::sort(names, {}, [&](const std::string& name) { return hash(name).low64; });
  std::vector<std::string> entry(slots);
  std::vector<uint64_t> next(names.size(), 0);
  for (size_t filled = 0; filled < slots;) {
    for (size_t i = 0; i < names.size() && filled < slots; ++i, ++filled) {
      const uint64_t offset = hash(names[i]).low64 % slots, skip = hash(names[i]).high64 % (slots - 1) + 1;
      uint64_t slot = (offset + next[i] * skip) % slots;
      while (!entry[slot].empty()) slot = (offset + ++next[i] * skip) % slots;
      entry[slot] = names[i];
    }
  }
  for (uint32_t slot = 0; slot < slots; ++slot) ASSERT_EQ(owner_name(table, slot), entry[slot]);
}

TEST(Maglev, LeavingMovesFewSlotsOfTheOthers) {
  Builder builder = builder_of(settings_for(TableKind::maglev), 10);
  const Table before = builder.build();
  builder.leave("S4");
  const Table after = builder.build();
  uint32_t collateral = 0;
  for (uint32_t slot = 0; slot < before.slots(); ++slot) {
    if (owner_name(before, slot) != "S4") collateral += owner_name(before, slot) != owner_name(after, slot);
  }
  EXPECT_GT(collateral, 0u);                       // the paper's bargain
  EXPECT_LT(collateral, before.slots() / 20);
}

TEST(Maglev, LayoutDependsOnNamesAndWeightsAlone) {
  Builder forward(settings_for(TableKind::maglev)), backward(settings_for(TableKind::maglev));
  for (uint32_t i = 1; i <= 20; ++i) join_ready(forward, name_number(i), i % 3 + 1);
  for (uint32_t i = 20; i >= 1; --i) join_ready(backward, name_number(i), i % 3 + 1);
  EXPECT_EQ(forward.build().digest(), backward.build().digest());
}

TEST(Maglev, MemberOfNoSlotsStillIsAFallback) {
  Builder builder({.kind = TableKind::maglev, .slots = 7});
  join_ready(builder, "heavy", 65535);
  join_ready(builder, "light", 1);
  const Table table = builder.build();
  EXPECT_EQ(slots_owned(table)[1], 0u);
  EXPECT_EQ(names_at(table, 3), (std::vector<std::string>{"heavy", "light"}));
}

TEST(Maglev, KnowsPrimes) {
  for (const uint32_t prime : {2u, 3u, 7u, 65537u, 131071u}) EXPECT_TRUE(is_prime(prime)) << prime;
  for (const uint32_t other : {0u, 1u, 4u, 9u, 65536u, 65539u * 3u, 1000001u}) EXPECT_FALSE(is_prime(other)) << other;
}

}  // namespace
}  // namespace ringmaster::balance
