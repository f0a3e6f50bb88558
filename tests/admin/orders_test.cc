#include "admin/orders.h"

#include <gtest/gtest.h>

namespace ringmaster::admin {
namespace {

struct Refusal {
  const char* body;
  const char* message;
};

TEST(CountOrder, IsReadWithAndWithoutNames) {
  const auto order = read_count_order(R"({"n": 4, "hostnames": ["S5", "S4"]})", too_many_names_to_add);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->n, 4U);
  EXPECT_EQ(order->hostnames, (std::vector<std::string>{"S5", "S4"}));
  const auto nameless = read_count_order(R"({"n": 1})", too_many_names_to_add);
  ASSERT_TRUE(nameless);
  EXPECT_TRUE(nameless->hostnames.empty());
}

TEST(CountOrder, MoreNamesThanInstancesAreRefusedInTheAssignmentsWords) {
  const char* body = R"({"n": 1, "hostnames": ["S5", "S4"]})";
  EXPECT_EQ(read_count_order(body, too_many_names_to_add).error(),
            "<Error> Length of hostname list is more than newly added instances");
  EXPECT_EQ(read_count_order(body, too_many_names_to_remove).error(),
            "<Error> Length of hostname list is more than removable instances");
}

TEST(PlanOrder, IsReadWithEachOfItsParts) {
  const auto order =
      read_plan_order(R"({"add":[{"name":"S5","weight":2},{"name":"S6"}],"remove":["S1"],"weights":{"S2":3}})");
  ASSERT_TRUE(order);
  ASSERT_EQ(order->add.size(), 2U);
  EXPECT_EQ(order->add[0].weight, 2U);
  EXPECT_EQ(order->add[1].weight, 1U);
  EXPECT_EQ(order->remove, (std::vector<std::string>{"S1"}));
  EXPECT_EQ(order->weights[0].name, "S2");
  EXPECT_TRUE(read_plan_order("{}"));
}

TEST(PlanOrder, EveryMistakeIsNamed) {
  const Refusal refusals[] = {
      {"", "<Error> The body is not JSON"},
      {R"({"n":1})", "<Error> 'n' is not known here: add, remove and weights are"},
      {R"({"add":"S5"})", "<Error> add must be a list of objects with name and weight"},
      {R"({"add":["S5"]})", "<Error> add must be a list of objects with name and weight"},
      {R"({"add":[{"weight":1}]})", "<Error> each of add must have a name"},
      {R"({"add":[{"name":5}]})", "<Error> 'name' in add: name, which is text, and weight are known there"},
      {R"({"add":[{"name":"a","weight":0}]})", "<Error> weight must be a whole number from 1 to 65535"},
      {R"({"remove":"S1"})", "<Error> remove must be a list of names"},
      {R"({"remove":[1]})", "<Error> remove must be a list of names"},
      {R"({"weights":[1]})", "<Error> weights must be an object: names and their weights"},
      {R"({"weights":{"a":1.5}})", "<Error> weight must be a whole number from 1 to 65535"},
  };
  for (const Refusal& one : refusals) {
    const auto order = read_plan_order(one.body);
    ASSERT_FALSE(order) << one.body;
    EXPECT_EQ(order.error(), one.message);
  }
}

TEST(CountOrder, EveryMistakeIsNamed) {
  const Refusal refusals[] = {
      {"", "<Error> The body is not JSON"},
      {"nonsense", "<Error> The body is not JSON"},
      {"{\"n\": 1", "<Error> The body is not JSON"},
      {"\xff\xfe", "<Error> The body is not JSON"},
      {"[1]", "<Error> The body is not a JSON object"},
      {"{}", "<Error> n, the number of instances, is missing"},
      {R"({"hostnames":["a"]})", "<Error> n, the number of instances, is missing"},
      {R"({"n":0})", "<Error> n must be greater than 0"},
      {R"({"n":-1})", "<Error> n must be greater than 0"},
      {R"({"n":"2"})", "<Error> n must be a whole number"},
      {R"({"n":1.5})", "<Error> n must be a whole number"},
      {R"({"n":true})", "<Error> n must be a whole number"},
      {R"({"n":null})", "<Error> n must be a whole number"},
      {R"({"n":1000000000000000000000000000000})", "<Error> n must be a whole number"},
      {R"({"n":1,"hostnames":"S4"})", "<Error> hostnames must be a list of names"},
      {R"({"n":1,"hostnames":[7]})", "<Error> hostnames must be a list of names"},
      {R"({"n":1,"hostnames":null})", "<Error> hostnames must be a list of names"},
  };
  for (const Refusal& refusal : refusals) {
    const auto order = read_count_order(refusal.body, too_many_names_to_add);
    ASSERT_FALSE(order) << refusal.body;
    EXPECT_EQ(order.error(), refusal.message) << refusal.body;
  }
}

TEST(CountOrder, DepthIsNoHarm) {
  EXPECT_FALSE(read_count_order(std::string(100'000, '['), too_many_names_to_add));
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_FALSE(read_count_order(deep, too_many_names_to_add));
}

TEST(ReplicaOrder, NameAndWeightMayBeMissing) {
  const auto empty = read_replica_order("{}");
  ASSERT_TRUE(empty);
  EXPECT_FALSE(empty->name);
  EXPECT_EQ(empty->weight, 1U);
  const auto full = read_replica_order(R"({"name":"S9","weight":65535})");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->name, "S9");
  EXPECT_EQ(full->weight, 65535U);
}

TEST(ReplicaOrder, EveryMistakeIsNamed) {
  const Refusal refusals[] = {
      {"", "<Error> The body is not JSON"},
      {R"({"name":5})", "<Error> name must be text"},
      {R"({"weight":0})", "<Error> weight must be a whole number from 1 to 65535"},
      {R"({"weight":65536})", "<Error> weight must be a whole number from 1 to 65535"},
      {R"({"weight":"1"})", "<Error> weight must be a whole number from 1 to 65535"},
      {R"({"image":"evil"})", "<Error> 'image' is not known here: name and weight are"},
  };
  for (const Refusal& refusal : refusals) {
    const auto order = read_replica_order(refusal.body);
    ASSERT_FALSE(order) << refusal.body;
    EXPECT_EQ(order.error(), refusal.message);
  }
}

TEST(Drain, IsAQuestionOfOneName) {
  using std::chrono::milliseconds;
  EXPECT_EQ(read_drain("").value(), std::nullopt);
  EXPECT_EQ(read_drain("drain=5s").value(), milliseconds(5000));
  EXPECT_EQ(read_drain("drain=0").value(), milliseconds(0));
  EXPECT_EQ(read_drain("drain=24h").value(), milliseconds(24 * 3600 * 1000));
  for (const char* wrong : {"drain=", "drain=abc", "drain=-1s", "drain=25h"}) {
    EXPECT_EQ(read_drain(wrong).error(), "<Error> drain must be a duration of at most 24h, such as 500ms, 5s or 0");
  }
  EXPECT_EQ(read_drain("drian=0s").error(), "<Error> 'drian=0s' is not known here: drain is, once");
  EXPECT_EQ(read_drain("drain=1s&x").error(), "<Error> 'drain=1s&x' is not known here: drain is, once");
}

}  // namespace
}  // namespace ringmaster::admin
