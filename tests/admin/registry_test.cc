#include "admin/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Names = std::vector<std::string>;

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t second = 1000 * ms;

class RegistryTest : public testing::Test {
 protected:
  static RegistrySettings settings() {
    RegistrySettings made;
    made.table.kind = balance::TableKind::rendezvous;
    made.table.slots = 4096;
    made.workers = 2;
    made.rise = 1;
    made.fall = 2;
    return made;
  }
  explicit RegistryTest(const RegistrySettings& given = settings()) : registry_(given, NameMaker(1)) {}

  Verdict join(const Names& names, bool provisional = false) {
    std::vector<NewReplica> wishes;
    for (const std::string& name : names) wishes.push_back({name, 1});
    return registry_.join(wishes, provisional, now_);
  }
  // Starts what is due, and says that it runs; returns the ids.
  std::vector<uint64_t> start_due() {
    std::vector<uint64_t> ids;
    for (const Life& life : registry_.take_starts(now_)) {
      const SocketAddress address = SocketAddress::loopback(static_cast<uint16_t>(9000 + life.id));
      registry_.running(life.id, address, 100 + static_cast<int64_t>(life.id), now_);
      ids.push_back(life.id);
    }
    return ids;
  }
  void make_ready(const Names& names, bool provisional = false) {
    ASSERT_TRUE(join(names, provisional));
    for (const uint64_t id : start_due()) registry_.answered(id, now_);
  }
  Names table_members() {
    auto table = registry_.take_table(now_);
    if (!table) return {"(unchanged)"};
    EXPECT_EQ(table->upstreams.size(), table->table.members().size());
    const Names members(table->table.members().begin(), table->table.members().end());
    for (size_t i = 0; i < table->upstreams.size(); ++i) EXPECT_EQ(table->upstreams[i]->name, members[i]);
    return members;
  }
  State state_of(const std::string& name) { return registry_.find(name)->state; }
  uint64_t life_of(const std::string& name) { return registry_.find(name)->life->id; }

  uint64_t now_ = 100 * second;
  Registry registry_;
};

TEST(States, AreAsThePictureSays) {
  using S = State;
  using H = Happening;
  for (const S wanted : {S::starting, S::ready, S::failing}) {
    EXPECT_EQ(after(wanted, H::start_due), S::starting);
    EXPECT_EQ(after(wanted, H::risen), S::ready);
    EXPECT_EQ(after(wanted, H::fallen), S::failing);
    EXPECT_EQ(after(wanted, H::lost), S::failing);
    EXPECT_EQ(after(wanted, H::removed), S::draining);
    EXPECT_EQ(after(wanted, H::ended), wanted) << "only what has drained has ended";
  }
  for (const H happening : {H::start_due, H::risen, H::fallen, H::lost, H::removed}) {
    EXPECT_EQ(after(S::draining, happening), S::draining) << "nobody comes back from draining";
    EXPECT_EQ(after(S::gone, happening), S::gone);
  }
  EXPECT_EQ(after(S::draining, H::ended), S::gone);
}

TEST_F(RegistryTest, TheFirstTableIsEmptyAndIsPublishedAllTheSame) {
  EXPECT_THAT(table_members(), ElementsAre());
  EXPECT_THAT(table_members(), ElementsAre("(unchanged)"));
}

TEST_F(RegistryTest, ReplicaEntersTheTableOnlyWhenItHasAnswered) {
  table_members();
  ASSERT_TRUE(join({"a", "b"}));
  const auto ids = start_due();
  ASSERT_EQ(ids.size(), 2U);
  EXPECT_THAT(table_members(), ElementsAre("(unchanged)"));
  registry_.answered(ids[1], now_);
  EXPECT_THAT(table_members(), ElementsAre("b"));
  registry_.answered(ids[0], now_);
  EXPECT_THAT(table_members(), ElementsAre("a", "b")) << "in the order of joining";
  EXPECT_EQ(registry_.find("a")->number, 1U);
  EXPECT_EQ(registry_.find("b")->number, 2U);
}

