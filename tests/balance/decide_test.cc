// The whole decision over a table: sticky clients, hot keys, and what is done where a slot's whole order is unwilling.
#include "balance/decide.h"

#include <cmath>
#include <set>
#include <vector>

#include "support.h"

namespace ringmaster::balance {
namespace {

using enum Standing;

// Members by their number, all of weight 1, each with a standing and a load.
class World {
 public:
  explicit World(size_t members)
      : table(builder_of(settings_for(TableKind::rendezvous), members).build()),
        standings(members, open),
        loads(members, 0) {}
  Decision ask(const Wanted& wanted, Affinity affinity = Affinity::prefer) const {
    return decide(table, affinity, wanted, [this](uint16_t member) { return standings[member]; },
                  [this](uint16_t one, uint16_t other) { return loads[one] < loads[other]; });
  }
  // The owner and the fall-backs.
  std::vector<uint16_t> order(uint32_t slot) const {
    std::vector<uint16_t> members(fallbacks_max + 1);
    members[0] = table.owner(slot);
    members.resize(1 + table.fallbacks(slot, std::span(members).subspan(1)));
    return members;
  }

  Table table;
  std::vector<Standing> standings;
  std::vector<uint64_t> loads;
};

void expect_decision(const Decision& decision, Verdict verdict, uint16_t member) {
  EXPECT_EQ(name_of(decision.verdict), name_of(verdict));
  EXPECT_EQ(decision.member, member);
}

TEST(Decide, GoesDownTheSlotsOrder) {
  World world(5);
  const auto order = world.order(7);
  expect_decision(world.ask({.slot = 7}), Verdict::owner, order[0]);
  world.standings[order[0]] = warming;
  world.standings[order[1]] = full;
  expect_decision(world.ask({.slot = 7}), Verdict::slow_start, order[2]);
  expect_decision(world.ask({.slot = 7}, Affinity::fail_over), Verdict::last_resort, order[0]);
  expect_decision(world.ask({.slot = 7}, Affinity::strict), Verdict::owner, order[0]);
}

TEST(Decide, TheReplicaOfACookieComesFirstAndIsNotHeldBackBySlowStart) {
  World world(5);
  const auto order = world.order(7);
  const uint16_t named = order[3];
  expect_decision(world.ask({.slot = 7, .named = named}), Verdict::sticky, named);
  world.standings[named] = warming;
  expect_decision(world.ask({.slot = 7, .named = named}), Verdict::sticky, named);
  world.standings[named] = over;
  expect_decision(world.ask({.slot = 7, .named = named}), Verdict::over_bound, order[0]);
  world.standings[named] = full;
  expect_decision(world.ask({.slot = 7, .named = named}), Verdict::over_capacity, order[0]);
  expect_decision(world.ask({.slot = 7, .named = named}, Affinity::strict), Verdict::queued, named);
  world.standings[named] = absent;
  expect_decision(world.ask({.slot = 7, .named = named}), Verdict::failed_over, order[0]);
  expect_decision(world.ask({.slot = 7, .named = named}, Affinity::strict), Verdict::held, named);
}

TEST(Decide, AHotKeyIsServedByTheBestOfItsFirstFew) {
  World world(6);
  const auto order = world.order(11);
  world.loads[order[0]] = 3, world.loads[order[1]] = 1, world.loads[order[2]] = 2;
  expect_decision(world.ask({.slot = 11, .sharers = 3}), Verdict::hot_key, order[1]);
  expect_decision(world.ask({.slot = 11, .sharers = 1}), Verdict::owner, order[0]);
  world.loads[order[0]] = 0;
  expect_decision(world.ask({.slot = 11, .sharers = 3}), Verdict::owner, order[0]);
  world.standings[order[0]] = full;
  expect_decision(world.ask({.slot = 11, .sharers = 3}), Verdict::hot_key, order[1]);
  world.standings[order[1]] = world.standings[order[2]] = full;
  expect_decision(world.ask({.slot = 11, .sharers = 3}), Verdict::over_capacity, order[3]);
  expect_decision(world.ask({.slot = 11, .named = order[5], .sharers = 3}), Verdict::sticky, order[5]);
}

// A table lists eight fall-backs; where all nine are unwilling, somebody beyond them serves, the same each time.
TEST(Decide, WhereTheWholeOrderIsUnwillingOneBeyondItServesTheSlot) {
  World world(40);
  std::set<uint16_t> beyond;
  for (uint32_t slot = 0; slot < 200; ++slot) {
    std::ranges::fill(world.standings, open);
    const auto order = world.order(slot);
    ASSERT_EQ(order.size(), 9u);
    for (const uint16_t member : order) world.standings[member] = over;
    const Decision found = world.ask({.slot = slot});
    ASSERT_EQ(found.verdict, Verdict::over_bound);
    ASSERT_EQ(std::ranges::find(order, found.member), order.end());
    ASSERT_EQ(world.ask({.slot = slot}).member, found.member);
    beyond.insert(found.member);
    world.standings[found.member] = over;
    ASSERT_NE(world.ask({.slot = slot}).member, found.member);
    std::ranges::fill(world.standings, over);
    expect_decision(world.ask({.slot = slot}), Verdict::last_resort, order[0]);
    std::ranges::fill(world.standings, open);
    for (const uint16_t member : order) world.standings[member] = full;
    expect_decision(world.ask({.slot = slot}, Affinity::fail_over), Verdict::queued, order[0]);
    expect_decision(world.ask({.slot = slot}, Affinity::strict), Verdict::queued, order[0]);
  }
  EXPECT_GT(beyond.size(), 35u) << "other slots have others";
}

// More replicas than a table lists for a slot, and one key only: the bound holds all the same. The allowances of the
// nine listed are far below the traffic, so that most of it is served beyond them.
TEST(Decide, KeepsTheBoundOfOneKeyForAnyNumberOfReplicas) {
  for (const size_t members : {10u, 40u, 300u}) {
    World world(members);
    size_t served_beyond = 0;
    for (uint64_t total = 0; total < 4 * members; ++total) {
      for (size_t i = 0; i < members; ++i) {
        world.standings[i] = within_bound(125, world.loads[i], 1, total, members) ? open : over;
      }
      const Decision decision = world.ask({.slot = 3});
      ASSERT_TRUE(decision.verdict == Verdict::owner || decision.verdict == Verdict::over_bound);
      ++world.loads[decision.member];
      ASSERT_LE(world.loads[decision.member], bound_of(125, 1, total + 1, members));
      const auto order = world.order(3);
      served_beyond += std::ranges::find(order, decision.member) == order.end();
    }
    EXPECT_EQ(served_beyond > 0, members > 11) << members;
  }
}

TEST(Decide, AnEmptyTableHasNobody) {
  expect_decision(World(0).ask({.slot = 0}), Verdict::nobody, no_member);
}

}  // namespace
}  // namespace ringmaster::balance
