// The assignment's tables against its golden numbers, and against a second, plainer implementation.
#include "balance/assignment.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <map>

#include "support.h"

namespace ringmaster::balance {
namespace {

std::vector<uint64_t> shares_of_all_ids(const Table& table) {
  std::vector<uint64_t> counts(table.members().size(), 0);
  for (uint32_t id = 100000; id <= 999999; ++id) ++counts[table.owner(table.slot_of(std::to_string(id)))];
  return counts;
}

TEST(Assignment, LaysThreeReplicasOutAsTheGoldenNumbersSay) {
  const std::map<uint32_t, uint16_t> golden = [] {
    std::map<uint32_t, uint16_t> holders;
    for (const uint32_t slot : {26, 29, 34, 41, 50, 61, 74, 89, 106}) holders[slot] = 0;
    for (const uint32_t slot : {30, 32, 37, 44, 53, 64, 77, 92, 109}) holders[slot] = 1;
    for (const uint32_t slot : {35, 38, 42, 49, 58, 69, 82, 97, 114}) holders[slot] = 2;
    return holders;
  }();
  for (const Probing probing : {Probing::linear, Probing::quadratic}) {
    Builder builder = builder_of({.kind = TableKind::assignment, .slots = 512, .probing = probing}, 3);
    const Table table = builder.build();
    ASSERT_EQ(table.slots(), 512u);
    for (uint32_t slot = 0; slot < 512; ++slot) {
      auto next = golden.lower_bound(slot);
      if (next == golden.end()) next = golden.begin();
      ASSERT_EQ(table.owner(slot), next->second) << "slot " << slot;
    }
  }
}

TEST(Assignment, SendsTheGoldenRequestIdsToTheirReplicas) {
  const Table table = builder_of(settings_for(TableKind::assignment), 3).build();
  EXPECT_EQ(table.slot_of("132574"), 81u);
  EXPECT_EQ(owner_name(table, 81), "S3");
  EXPECT_EQ(table.slot_of("100000"), 337u);
  EXPECT_EQ(owner_name(table, 337), "S1");
  EXPECT_EQ(table.slot_of("999999"), 16u);
  EXPECT_EQ(owner_name(table, 16), "S1");
}

TEST(Assignment, SharesOfAllSixDigitIdsAreTheGoldenCounts) {
  const std::vector<std::vector<uint64_t>> golden{{857813, 42187},
                                                  {759374, 42187, 98439},
                                                  {738282, 42187, 91407, 28124},
                                                  {717187, 28125, 84376, 28124, 42188},
                                                  {710155, 28125, 84376, 28124, 42188, 7032}};
  Builder builder = builder_of(settings_for(TableKind::assignment), 1);
  for (const auto& counts : golden) {
    join_ready(builder, name_number(counts.size()));
    EXPECT_EQ(shares_of_all_ids(builder.build()), counts);
  }
}

TEST(Assignment, SharesAfterARemovalAreTheGoldenOnes) {
  const std::vector<std::vector<uint64_t>> golden{{8750, 1250}, {8750, 1250}, {9531, 469}};
  for (size_t gone = 1; gone <= 3; ++gone) {
    Builder builder = builder_of(settings_for(TableKind::assignment), 3);
    builder.leave(name_number(gone));
    const auto counts = shares_of_all_ids(builder.build());
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ((counts[i] + 45) / 90, golden[gone - 1][i]) << "without " << gone;
  }
}

TEST(Assignment, ReplicaThatIsNotReadyIsServedByTheNextAndKeepsItsSlots) {
  Builder builder = builder_of(settings_for(TableKind::assignment), 3);
  const uint64_t before = builder.build().digest();
  builder.set_ready("S3", false);
  builder.set_ready("S1", false);
  const Table table = builder.build();
  ASSERT_EQ(table.members().size(), 1u);
  EXPECT_EQ(owner_name(table, 81), "S2");
  // A fourth finds the slots of all three taken, ready or not.
  ASSERT_TRUE(builder.join("S4", 1));
  builder.set_ready("S1", true);
  builder.set_ready("S3", true);
  EXPECT_EQ(builder.build().digest(), before);
}

TEST(Assignment, NumbersGoUpAndAreNeverUsedAgain) {
  Builder builder = builder_of(settings_for(TableKind::assignment), 3);
  EXPECT_EQ(builder.number("S3"), 3u);
  builder.leave("S3");
  EXPECT_EQ(builder.number("S3"), std::nullopt);
  join_ready(builder, "S3");
  EXPECT_EQ(builder.number("S3"), 4u);
  // Its nodes are where replica 4's are: 16 + j^2 + 2j + 25, from slot 41 on, which replica 1 holds.
  EXPECT_EQ(owner_name(builder.build(), 41), "S1");
  builder.leave("S1");
  EXPECT_EQ(owner_name(builder.build(), 41), "S3");
}

TEST(Assignment, JoinIsRefusedWhenNodesFindNoSlotAndChangesNothing) {
  Builder builder = builder_of({.kind = TableKind::assignment, .slots = 20, .virtual_nodes = 9}, 2);
  const uint64_t before = builder.build().digest();
  const auto third = builder.join("S3", 1);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::full);
  EXPECT_EQ(builder.set_weight("S1", 2).error().kind, ErrorKind::full);
  EXPECT_EQ(builder.build().digest(), before);
  EXPECT_EQ(builder.size(), 2u);
  builder.leave("S1");
  ASSERT_TRUE(builder.join("S3", 1));
  EXPECT_EQ(builder.number("S3"), 3u);   // the refused one used no number up
}

TEST(Assignment, QuadraticProbingEndsWhereTheSquaresVisitTakenSlotsOnly) {
  // Nine nodes of one replica leave 7 of 16 slots; the squares modulo 16 are 0, 1, 4, 9.
  Builder builder({.kind = TableKind::assignment, .slots = 16, .virtual_nodes = 8, .probing = Probing::quadratic});
  join_ready(builder, "S1");
  join_ready(builder, "S2");
  const auto counts = slots_owned(builder.build());
  EXPECT_EQ(counts, (std::vector<uint32_t>{8, 8}));
}

// The plain way: a slot's holder in a map, a walk for each question.
class PlainRing {
 public:
  explicit PlainRing(const TableSettings& settings) : settings_(settings) {}

