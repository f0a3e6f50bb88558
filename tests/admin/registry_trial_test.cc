// Trials, adoption, pausing, and ending the unwell one at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/registry.h"

namespace ringmaster::admin {
namespace {

using testing::HasSubstr;

constexpr uint64_t second_ns = 1'000'000'000;

class RegistryTrialTest : public testing::Test {
 protected:
  RegistryTrialTest() : registry_(settings(), NameMaker(1)) {}

  static RegistrySettings settings() {
    RegistrySettings made;
    made.workers = 1;
    made.table.slots = 64;
    made.fall = 1;
    return made;
  }
  void join(std::vector<NewReplica> wishes) { ASSERT_TRUE(registry_.join(wishes, false, now_ns_)); }
  // Starts what is due; each is running and ready where `ready`.
  std::vector<Life> start(bool ready = true) {
    std::vector<Life> lives = registry_.take_starts(now_ns_);
    for (const Life& life : lives) {
      registry_.running(life.id, SocketAddress::loopback(static_cast<uint16_t>(5000 + life.id)), -1, now_ns_);
      if (ready) registry_.answered(life.id, now_ns_);
    }
    return lives;
  }
  std::vector<uint16_t> table_ports() {
    if (auto table = registry_.take_table(now_ns_)) {
      ports_.clear();
      for (const auto& upstream : table->upstreams) ports_.push_back(upstream->address.port());
    }
    return ports_;
  }
  const Replica& at(const char* name) { return *registry_.find(name); }

