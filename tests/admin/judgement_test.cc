#include "admin/judgement.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "config/load.h"

namespace ringmaster::admin {
namespace {

using balance::Standing;
using balance::Verdict;

// Three replicas of weight 1, 1 and 2 behind two workers.
class JudgementTest : public testing::Test {
 protected:
  JudgementTest() {
    for (const auto& [name, weight] : {std::pair{"A", 1u}, std::pair{"B", 1u}, std::pair{"C", 2u}}) {
      EXPECT_TRUE(builder_.join(name, weight));
      builder_.set_ready(name, true);
    }
    route_.table = builder_.build();
    for (const char* name : {"A", "B", "C"}) {
      route_.upstreams.push_back(std::make_shared<proxy::Upstream>(1, name, SocketAddress::loopback(1), 2));
    }
  }
  void put_load(size_t replica, uint64_t first_worker, uint64_t second_worker) {
    route_.upstreams[replica]->meters[0].in_flight.set(first_worker);
    route_.upstreams[replica]->meters[1].in_flight.set(second_worker);
  }
  static Explanation order(std::string owner, std::vector<std::string> fallbacks) {
    return {.source = "given", .key = "x", .owner = std::move(owner), .fallbacks = std::move(fallbacks)};
  }
  Judgement ask(const Explanation& found) { return judge(found, route_, settings_, control_, now_ns_); }
  // Of a slot, as the table has it.
  Explanation slot(uint32_t number) const {
    Explanation found = order(route_.table.members()[route_.table.owner(number)], {});
    found.slot = number;
    std::array<uint16_t, balance::fallbacks_max> members;
    const size_t count = route_.table.fallbacks(number, members);
    for (size_t i = 0; i < count; ++i) found.fallbacks.push_back(route_.table.members()[members[i]]);
    return found;
  }
  uint32_t slot_of(const std::string& owner) const {
    uint32_t found = 0;
    while (route_.table.members()[route_.table.owner(found)] != owner) ++found;
    return found;
  }
  nlohmann::json shown(const Explanation& found, const Judgement& judged) const {
    return nlohmann::json::parse(explanation_json(found, settings_, route_.table, judged, 3));
  }