TEST_F(RegistryTest, DeadReplicaLeavesTheTableAndIsStartedAgainUnderItsNameAndNumber) {
  make_ready({"a", "b"});
  table_members();
  now_ += 5 * second;
  const uint64_t dead = life_of("a");
  registry_.lost(dead, "killed by signal 9 (Killed)", now_);
  EXPECT_EQ(state_of("a"), State::failing);
  EXPECT_EQ(registry_.find("a")->reason, "killed by signal 9 (Killed)");
  EXPECT_EQ(registry_.next_ns(), now_) << "at once";
  EXPECT_THAT(table_members(), ElementsAre("b"));
  const auto retired = registry_.take_retired();
  ASSERT_EQ(retired.size(), 1U);
  EXPECT_TRUE(retired[0].life.dead);
  const auto ids = start_due();
  ASSERT_EQ(ids.size(), 1U);
  EXPECT_NE(ids[0], dead);
  EXPECT_EQ(state_of("a"), State::starting);
  registry_.answered(ids[0], now_);
  EXPECT_THAT(table_members(), ElementsAre("a", "b"));
  EXPECT_EQ(registry_.find("a")->number, 1U);
  EXPECT_EQ(registry_.find("a")->epoch, 2U);
}

TEST_F(RegistryTest, FallHeartbeatsInARowAreNeededToFail) {
  make_ready({"a"});
  table_members();
  const uint64_t id = life_of("a");
  registry_.missed(id, "timed out", now_);
  registry_.answered(id, now_);
  registry_.missed(id, "timed out", now_);
  EXPECT_EQ(state_of("a"), State::ready);
  registry_.missed(id, "timed out", now_);
  EXPECT_EQ(state_of("a"), State::failing);
  EXPECT_EQ(registry_.find("a")->reason, "heartbeat: timed out (2 of 2)");
  table_members();
  const auto retired = registry_.take_retired();
  ASSERT_EQ(retired.size(), 1U);
  EXPECT_FALSE(retired[0].life.dead) << "it hangs: it must be ended";
  EXPECT_FALSE(retired[0].removed);
}