  Registry registry_;
  uint64_t now_ns_ = second_ns;
  std::vector<uint16_t> ports_;
};

TEST_F(RegistryTrialTest, ATrialTakesOverWhenItIsReadyAndNotBefore) {
  join({{"a"}, {"b"}});
  start();
  EXPECT_EQ(table_ports(), (std::vector<uint16_t>{5001, 5002}));
  ASSERT_TRUE(registry_.begin_trial("a", "web:2", now_ns_));
  EXPECT_EQ(registry_.next_ns(), 0U) << "its life is due";
  const auto lives = start(false);
  ASSERT_EQ(lives.size(), 1U);
  EXPECT_EQ(lives[0].image, "web:2");
  EXPECT_EQ(lives[0].epoch, 2U);
  EXPECT_EQ(registry_.trial_of("a"), TrialState::under_way);
  EXPECT_EQ(table_ports(), (std::vector<uint16_t>{5001, 5002}));
  EXPECT_TRUE(registry_.take_retired().empty());

  registry_.answered(lives[0].id, now_ns_);
  EXPECT_EQ(registry_.trial_of("a"), TrialState::none);
  EXPECT_EQ(table_ports(), (std::vector<uint16_t>{5003, 5002})) << "the same place, and by that the same slots";
  const auto retired = registry_.take_retired();
  ASSERT_EQ(retired.size(), 1U);
  EXPECT_EQ(retired[0].life.epoch, 1U);
  EXPECT_FALSE(retired[0].removed);
  EXPECT_EQ(at("a").state, State::ready);
  EXPECT_EQ(at("a").image, "web:2") << "of its next lives, too";
}

TEST_F(RegistryTrialTest, ANewLifeIsWarmedUpWhereOthersServeMeanwhile) {
  const auto serving = [&] { return registry_.take_table(now_ns_)->serving_ns; };
  const auto pass = [&](const char* name) {
    now_ns_ += second_ns;
    ASSERT_TRUE(registry_.begin_trial(name, "", now_ns_));
    start();
    ASSERT_EQ(registry_.trial_of(name), TrialState::none);
  };
  join({{"a"}});
  start();
  EXPECT_EQ(serving(), (std::vector<uint64_t>{0}));
  pass("a");
  EXPECT_EQ(serving(), (std::vector<uint64_t>{0})) << "it is alone";
  join({{"b"}});
  start();
  const uint64_t b_ns = now_ns_;
  EXPECT_EQ(serving(), (std::vector<uint64_t>{0, b_ns}));
  pass("a");
  EXPECT_EQ(serving(), (std::vector<uint64_t>{now_ns_, b_ns}));
}

TEST_F(RegistryTrialTest, ATrialThatFailsChangesNothing) {
  join({{"a"}});
  const auto first = start();
  for (const bool by_death : {true, false}) {
    ASSERT_TRUE(registry_.begin_trial("a", "", now_ns_));
    EXPECT_FALSE(registry_.begin_trial("a", "", now_ns_)) << "one at a time";
    const auto lives = start(false);
    ASSERT_EQ(lives.size(), 1U);
    if (by_death) {
      registry_.lost(lives[0].id, "exited with status 3", now_ns_);
      EXPECT_EQ(at("a").trial->reason, "exited with status 3");
    } else {
      now_ns_ += registry_.settings().start_timeout_ns;
      start();
      EXPECT_THAT(at("a").trial->reason, HasSubstr("not ready within"));
    }
    EXPECT_EQ(registry_.trial_of("a"), TrialState::failed);
    registry_.forget_trial("a", now_ns_);
    EXPECT_EQ(registry_.trial_of("a"), TrialState::none);
    EXPECT_EQ(at("a").life->id, first[0].id);
    EXPECT_TRUE(at("a").in_table);
    EXPECT_EQ(at("a").image, "");
  }
}

TEST_F(RegistryTrialTest, ADeathDuringATrialWaitsForItsEnd) {
  join({{"a"}});
  const auto first = start();
  ASSERT_TRUE(registry_.begin_trial("a", "", now_ns_));
  const auto second = start(false);
  registry_.lost(first[0].id, "killed", now_ns_);
  EXPECT_TRUE(registry_.take_starts(now_ns_).empty()) << "its successor is on its way already";
  registry_.lost(second[0].id, "killed too", now_ns_);
  EXPECT_EQ(registry_.take_starts(now_ns_).size(), 1U);
}

TEST_F(RegistryTrialTest, ARemovedReplicaTakesItsTrialWithIt) {
  join({{"a"}});
  start();
  ASSERT_TRUE(registry_.begin_trial("a", "", now_ns_));
  start(false);
  registry_.retire_all("ending", now_ns_);
  table_ports();
  EXPECT_EQ(registry_.take_retired().size(), 2U);
}

TEST_F(RegistryTrialTest, LivesThatGoOnKeepTheirEpochAndAreStartedOnce) {
  NewReplica alive{"a"}, dead{"b"};
  alive.epoch = 4;
  alive.adopts = "c0ffee";
  dead.epoch = 7;
  join({alive, dead});
  registry_.set_paused(true);
  auto lives = registry_.take_starts(now_ns_);
  ASSERT_EQ(lives.size(), 1U) << "while paused, the dead stay dead";
  EXPECT_EQ(lives[0].adopts, "c0ffee");
  EXPECT_EQ(lives[0].epoch, 4U);
  registry_.set_paused(false);
  lives = registry_.take_starts(now_ns_);
  ASSERT_EQ(lives.size(), 1U);
  EXPECT_EQ(lives[0].epoch, 8U);
  EXPECT_EQ(lives[0].adopts, "");
  registry_.lost(at("a").life->id, "gone meanwhile", now_ns_);
  lives = registry_.take_starts(now_ns_);
  ASSERT_EQ(lives.size(), 1U);
  EXPECT_EQ(lives[0].adopts, "") << "its next life is a new one";
  EXPECT_EQ(lives[0].epoch, 5U);
}

TEST_F(RegistryTrialTest, TheUnwellAreEndedOneAtATime) {
  join({{"a"}, {"b"}});
  const auto lives = start();
  registry_.missed(lives[0].id, "timed out", now_ns_);
  registry_.missed(lives[1].id, "timed out", now_ns_);
  EXPECT_TRUE(table_ports().empty()) << "neither gets requests";
  EXPECT_FALSE(at("a").life);
  ASSERT_TRUE(at("b").life) << "it waits, alive";
  const auto successor = start(false);
  ASSERT_EQ(successor.size(), 1U);
  registry_.missed(lives[1].id, "timed out", now_ns_);
  EXPECT_TRUE(at("b").life);
  registry_.answered(successor[0].id, now_ns_);
  registry_.missed(lives[1].id, "timed out", now_ns_);
  EXPECT_FALSE(at("b").life) << "its turn, now that the first is back";
}

TEST_F(RegistryTrialTest, TheUnwellWaitWhileTheRuntimeCannotReplaceThem) {
  join({{"a"}});
  const auto lives = start();
  registry_.set_able(false);
  registry_.missed(lives[0].id, "refused", now_ns_);
  EXPECT_TRUE(table_ports().empty());
  ASSERT_TRUE(at("a").life) << "it may be the engine's absence that makes it unwell";
  registry_.set_able(true);
  registry_.missed(lives[0].id, "refused", now_ns_);
  EXPECT_FALSE(at("a").life);
}

TEST_F(RegistryTrialTest, WhilePausedTheUnwellAreOnlyTakenOut) {
  join({{"a"}});
  const auto lives = start();
  registry_.set_paused(true);
  registry_.missed(lives[0].id, "timed out", now_ns_);
  EXPECT_TRUE(table_ports().empty());
  ASSERT_TRUE(at("a").life);
  registry_.answered(lives[0].id, now_ns_);
  EXPECT_EQ(table_ports(), (std::vector<uint16_t>{5001})) << "it came back by answering";
  registry_.lost(lives[0].id, "killed", now_ns_);
  EXPECT_TRUE(registry_.take_starts(now_ns_ + 100 * second_ns).empty());
  EXPECT_EQ(registry_.next_ns(), UINT64_MAX);
}

TEST_F(RegistryTrialTest, WorkersHearOfTheSilentUntilTheyHaveEnded) {
  join({{"a"}, {"b"}});
  const auto lives = start();
  EXPECT_TRUE(registry_.take_table(now_ns_)->silent.empty());
  registry_.missed(lives[0].id, "timed out", now_ns_, true);
  EXPECT_EQ(registry_.take_table(now_ns_)->silent, std::vector<uint64_t>{lives[0].id});
  registry_.missed(lives[1].id, "answered 500", now_ns_, false);
  EXPECT_EQ(registry_.take_table(now_ns_)->silent, std::vector<uint64_t>{lives[0].id}) << "b speaks";
  for (const Retired& one : registry_.take_retired()) registry_.ended(one.life.id, now_ns_);
  start();
  EXPECT_TRUE(registry_.take_table(now_ns_)->silent.empty());
}

TEST_F(RegistryTrialTest, AnEjectedOneThatFallsSilentIsTold) {
  join({{"a"}, {"b"}});
  const auto lives = start();
  registry_.take_table(now_ns_);
  registry_.set_paused(true);
  ASSERT_TRUE(registry_.eject(lives[0].id, http::Cause::replica_reset, now_ns_));
  EXPECT_TRUE(registry_.take_table(now_ns_)->silent.empty());
  registry_.missed(lives[0].id, "timed out", now_ns_, true);
  EXPECT_EQ(registry_.take_table(now_ns_)->silent, std::vector<uint64_t>{lives[0].id});
  registry_.missed(lives[0].id, "timed out", now_ns_, true);
  EXPECT_EQ(registry_.take_table(now_ns_), nullptr) << "nothing new";
  registry_.answered(lives[0].id, now_ns_);
  EXPECT_TRUE(registry_.take_table(now_ns_)->silent.empty());
}

}  // namespace
}  // namespace ringmaster::admin
