#include "admin/replies.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ringmaster::admin {
namespace {

using nlohmann::json;

TEST(Replies, RepIsTheAssignmentsToTheLetter) {
  EXPECT_EQ(rep_json({"Server1", "Server2", "Server3"}),
            R"({"message":{"N":3,"replicas":["Server1","Server2","Server3"]},"status":"successful"})");
  EXPECT_EQ(rep_json({}), R"({"message":{"N":0,"replicas":[]},"status":"successful"})");
}

TEST(Replies, FailuresKeepTheirShapeWhateverTheyQuote) {
  EXPECT_EQ(failure_json("<Error> x"), R"({"message":"<Error> x","status":"failure"})");
  EXPECT_FALSE(json::parse(failure_json("a\"b\n\xff"), nullptr, false).is_discarded());
}

TEST(Replies, ReplicasAreShownWithStateReasonAndCounters) {
  RegistrySettings settings;
  settings.workers = 2;
  settings.table.slots = 64;
  Registry registry(settings, NameMaker(1));
  const NewReplica wishes[] = {{"a", 3}, {"b", 1}};
  ASSERT_TRUE(registry.join(wishes, false, 1'000'000));
  const auto starts = registry.take_starts(2'000'000);
  registry.running(starts[0].id, SocketAddress::loopback(4711), 42, 3'000'000);
  registry.answered(starts[0].id, 4'000'000);
  const auto upstream = registry.find("a")->life->upstream;
  upstream->meters[0].requests.add(2);
  upstream->meters[1].requests.add(3);

  const json list = json::parse(replicas_json(registry, {}, 9, 5'000'000));
  EXPECT_EQ(list["epoch"], 9);
  ASSERT_EQ(list["replicas"].size(), 2U);
  const json& a = list["replicas"][0];
  EXPECT_EQ(a["name"], "a");
  EXPECT_EQ(a["state"], "ready");
  EXPECT_EQ(a["weight"], 3);
  EXPECT_EQ(a["epoch"], 1);
  EXPECT_EQ(a["restarts"], 0);
  EXPECT_EQ(a["address"], "127.0.0.1:4711");
  EXPECT_EQ(a["pid"], 42);
  EXPECT_EQ(a["counters"]["requests"], 5);
  EXPECT_EQ(list["replicas"][1]["state"], "starting");
  EXPECT_TRUE(list["replicas"][1]["address"].is_null());

  const std::vector<std::string> gone = {"a"};
  ASSERT_TRUE(registry.remove(gone, "removed by an operator", {}, 6'000'000));
  const json later = json::parse(replicas_json(registry, {}, 10, 7'000'000));
  ASSERT_EQ(later["replicas"].size(), 2U);
  EXPECT_EQ(later["replicas"][1]["name"], "a");
  EXPECT_EQ(later["replicas"][1]["state"], "draining");
}

TEST(Replies, TableSharesAddUp) {
  balance::Builder builder({.kind = balance::TableKind::rendezvous, .slots = 1024});
  ASSERT_TRUE(builder.join("a", 1));
  ASSERT_TRUE(builder.join("b", 1));
  builder.set_ready("a", true);
  builder.set_ready("b", true);
  proxy::RouteTable route;
  route.epoch = 5;
  route.table = builder.build();
  config::Settings::Routing settings;
  settings.table = "rendezvous";
  const json shown = json::parse(table_json(route.table, route.epoch));
  EXPECT_EQ(shown["kind"], "rendezvous");
  EXPECT_EQ(shown["slots"], 1024);
  EXPECT_EQ(shown["epoch"], 5);
  EXPECT_EQ(shown["digest"].get<std::string>().size(), 16U);
  EXPECT_EQ(shown["replicas"][0]["slots"].get<int>() + shown["replicas"][1]["slots"].get<int>(), 1024);
  EXPECT_DOUBLE_EQ(shown["replicas"][0]["share"].get<double>() + shown["replicas"][1]["share"].get<double>(), 1.0);
}

TEST(Replies, SettingsShowEveryRowInItsSection) {
  config::Settings settings;
  settings.heartbeat.path = "/heartbeat";
  settings.heartbeat.interval = std::chrono::milliseconds(500);
  settings.replicas.command = {"x", "y"};
  settings.replicas.static_list = {{"r1", "127.0.0.1:9001", 2}};
  const json shown = json::parse(settings_json(settings));
  EXPECT_EQ(shown["heartbeat"]["path"], "/heartbeat");
  EXPECT_EQ(shown["heartbeat"]["interval"], "500ms");
  EXPECT_EQ(shown["replicas"]["command"], (json{"x", "y"}));
  EXPECT_EQ(shown["replicas"]["static"][0]["address"], "127.0.0.1:9001");
  EXPECT_EQ(shown["proxy"]["drop_in"], false);
}

}  // namespace
}  // namespace ringmaster::admin
