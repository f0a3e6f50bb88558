#include "admin/plan.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "admin/import.h"
#include "balance/movement.h"

namespace ringmaster::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PlanTest : public testing::TestWithParam<balance::TableKind> {
 protected:
  PlanTest() {
    add({{"A", 1}, {"B", 2}, {"C", 1}, {"D", 1}});
    publish();
  }
  static RegistrySettings settings() {
    RegistrySettings made;
    made.table = {.kind = GetParam(), .slots = balance::default_slots(GetParam())};
    made.workers = 2;
    return made;
  }
  void add(const std::vector<NewReplica>& wishes) {
    ASSERT_TRUE(registry_.join(wishes, false, 1));
    for (const Life& life : registry_.take_starts(1)) {
      registry_.running(life.id, SocketAddress::loopback(9000), -1, 1);
      registry_.answered(life.id, 1);
    }
  }
  void publish() {
    if (auto table = registry_.take_table(1)) control_.publish(std::move(table));
    registry_.take_retired();
  }
  const proxy::RouteTable& table() const { return *control_.published(); }
  Outcome<Plan> plan(const PlanOrder& order) {
    return make_plan(order, registry_, table(), traffic_of(control_));
  }
  // Keys that both workers meet: the second one twice as many.
  void meet(size_t keys) {
    for (size_t i = 0; i < keys; ++i) {
      for (const uint32_t worker : {0u, 1u, 1u}) {
        proxy::KeySample& sample = control_.own_meters(worker).keys;
        if (sample.due()) sample.note(table().table.position_of("key-" + std::to_string(random_() % 5000)), random_());
      }
    }
  }

  Registry registry_{settings(), NameMaker(1)};
  proxy::Control control_{2};
  std::mt19937_64 random_{3};
};
INSTANTIATE_TEST_SUITE_P(Kinds, PlanTest,
                         testing::Values(balance::TableKind::rendezvous, balance::TableKind::maglev,
                                         balance::TableKind::ketama, balance::TableKind::assignment,
                                         balance::TableKind::md5),
                         [](const auto& parameter) { return std::string(balance::name_of(parameter.param)); });

TEST_P(PlanTest, SaysWhatThenHappens) {
  meet(3000);
  PlanOrder order;
  order.add = {{"X", 2}, {"Y", 1}};
  order.remove = {"C"};
  order.weights = {{"A", 3}};
  const auto planned = plan(order);
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_EQ(registry_.take_table(1), nullptr) << "a plan changes nothing";
  EXPECT_EQ(planned->samples, 9000u);

  const std::string gone[] = {"C"};
  ASSERT_TRUE(registry_.remove(gone, "test", 0, 2));
  const NewReplica heavier[] = {{"A", 3}};
  ASSERT_TRUE(registry_.reweigh(heavier));
  add({{"X", 2}, {"Y", 1}});
  const auto before = control_.published()->epoch;
  publish();
  EXPECT_EQ(control_.published()->epoch, before + 1);
  const balance::Table &was = control_.previous()->table, &is = table().table;
  EXPECT_DOUBLE_EQ(balance::movement(was, is).keys, planned->keys_moved);
  EXPECT_GT(planned->keys_moved, 0.2);
  std::vector<std::string> names;
  for (const Share& share : planned->shares) names.push_back(share.name);
  EXPECT_THAT(names, ElementsAre("A", "B", "C", "D", "X", "Y"));
  const std::vector<double> keys = balance::key_shares(is);
  for (size_t i = 0; i < is.members().size(); ++i) {
    const auto share = std::ranges::find(planned->shares, is.members()[i], &Share::name);
    EXPECT_DOUBLE_EQ(share->keys_after, keys[i]);
    EXPECT_EQ(share->weight, is.weights()[i]);
  }
  EXPECT_EQ(planned->shares[2].keys_after, 0);
  EXPECT_EQ(planned->shares[2].weight, 0u);
  const Skew skew = measure_skew(registry_, table(), control_.previous(), traffic_of(control_));
  EXPECT_DOUBLE_EQ(skew.keys_moved, planned->keys_moved);
}