  void join(uint64_t i, const std::string& name) {
    for (uint64_t j = 0; j < settings_.virtual_nodes; ++j) {
      uint64_t slot = home(i, j, name) % settings_.slots;
      const uint64_t first = slot;
      for (uint64_t step = 1; holders_.contains(slot); ++step) {
        slot = (first + (settings_.probing == Probing::linear ? step : step * step)) % settings_.slots;
      }
      holders_[slot] = name;
    }
  }
  void leave(const std::string& name) {
    std::erase_if(holders_, [&](const auto& entry) { return entry.second == name; });
  }
  std::vector<std::string> at(uint32_t slot, const std::vector<std::string>& ready) const {
    std::vector<std::string> found;
    for (uint64_t step = 0; step < settings_.slots; ++step) {
      const auto holder = holders_.find((slot + step) % settings_.slots);
      if (holder == holders_.end() || std::ranges::count(ready, holder->second) == 0) continue;
      if (std::ranges::count(found, holder->second) == 0) found.push_back(holder->second);
      if (found.size() == fallbacks_max + 1) break;
    }
    return found;
  }

 private:
  uint64_t home(uint64_t i, uint64_t j, const std::string& name) const {
    if (settings_.kind == TableKind::assignment) return i * i + j * j + 2 * j + 25;
    if (settings_.kind == TableKind::assignment_printed) return i + j + 2 * j + 25;
    const std::string bytes = name + "-" + std::to_string(j);
    unsigned char digest[16];
    EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, EVP_md5(), nullptr);
    return digest[14] << 8 | digest[15];   // enough for a power of two up to 65,536
  }

  TableSettings settings_;
  std::map<uint64_t, std::string> holders_;
};

TEST(Assignment, AgreesWithThePlainRingThroughRandomChanges) {
  for (const TableKind kind : {TableKind::assignment, TableKind::assignment_printed, TableKind::md5}) {
    for (const Probing probing : {Probing::linear, Probing::quadratic}) {
      std::mt19937_64 random(7);
      const TableSettings settings{.kind = kind, .slots = 512, .probing = probing};
      Builder builder(settings);
      PlainRing plain(settings);
      std::vector<std::string> members, ready;
      for (int step = 0; step < 200; ++step) {
        const uint64_t what = random() % 3;
        if (members.size() < 2 || (what == 0 && members.size() < 20)) {
          const std::string name = std::string("web-").append(std::to_string(step));
          ASSERT_TRUE(builder.join(name, 1));
          plain.join(*builder.number(name), name);
          members.push_back(name);
        } else {
          const std::string name = members[random() % members.size()];
          const bool was_ready = std::erase(ready, name) != 0;
          if (what == 1) {
            builder.leave(name);
            plain.leave(name);
            std::erase(members, name);
          } else {
            builder.set_ready(name, !was_ready);
            if (!was_ready) ready.push_back(name);
          }
        }
        const Table table = builder.build();
        for (uint32_t slot = 0; slot < 512; slot += 3) ASSERT_EQ(names_at(table, slot), plain.at(slot, ready));
      }
    }
  }
}

TEST(Assignment, KeyThatIsNoNumberIsHashed) {
  const Table table = builder_of(settings_for(TableKind::assignment), 3).build();
  EXPECT_EQ(table.slot_of("7"), (7 * 7 + 2 * 7 + 17) % 512u);
  EXPECT_EQ(table.slot_of("007"), table.slot_of("7"));
  EXPECT_EQ(table.slot_of("18446744073709551615"), 16u);   // 2^64 - 1 squared is 1: 1 - 2 + 17
  for (const std::string key : {"18446744073709551616", "", "-7", "7 ", "+7", "0x7", "seven"}) {
    const uint64_t number = XXH3_64bits(key.data(), key.size());
    EXPECT_EQ(table.slot_of(key), (number * number + 2 * number + 17) % 512) << key;
  }
}

TEST(Assignment, WeightIsAMultipleOfTheVirtualNodes) {
  Builder builder = builder_of({.kind = TableKind::md5, .slots = 4096}, 2);
  const uint64_t before = builder.build().digest();
  ASSERT_TRUE(builder.set_weight("S2", 20));
  const auto counts = slots_owned(builder.build());
  EXPECT_GT(counts[1], counts[0] * 5);
  ASSERT_TRUE(builder.set_weight("S2", 1));
  EXPECT_EQ(builder.build().digest(), before);
}

}  // namespace
}  // namespace ringmaster::balance