  balance::Builder builder_{{.slots = 64}};
  proxy::RouteTable route_;
  proxy::Control control_{2};
  uint64_t now_ns_ = 5'000'000'000;
  config::Settings settings_ = config::default_settings();
};

TEST_F(JudgementTest, WithoutABoundTheOwnerServes) {
  put_load(0, 500, 0);
  const Judgement judged = ask(slot(slot_of("A")));
  EXPECT_EQ(judged.verdict, Verdict::owner);
  EXPECT_EQ(judged.serves, "A");
  EXPECT_EQ(judged.in_flight, 500u);
  EXPECT_EQ(judged.order[0].allowed, 0u);
}

TEST_F(JudgementTest, AboveItsBoundTheNextInTheOrderServes) {
  settings_.routing.balance_factor = 125;
  put_load(0, 2, 1);
  put_load(1, 1, 1);
  put_load(2, 4, 2);
  // 11 in flight, one more: A may hold ceil(1.25 x 12 / 4) = 4, C twice as many.
  const Explanation found = slot(slot_of("A"));
  EXPECT_EQ(ask(found).serves, "A");
  for (const Candidate& one : ask(found).order) EXPECT_EQ(one.allowed, one.name == "C" ? 8u : 4u);
  put_load(0, 4, 2);   // 14: 5
  const Judgement judged = ask(found);
  EXPECT_EQ(judged.verdict, Verdict::over_bound);
  EXPECT_EQ(judged.serves, found.fallbacks[0]);
  EXPECT_EQ(judged.order[0].standing, Standing::over);
  settings_.routing.affinity = "strict";
  EXPECT_EQ(ask(found).serves, "A") << "the bound moves nobody who may not be moved";
}

TEST_F(JudgementTest, StrictHoldsForAnOwnerWhoIsNotReady) {
  const Explanation found = slot(slot_of("B"));
  route_.homes = std::make_shared<const balance::Table>(builder_.build());
  builder_.set_ready("B", false);
  route_.table = builder_.build();
  route_.upstreams.erase(route_.upstreams.begin() + 1);
  EXPECT_EQ(route_.lookup().members().size(), 3u);
  settings_.routing.affinity = "strict";
  const Judgement judged = ask(found);
  EXPECT_EQ(judged.verdict, Verdict::held);
  EXPECT_FALSE(judged.serves);
  EXPECT_EQ(judged.order[0].standing, Standing::absent);
  const auto json = shown(found, judged);
  EXPECT_EQ(json["verdict"], "held");
  EXPECT_TRUE(json["serves"].is_null());
  EXPECT_EQ(json["order"][0]["ready"], false);
  EXPECT_EQ(json["order"][1]["ready"], true);
}

TEST_F(JudgementTest, AReplicaThatWarmsUpServesTheSlotsThatItHasTakenOver) {
  settings_.routing.slow_start = std::chrono::seconds(10);
  const uint64_t span_ns = 10'000'000'000, began_ns = 1'000'000'000;
  route_.serving_ns = {began_ns, 0, 0};   // A
  const uint32_t number = slot_of("A");
  const Explanation found = slot(number);
  const uint64_t takes_over_ns = began_ns + balance::takes_over_after_ns(number, balance::key_hash("A"), span_ns);
  now_ns_ = takes_over_ns - 1'500'000;
  const Judgement before = ask(found);
  EXPECT_EQ(before.verdict, Verdict::slow_start);
  EXPECT_EQ(before.serves, found.fallbacks[0]);
  ASSERT_TRUE(before.order[0].warmth);
  EXPECT_EQ(before.order[0].warmth->this_slot_in_ns, 1'500'000u);
  EXPECT_NEAR(before.order[0].warmth->taken_over, static_cast<double>(now_ns_ - began_ns) / 1e10, 1e-9);
  EXPECT_FALSE(before.order[1].warmth);
  const auto json = shown(found, before);
  EXPECT_EQ(json["order"][0]["slow_start"]["this_slot_in_ms"], 2);
  EXPECT_TRUE(json["order"][1]["slow_start"].is_null());
  now_ns_ = takes_over_ns;
  EXPECT_EQ(ask(found).verdict, Verdict::owner);
  EXPECT_EQ(ask(found).order[0].warmth->this_slot_in_ns, 0u);
  now_ns_ = began_ns + span_ns;
  EXPECT_FALSE(ask(found).order[0].warmth);
}

TEST_F(JudgementTest, AHotKeyIsSharedByTheFirstOfItsOrder) {
  settings_.routing.hot_key_replicas = 2;
  settings_.routing.hot_key_share = 30;
  const Explanation found = slot(slot_of("A"));
  const std::string key = found.key, first = found.fallbacks[0];
  EXPECT_EQ(ask(found).verdict, Verdict::owner);
  for (int i = 0; i < 1000; ++i) {
    balance::HotKeys& keys = control_.own_meters(1).hot;
    keys.note(balance::key_hash(i % 2 == 0 ? key : std::to_string(i)), 30);
  }
  const Judgement judged = ask(found);
  EXPECT_EQ(judged.verdict, Verdict::hot_key);
  EXPECT_FALSE(judged.serves);
  EXPECT_EQ(judged.sharers, (std::vector<std::string>{"A", first}));
  const auto json = shown(found, judged);
  EXPECT_EQ(json["serves_one_of"], nlohmann::json({"A", first}));
  EXPECT_EQ(json["hot_key"]["workers"][0], nlohmann::json::parse(R"({"share":null,"hot":false})"));
  EXPECT_EQ(json["hot_key"]["workers"][1], nlohmann::json::parse(R"({"share":0.5,"hot":true})"));
  route_.upstreams.erase(route_.upstreams.begin());   // A is not ready: homes keep the order
  route_.homes = std::make_shared<const balance::Table>(builder_.build());
  builder_.set_ready("A", false);
  route_.table = builder_.build();
  EXPECT_EQ(ask(found).serves, first);
  EXPECT_TRUE(ask(found).sharers.empty());
}

TEST_F(JudgementTest, AFullOwnerIsPassedOverOrWaitedFor) {
  settings_.limits.connections_per_replica = 3;
  settings_.limits.queue_length = 5;
  const Explanation found = slot(slot_of("A"));
  put_load(0, 1, 1);
  EXPECT_EQ(ask(found).serves, "A") << "one worker has a connection left";
  put_load(0, 2, 2);
  EXPECT_EQ(ask(found).verdict, Verdict::over_capacity);
  EXPECT_EQ(ask(found).serves, found.fallbacks[0]);
  settings_.routing.affinity = "fail_over";
  EXPECT_EQ(ask(found).verdict, Verdict::queued);
  EXPECT_FALSE(ask(found).serves);
  settings_.limits.queue_length = 0;
  EXPECT_EQ(ask(found).verdict, Verdict::full);
}

TEST_F(JudgementTest, WhoWaitsComesFirstAndAQueueEnds) {
  settings_.limits.connections_per_replica = 4;
  settings_.limits.queue_length = 5;
  settings_.routing.affinity = "fail_over";
  const Explanation found = slot(slot_of("A"));
  put_load(0, 1, 1);
  for (proxy::UpstreamMeters& worker : route_.upstreams[0]->meters) worker.waiting.set(1);
  EXPECT_EQ(ask(found).verdict, Verdict::queued) << "each worker has a connection left, for those who wait";
  EXPECT_EQ(ask(found).order[0].waiting, 2u);
  EXPECT_EQ(shown(found, ask(found))["order"][0]["waiting"], 2);
  for (uint32_t worker = 0; worker < 2; ++worker) {
    route_.upstreams[0]->meters[worker].waiting.set(route_.upstreams[0]->share_of(5, worker));
  }
  EXPECT_EQ(ask(found).verdict, Verdict::full);
}

TEST_F(JudgementTest, AReplicaIsOutOfSightWhereEveryWorkerHasLostIt) {
  settings_.ejection.fail_open = false;
  const Explanation found = slot(slot_of("A"));
  std::vector<proxy::UpstreamMeters>& workers = route_.upstreams[0]->meters;
  workers[0].ejected_until_ns.set(now_ns_ + 1);
  EXPECT_EQ(ask(found).serves, "A");
  EXPECT_EQ(shown(found, ask(found))["order"][0]["ejected_by"], 1);
  workers[1].ejected_until_ns.set(now_ns_ + 1);
  EXPECT_EQ(ask(found).verdict, Verdict::failed_over);
  EXPECT_EQ(ask(found).serves, found.fallbacks[0]);
  EXPECT_EQ(shown(found, ask(found))["order"][0]["ready"], true) << "it is in the table";
  settings_.routing.affinity = "strict";
  EXPECT_EQ(ask(found).verdict, Verdict::held);
  settings_.ejection.fail_open = true;
  for (const auto& upstream : route_.upstreams) {
    for (proxy::UpstreamMeters& worker : upstream->meters) worker.ejected_until_ns.set(now_ns_ + 1);
  }
  settings_.routing.affinity = "prefer";
  EXPECT_EQ(ask(found).verdict, Verdict::last_resort) << "nobody else is left";
  ++now_ns_;
  EXPECT_EQ(ask(found).verdict, Verdict::owner);
  EXPECT_EQ(ask(found).order[0].blind, 0u);
}

TEST_F(JudgementTest, AClientThatSticksIsServedByItsReplicaAndElsewhereWhenThatIsFull) {
  Explanation found = slot(slot_of("A"));
  found.sticky = Sticky::believed;
  found.sticky_replica = "C";
  EXPECT_EQ(ask(found).verdict, Verdict::sticky);
  EXPECT_EQ(ask(found).serves, "C");
  settings_.limits.connections_per_replica = 2;
  put_load(2, 1, 1);
  EXPECT_EQ(ask(found).verdict, Verdict::over_capacity);
  EXPECT_EQ(ask(found).serves, "A");
  found.random = true;
  EXPECT_TRUE(ask(found).by_chance);
  EXPECT_FALSE(ask(found).serves);
}

TEST_F(JudgementTest, AnEmptyTableServesNobody) {
  const Judgement judged = judge({.source = "given", .key = "x"}, proxy::RouteTable{}, settings_, control_, now_ns_);
  EXPECT_EQ(judged.verdict, Verdict::nobody);
  EXPECT_FALSE(judged.serves);
}

}  // namespace
}  // namespace ringmaster::admin