// The traffic that comes after the sample is the same in kind; what moves of it is what was said, within its error.
TEST_P(PlanTest, EstimatesTheTrafficThatMoves) {
  meet(100'000);
  PlanOrder order;
  order.remove = {"B"};
  const auto planned = plan(order);
  ASSERT_TRUE(planned);
  EXPECT_GT(planned->samples, 8192u * 5 / 4) << "the slower worker gives half as many";
  EXPECT_LE(planned->samples, 2u * 8192);
  balance::Builder sketch = registry_.sketch();
  sketch.leave("B");
  const balance::Table after = sketch.build();
  uint64_t moved = 0;
  for (size_t key = 0; key < 5000; ++key) {
    const uint32_t position = after.position_of("key-" + std::to_string(key));
    const auto name = [&](const balance::Table& one) { return one.members()[one.owner(one.slot_at(position))]; };
    moved += name(table().table) != name(after) ? 1 : 0;
  }
  const double truth = static_cast<double>(moved) / 5000;
  const double error = std::sqrt(truth * (1 - truth) / static_cast<double>(planned->samples));
  EXPECT_NEAR(planned->traffic_moved, truth, 5 * error);
  EXPECT_NEAR(planned->traffic_error, error, error / 4);
}

TEST_P(PlanTest, NamesWhatIsWrong) {
  const auto complaint = [&](PlanOrder order) {
    const auto planned = plan(order);
    return planned ? "none" : planned.error().message;
  };
  EXPECT_THAT(complaint({.add = {{"A", 1}}}), HasSubstr("'A' is in use"));
  EXPECT_THAT(complaint({.add = {{"no good", 1}}}), HasSubstr("'no good' is not a replica name"));
  EXPECT_THAT(complaint({.add = {{"X", 1}, {"X", 2}}}), HasSubstr("'X' is named twice"));
  EXPECT_THAT(complaint({.remove = {"X"}}), HasSubstr("there is no replica 'X'"));
  EXPECT_THAT(complaint({.remove = {"A", "A"}}), HasSubstr("'A' is named twice"));
  EXPECT_THAT(complaint({.remove = {"A"}, .weights = {{"A", 2}}}), HasSubstr("'A' is named twice"));
  EXPECT_THAT(complaint({.weights = {{"X", 2}}}), HasSubstr("there is no replica 'X'"));
  if (GetParam() == balance::TableKind::assignment) {
    EXPECT_THAT(complaint({.add = {{"X", 60}}}), HasSubstr("no room for 'X'"));
    EXPECT_THAT(complaint({.weights = {{"A", 60}}}), HasSubstr("no room for 'A' with a weight of 60"));
  }
}

TEST_P(PlanTest, AnEmptyPlanMovesNothingAndARemovalOfAllMovesEverything) {
  const auto nothing = plan({});
  EXPECT_EQ(nothing->keys_moved, 0);
  EXPECT_EQ(nothing->samples, 0u);
  EXPECT_EQ(nothing->traffic_moved, 0);
  EXPECT_EQ(nothing->max_over_mean_before, nothing->max_over_mean_after);
  EXPECT_DOUBLE_EQ(plan({.remove = {"A", "B", "C", "D"}})->keys_moved, 1);
}

TEST_P(PlanTest, ATableComesBackFromItsFile) {
  const auto file = balance::Table::from_text(table().table.text());
  ASSERT_TRUE(file);
  const NewReplica others[] = {{"A", 5}, {"D", 2}};
  ASSERT_TRUE(registry_.reweigh(others));
  publish();
  ASSERT_NE(table().table.digest(), file->digest());
  const auto weights = weights_of(*file, registry_, table().table);
  if (GetParam() >= balance::TableKind::assignment && !weights) {
    // What A and D gave back when they gained and lost weight is theirs again only where nobody was probed past it.
    EXPECT_THAT(weights.error().message, HasSubstr("order of joining"));
    return;
  }
  ASSERT_TRUE(weights) << weights.error().message;
  ASSERT_TRUE(registry_.reweigh(*weights));
  publish();
  EXPECT_EQ(table().table.digest(), file->digest());
}

TEST_P(PlanTest, AFileThatDoesNotFitIsRefused) {
  const auto complaint = [&](const std::vector<NewReplica>& members, uint32_t slots) {
    balance::TableSettings made = settings().table;
    if (slots != 0) made.slots = slots;
    balance::Builder builder(made);
    for (const NewReplica& member : members) {
      EXPECT_TRUE(builder.join(member.name, member.weight));
      builder.set_ready(member.name, true);
    }
    const auto weights = weights_of(builder.build(), registry_, table().table);
    return weights ? "none" : weights.error().message;
  };
  EXPECT_THAT(complaint({{"A", 1}, {"B", 1}, {"C", 1}}, 0), HasSubstr("'D' is not in the file"));
  EXPECT_THAT(complaint({{"A", 1}, {"B", 1}, {"C", 1}, {"D", 1}, {"E", 1}}, 0), HasSubstr("'E' is in the file"));
  if (GetParam() != balance::TableKind::ketama) {
    EXPECT_THAT(complaint({{"A", 1}}, 127), HasSubstr("with 127 slots"));
  }
  if (GetParam() == balance::TableKind::assignment) {
    EXPECT_THAT(complaint({{"D", 1}, {"C", 1}, {"B", 2}, {"A", 1}}, 0), HasSubstr("order of joining"));
  }
}

}  // namespace
}  // namespace ringmaster::admin