TEST_F(RegistryTest, EjectedReplicaIsOutUntilItAnswersItsHeartbeatAnIntervalLater) {
  make_ready({"a", "b", "c"});
  EXPECT_THAT(table_members(), ElementsAre("a", "b", "c"));
  const uint64_t id = life_of("b");
  EXPECT_TRUE(registry_.eject(id, http::Cause::replica_reset, now_));
  EXPECT_FALSE(registry_.eject(id, http::Cause::replica_reset, now_)) << "another worker says it too";
  EXPECT_THAT(table_members(), ElementsAre("a", "c"));
  EXPECT_EQ(state_of("b"), State::ready) << "its heartbeat has not failed";
  EXPECT_EQ(registry_.find("b")->reason, "ejected: replica_reset");
  EXPECT_TRUE(registry_.take_retired().empty()) << "it is not stopped";
  registry_.answered(id, now_ + 499 * ms);
  EXPECT_THAT(table_members(), ElementsAre("(unchanged)"));
  registry_.answered(id, now_ + 500 * ms);
  EXPECT_THAT(table_members(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(life_of("b"), id);
  EXPECT_EQ(registry_.ejections().of(http::Cause::replica_reset).value(), 1U);
}

TEST_F(RegistryTest, EjectedReplicaThatMissesItsHeartbeatsFailsAsAnyOther) {
  make_ready({"a", "b"});
  table_members();
  const uint64_t id = life_of("b");
  EXPECT_TRUE(registry_.eject(id, http::Cause::replica_response_timeout, now_));
  registry_.missed(id, "timed out", now_);
  registry_.missed(id, "timed out", now_);
  EXPECT_EQ(state_of("b"), State::failing);
  EXPECT_FALSE(registry_.find("b")->ejected);
  EXPECT_THAT(table_members(), ElementsAre("a"));
  EXPECT_EQ(registry_.take_retired().size(), 1U);
}

TEST_F(RegistryTest, LastReplicaIsNeverEjected) {
  make_ready({"a", "b"});
  table_members();
  EXPECT_TRUE(registry_.eject(life_of("a"), http::Cause::replica_refused, now_));
  EXPECT_FALSE(registry_.eject(life_of("b"), http::Cause::replica_refused, now_));
  EXPECT_THAT(table_members(), ElementsAre("b"));
  EXPECT_EQ(registry_.ejections_withheld(), 1U);
  EXPECT_FALSE(registry_.eject(9999, http::Cause::replica_refused, now_)) << "a life that is over";
}

TEST_F(RegistryTest, EjectedReplicasComeBackWhenTheLastOtherOneIsLost) {
  make_ready({"a", "b"});
  table_members();
  EXPECT_TRUE(registry_.eject(life_of("a"), http::Cause::replica_refused, now_));
  EXPECT_THAT(table_members(), ElementsAre("b"));
  registry_.lost(life_of("b"), "killed", now_);
  EXPECT_THAT(table_members(), ElementsAre("a"));
  EXPECT_FALSE(registry_.find("a")->ejected);
}

class FailClosed : public RegistryTest {
 protected:
  FailClosed() : RegistryTest([] {
    RegistrySettings made = settings();
    made.fail_open = false;
    return made;
  }()) {}
};

TEST_F(FailClosed, EjectsTheLastReplicaToo) {
  make_ready({"a"});
  table_members();
  EXPECT_TRUE(registry_.eject(life_of("a"), http::Cause::replica_refused, now_));
  EXPECT_THAT(table_members(), ElementsAre());
  registry_.answered(life_of("a"), now_ + second);
  EXPECT_THAT(table_members(), ElementsAre("a"));
}

TEST_F(RegistryTest, MissedHeartbeatsOfAStartingReplicaAreItsOwnAffair) {
  ASSERT_TRUE(join({"a"}));
  const auto ids = start_due();
  for (int i = 0; i < 100; ++i) registry_.missed(ids[0], "connect: Connection refused", now_);
  EXPECT_EQ(state_of("a"), State::starting);
}

TEST_F(RegistryTest, ReplicaThatIsNotReadyInTimeIsStartedAnew) {
  ASSERT_TRUE(join({"a"}));
  const auto ids = start_due();
  EXPECT_EQ(registry_.next_ns(), now_ + 30 * second);
  now_ += 30 * second;
  const auto again = start_due();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_NE(again[0], ids[0]);
}

TEST_F(RegistryTest, CrashLoopIsQuarantinedAndSaysSo) {
  ASSERT_TRUE(join({"a"}));
  table_members();
  int starts = 0;
  while (!registry_.find("a")->quarantined) {
    ASSERT_LT(starts, 10);
    now_ = std::max(now_, registry_.next_ns());
    for (const uint64_t id : start_due()) registry_.lost(id, "exited with status 1", now_);
    ++starts;
  }
  EXPECT_EQ(starts, 5);
  EXPECT_THAT(registry_.find("a")->reason, HasSubstr("quarantined for 60 s"));
  EXPECT_THAT(registry_.find("a")->reason, HasSubstr("exited with status 1"));
  EXPECT_EQ(registry_.next_ns(), now_ + 60 * second);
  EXPECT_TRUE(start_due().empty());
  now_ += 60 * second;
  const auto ids = start_due();
  ASSERT_EQ(ids.size(), 1U);
  registry_.answered(ids[0], now_);
  EXPECT_FALSE(registry_.find("a")->quarantined);
}

TEST_F(RegistryTest, RemovedReplicaIsGoneFromTheTableBeforeItsLifeIsHandedOut) {
  make_ready({"a", "b", "c"});
  table_members();
  ASSERT_TRUE(registry_.remove(Names{"b"}, "removed", 7 * second, now_));
  EXPECT_THAT(registry_.names(), ElementsAre("a", "c"));
  EXPECT_THAT(table_members(), ElementsAre("a", "c"));
  const auto retired = registry_.take_retired();
  ASSERT_EQ(retired.size(), 1U);
  EXPECT_EQ(retired[0].life.name, "b");
  EXPECT_EQ(retired[0].drain_ns, 7 * second);
  EXPECT_TRUE(retired[0].removed);
  EXPECT_TRUE(registry_.take_retired().empty()) << "once only";
  EXPECT_EQ(registry_.retired().size(), 1U) << "shown until it has ended";
  registry_.ended(retired[0].life.id, now_);
  EXPECT_TRUE(registry_.retired().empty());
}

TEST_F(RegistryTest, RemovalIsAllOrNothing) {
  make_ready({"a", "b"});
  EXPECT_EQ(registry_.remove(Names{"a", "x"}, "", {}, now_).error(), "there is no replica 'x'");
  EXPECT_EQ(registry_.remove(Names{"a", "a"}, "", {}, now_).error(), "'a' is named twice");
  EXPECT_THAT(registry_.names(), ElementsAre("a", "b"));
}

TEST_F(RegistryTest, ReweighingIsAllOrNothingAndDueOnlyForWhoIsInTheTable) {
  make_ready({"A", "B"});
  ASSERT_TRUE(join({"C"}));
  ASSERT_TRUE(join({"P"}, true));
  EXPECT_THAT(table_members(), ElementsAre("A", "B"));
  const auto reweigh = [&](std::vector<NewReplica> wishes) { return registry_.reweigh(wishes); };
  EXPECT_THAT(reweigh({{"A", 2}, {"X", 2}}).error(), HasSubstr("there is no replica 'X'"));
  EXPECT_THAT(reweigh({{"A", 2}, {"P", 2}}).error(), HasSubstr("there is no replica 'P'"));
  EXPECT_THAT(reweigh({{"A", 2}, {"A", 3}}).error(), HasSubstr("named twice"));
  EXPECT_THAT(reweigh({{"A", 2}, {"B", 0}}).error(), HasSubstr("weight 0"));
  EXPECT_THAT(reweigh({{"A", 2}, {"B", 65536}}).error(), HasSubstr("weight 65536"));
  EXPECT_EQ(registry_.find("A")->weight, 1U);
  EXPECT_THAT(table_members(), ElementsAre("(unchanged)"));
  ASSERT_TRUE(reweigh({{"C", 5}}));
  ASSERT_TRUE(reweigh({{"A", 1}}));
  EXPECT_THAT(table_members(), ElementsAre("(unchanged)"));
  ASSERT_TRUE(reweigh({{"A", 2}, {"B", 7}}));
  EXPECT_THAT(registry_.take_table(now_)->table.weights(), ElementsAre(2, 7));
}

TEST_F(RegistryTest, JoiningIsAllOrNothingAndSaysWhatIsWrong) {
  make_ready({"a"});
  EXPECT_THAT(join({"b", "no good"}).error(), HasSubstr("'no good' is not a replica name"));
  EXPECT_EQ(join({"b", "a"}).error(), "'a' is in use");
  EXPECT_EQ(join({"b", "b"}).error(), "'b' is named twice");
  EXPECT_THAT(registry_.names(), ElementsAre("a"));
  const NewReplica heavy[] = {{"b", 65536}};
  EXPECT_THAT(registry_.join(heavy, false, now_).error(), HasSubstr("weight 65536"));
}

TEST_F(RegistryTest, ThereIsABoundAndItIsNamed) {
  ASSERT_TRUE(join(registry_.unused_names(999, {})));
  EXPECT_THAT(join({"x", "y"}).error(), HasSubstr("1000 at most"));
  EXPECT_TRUE(join({"x"}));
}

TEST_F(RegistryTest, ManyStartsComeInPortions) {
  ASSERT_TRUE(join(registry_.unused_names(80, {})));
  EXPECT_EQ(start_due().size(), 32U);
  EXPECT_LE(registry_.next_ns(), now_) << "there are more";
  EXPECT_EQ(start_due().size(), 32U);
  EXPECT_EQ(start_due().size(), 16U);
  EXPECT_GT(registry_.next_ns(), now_);
}

TEST_F(RegistryTest, ProvisionalReplicasCarryNothingUntilTheyAreCommitted) {
  make_ready({"a"});
  table_members();
  make_ready({"b", "c"}, true);
  EXPECT_EQ(state_of("b"), State::ready);
  EXPECT_THAT(registry_.names(), ElementsAre("a"));
  EXPECT_THAT(table_members(), ElementsAre("(unchanged)"));
  registry_.commit(Names{"b", "c"}, now_);
  EXPECT_THAT(registry_.names(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(table_members(), ElementsAre("a", "b", "c"));
}

TEST_F(RegistryTest, RolledBackReplicasLeaveNothingButTheirLivesToEnd) {
  make_ready({"a"});
  const auto before = registry_.take_table(now_);
  ASSERT_TRUE(join({"b", "c"}, true));
  const auto ids = start_due();
  registry_.answered(ids[0], now_);
  registry_.lost(ids[1], "exited with status 3", now_);
  EXPECT_EQ(state_of("c"), State::failing);
  EXPECT_EQ(registry_.next_ns(), UINT64_MAX) << "it is not tried again";
  registry_.roll_back(Names{"b", "c"}, "rolled back", now_);
  EXPECT_THAT(registry_.names(), ElementsAre("a"));
  EXPECT_EQ(registry_.take_table(now_), nullptr);
  EXPECT_EQ(registry_.take_retired().size(), 2U);
}

TEST_F(RegistryTest, NumbersAreNeverUsedTwice) {
  make_ready({"a", "b"});
  ASSERT_TRUE(registry_.remove(Names{"b"}, "", {}, now_));
  table_members();
  make_ready({"b"});
  EXPECT_EQ(registry_.find("b")->number, 3U);
}

TEST_F(RegistryTest, VictimsAreDistinctMembersThatWereNotNamed) {
  make_ready({"a", "b", "c", "d"});
  make_ready({"p"}, true);
  for (int i = 0; i < 50; ++i) {
    Names victims = registry_.victims(3, Names{"b"});
    std::ranges::sort(victims);
    EXPECT_THAT(victims, ElementsAre("a", "c", "d"));
    EXPECT_NE(registry_.victims(1, {})[0], "p") << "what is being added is nobody's victim";
  }
}

TEST_F(RegistryTest, CountersOutliveALife) {
  make_ready({"a"});
  table_members();
  const auto upstream = registry_.find("a")->life->upstream;
  upstream->meters[0].requests.add(5);
  upstream->meters[1].requests.add(2);
  upstream->meters[1].connections.add(1);
  upstream->meters[0].latency.add_us(100);
  now_ += 5 * second;
  registry_.lost(upstream->id, "died", now_);
  table_members();
  const auto retired = registry_.take_retired();
  EXPECT_EQ(sum(registry_.totals(*registry_.find("a"))).requests, 7U) << "while it is being drained";
  EXPECT_EQ(sum(registry_.totals(*registry_.find("a"))).connections, 1U);
  registry_.ended(retired[0].life.id, now_);
  const Totals totals = sum(registry_.totals(*registry_.find("a")));
  EXPECT_EQ(totals.requests, 7U);
  EXPECT_EQ(totals.latency_sum_us, 100U);
  EXPECT_EQ(totals.connections, 0U);
  const auto ids = start_due();
  registry_.find_life(ids[0])->life->upstream->meters[0].requests.add(1);
  EXPECT_EQ(registry_.totals(*registry_.find("a"))[0].requests, 6U);
}

TEST_F(RegistryTest, NothingIsStartedOnceTheProgramEnds) {
  make_ready({"a"});
  table_members();
  registry_.stop_healing();
  registry_.lost(life_of("a"), "died", now_);
  EXPECT_THAT(table_members(), ElementsAre());
  EXPECT_TRUE(start_due().empty());
  EXPECT_EQ(registry_.next_ns(), UINT64_MAX);
}

TEST_F(RegistryTest, WhatIsSaidOfRetiredLivesIsPassedOver) {
  make_ready({"a"});
  table_members();
  const uint64_t id = life_of("a");
  ASSERT_TRUE(registry_.remove(Names{"a"}, "", {}, now_));
  registry_.answered(id, now_);
  registry_.missed(id, "x", now_);
  registry_.lost(id, "x", now_);
  registry_.ended(12345, now_);
  EXPECT_TRUE(registry_.replicas().empty());
  EXPECT_TRUE(registry_.retired()[0].life.dead);
}

class RandomNames : public RegistryTest {
 protected:
  RandomNames() : RegistryTest([] {
    RegistrySettings made = settings();
    made.respawn_name = config::RespawnName::random;
    return made;
  }()) {}
};

TEST_F(RandomNames, ReplaceTheDeadAtTheEndOfTheOrder) {
  make_ready({"a", "b"});
  table_members();
  now_ += 5 * second;
  registry_.lost(life_of("a"), "died", now_);
  const Names names = registry_.names();
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(names[0], "b");
  EXPECT_TRUE(valid_name(names[1]));
  EXPECT_EQ(registry_.find("a"), nullptr);
  EXPECT_EQ(registry_.find(names[1])->number, 3U);
  EXPECT_THAT(table_members(), ElementsAre("b"));
  for (const uint64_t id : start_due()) registry_.answered(id, now_);
  EXPECT_THAT(table_members(), ElementsAre("b", names[1]));
}

TEST_F(RandomNames, DoNotHideACrashLoop) {
  ASSERT_TRUE(join({"a"}));
  table_members();
  for (int i = 0; i < 5; ++i) {
    now_ = std::max(now_, registry_.next_ns());
    for (const uint64_t id : start_due()) registry_.lost(id, "exited with status 1", now_);
  }
  ASSERT_EQ(registry_.replicas().size(), 1U);
  EXPECT_TRUE(registry_.replicas()[0]->quarantined);
  EXPECT_EQ(registry_.replicas()[0]->state, State::failing);
  EXPECT_TRUE(start_due().empty());
}

class StaticReplicas : public RegistryTest {
 protected:
  StaticReplicas() : RegistryTest([] {
    RegistrySettings made = settings();
    made.starts_replicas = false;
    made.rise = 2;
    return made;
  }()) {}
};

TEST_F(StaticReplicas, AreEjectedAndReadmittedWithoutANewLife) {
  ASSERT_TRUE(join({"a", "b"}));
  const auto ids = start_due();
  for (const uint64_t id : ids) {
    registry_.answered(id, now_);
    EXPECT_EQ(registry_.find_life(id)->state, State::starting) << "rise is 2";
    registry_.answered(id, now_);
  }
  EXPECT_THAT(table_members(), ElementsAre("a", "b"));
  registry_.missed(ids[0], "timed out", now_);
  registry_.missed(ids[0], "timed out", now_);
  EXPECT_THAT(table_members(), ElementsAre("b"));
  EXPECT_EQ(state_of("a"), State::failing);
  EXPECT_TRUE(registry_.take_retired().empty());
  EXPECT_TRUE(start_due().empty());
  registry_.answered(ids[0], now_);
  registry_.missed(ids[0], "timed out", now_);
  registry_.answered(ids[0], now_);
  EXPECT_EQ(state_of("a"), State::failing) << "twice in a row";
  registry_.answered(ids[0], now_);
  EXPECT_THAT(table_members(), ElementsAre("a", "b"));
  EXPECT_EQ(life_of("a"), ids[0]);
}

TEST_F(StaticReplicas, ThatAreDownFromTheStartAreFailing) {
  ASSERT_TRUE(join({"a"}));
  const auto ids = start_due();
  registry_.missed(ids[0], "connect: Connection refused", now_);
  registry_.missed(ids[0], "connect: Connection refused", now_);
  EXPECT_EQ(state_of("a"), State::failing);
  EXPECT_EQ(registry_.next_ns(), UINT64_MAX);
}

TEST(AssignmentTable, RefusesWeightsThatItHasNoRoomFor) {
  RegistrySettings settings;
  settings.table = {.kind = balance::TableKind::assignment, .slots = 64};
  Registry registry(settings, NameMaker(1));
  const NewReplica two[] = {{"A", 1}, {"B", 1}};
  ASSERT_TRUE(registry.join(two, false, second));
  const NewReplica one[] = {{"A", 7}}, both[] = {{"A", 3}, {"B", 7}};
  EXPECT_THAT(registry.reweigh(one).error(), HasSubstr("no room for 'A' with a weight of 7"));
  EXPECT_THAT(registry.reweigh(both).error(), HasSubstr("no room for 'B' with a weight of 7"));
  EXPECT_EQ(registry.find("A")->weight, 1U);
  const NewReplica fits[] = {{"A", 3}, {"B", 4}};
  EXPECT_TRUE(registry.reweigh(fits));
}

TEST_F(RegistryTest, WhoComesBesideOthersWarmsUpAndTheFirstDoNot) {
  const auto serving = [&] { return registry_.take_table(now_)->serving_ns; };
  ASSERT_TRUE(join({"S1", "S2"}));
  const auto ids = start_due();
  registry_.answered(ids[0], now_);
  now_ += second;
  registry_.answered(ids[1], now_);
  EXPECT_THAT(serving(), ElementsAre(0, 0)) << "they began together";
  registry_.lost(ids[1], "killed", now_);
  EXPECT_THAT(serving(), ElementsAre(0));
  now_ += 60 * second;
  registry_.answered(start_due()[0], now_);
  EXPECT_THAT(serving(), ElementsAre(0, now_)) << "S1 has served for it";
  const uint64_t before = now_;
  now_ += second;
  make_ready({"S3"});
  EXPECT_THAT(serving(), ElementsAre(0, before, now_));
}

// Workers hold failures against a replica until it is let in anew: another weight, or another replica, is no reason.
TEST_F(RegistryTest, TablesTellHowOftenEachReplicaHasEntered) {
  const auto entries = [&] { return registry_.take_table(now_)->entries; };
  make_ready({"S1", "S2"});
  EXPECT_THAT(entries(), ElementsAre(1, 1));
  const NewReplica heavier[] = {{"S1", 5}};
  ASSERT_TRUE(registry_.reweigh(heavier));
  EXPECT_THAT(entries(), ElementsAre(1, 1));
  const uint64_t id = registry_.find("S2")->life->id;
  ASSERT_TRUE(registry_.eject(id, http::Cause::replica_reset, now_));
  EXPECT_THAT(entries(), ElementsAre(1));
  now_ += 60 * second;
  registry_.answered(id, now_);
  EXPECT_THAT(entries(), ElementsAre(1, 2));
  make_ready({"S3"});
  EXPECT_THAT(entries(), ElementsAre(1, 2, 1));
}

// --- homes ----------------------------------------------------------------------------------------------------------

class Homes : public RegistryTest {
 protected:
  Homes() : RegistryTest([] {
    RegistrySettings made = settings();
    made.keep_homes = true;
    return made;
  }()) {}
  Names homes() {
    auto table = registry_.take_table(now_);
    if (!table) return {"(unchanged)"};
    return Names(table->homes->members().begin(), table->homes->members().end());
  }
};

TEST_F(Homes, AreThoseOfEveryMemberReadyOrNot) {
  ASSERT_TRUE(join({"S1", "S2", "S3"}));
  EXPECT_THAT(homes(), ElementsAre("S1", "S2", "S3"));
  const auto ids = start_due();
  for (const uint64_t id : ids) registry_.answered(id, now_);
  auto whole = registry_.take_table(now_);
  EXPECT_EQ(whole->homes->digest(), whole->table.digest());
  registry_.lost(ids[1], "killed", now_);
  auto without = registry_.take_table(now_);
  EXPECT_EQ(without->table.members().size(), 2u);
  EXPECT_EQ(without->homes->digest(), whole->homes->digest()) << "S2's slots are S2's";
}

TEST_F(Homes, FollowEveryChangeOfTheMembers) {
  ASSERT_TRUE(join({"S1"}));
  EXPECT_THAT(homes(), ElementsAre("S1"));
  ASSERT_TRUE(join({"S2"}));
  EXPECT_THAT(homes(), ElementsAre("S1", "S2"));
  ASSERT_TRUE(join({"P"}, true));
  EXPECT_THAT(homes(), ElementsAre("(unchanged)"));
  ASSERT_TRUE(registry_.remove(Names{"S1"}, "removed", {}, now_));
  EXPECT_THAT(homes(), ElementsAre("S2")) << "also of one that was never ready";
}

TEST(AssignmentTable, SaysHowManyReplicasItHasRoomFor) {
  RegistrySettings settings;
  settings.table.kind = balance::TableKind::assignment;
  settings.table.slots = 512;
  settings.table.virtual_nodes = 9;
  Registry registry(settings, NameMaker(1));
  std::vector<NewReplica> wishes;
  for (int i = 0; i < 57; ++i) wishes.push_back({"S" + std::to_string(i), 1});
  const Verdict joined = registry.join(wishes, false, 1);
  ASSERT_FALSE(joined);
  EXPECT_THAT(joined.error(), HasSubstr("512 slots"));
  EXPECT_TRUE(registry.replicas().empty());
  wishes.resize(56);
  EXPECT_TRUE(registry.join(wishes, false, 1)) << "all that had joined before the refusal have left again";
}

}  // namespace
}  // namespace ringmaster::admin
