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
  Judgement ask(const Explanation& found) { return judge(found, route_, settings_); }

  balance::Builder builder_{{.slots = 64}};
  proxy::RouteTable route_;
  config::Settings settings_ = config::default_settings();
};

TEST_F(JudgementTest, WithoutABoundTheOwnerServes) {
  put_load(0, 500, 0);
  const Judgement judged = ask(order("A", {"C", "B"}));
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
  EXPECT_EQ(ask(order("A", {"B", "C"})).serves, "A");
  EXPECT_EQ(ask(order("A", {"B", "C"})).order[0].allowed, 4u);
  EXPECT_EQ(ask(order("A", {"B", "C"})).order[2].allowed, 8u);
  put_load(0, 4, 2);   // 14: 5
  const Judgement judged = ask(order("A", {"B", "C"}));
  EXPECT_EQ(judged.verdict, Verdict::over_bound);
  EXPECT_EQ(judged.serves, "B");
  EXPECT_EQ(judged.order[0].standing, Standing::over);
  settings_.routing.affinity = "strict";
  EXPECT_EQ(ask(order("A", {"B", "C"})).serves, "A") << "the bound moves nobody who may not be moved";
}

TEST_F(JudgementTest, StrictHoldsForAnOwnerWhoIsNotReady) {
  route_.homes = std::make_shared<const balance::Table>(builder_.build());
  builder_.set_ready("B", false);
  route_.table = builder_.build();
  route_.upstreams.erase(route_.upstreams.begin() + 1);
  EXPECT_EQ(lookup_of(route_).members().size(), 3u);
  settings_.routing.affinity = "strict";
  const Judgement judged = ask(order("B", {"A"}));
  EXPECT_EQ(judged.verdict, Verdict::held);
  EXPECT_FALSE(judged.serves);
  EXPECT_EQ(judged.order[0].standing, Standing::absent);
  const auto shown = nlohmann::json::parse(explanation_json(order("B", {"A"}), route_.table, Live{3, judged}));
  EXPECT_EQ(shown["verdict"], "held");
  EXPECT_TRUE(shown["serves"].is_null());
  EXPECT_EQ(shown["order"][0]["ready"], false);
  EXPECT_EQ(shown["order"][1]["ready"], true);
}

TEST_F(JudgementTest, AnEmptyTableServesNobody) {
  const Judgement judged = judge({.source = "given", .key = "x"}, proxy::RouteTable{}, settings_);
  EXPECT_EQ(judged.verdict, Verdict::nobody);
  EXPECT_FALSE(judged.serves);
}

}  // namespace
}  // namespace ringmaster::admin
