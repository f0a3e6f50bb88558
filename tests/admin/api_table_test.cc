// What the API says of the table, over real sockets.
#include <gmock/gmock.h>

#include "api_fixture.h"

namespace ringmaster::admin {
namespace {

using testing::HasSubstr;

class TableApiTest : public ApiTest {
 protected:
  TableApiTest() {
    settings_.routing.key = {"query:request_id", "header:X-User", "random"};
    settings_.limits.request_line_bytes = 8192;
    settings_.limits.header_bytes = 32768;
    settings_.limits.header_count = 128;
  }
  // With the type that curl gives by itself: the method is one that no page may send unasked.
  Task<ClientAnswer> put_table(std::string text) {
    async::FieldList fields;
    fields.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    return ask(port_, "PUT", "/v1/table", std::move(text), std::move(fields));
  }
};

TEST_F(TableApiTest, ATableIsExportedAndComesBack) {
  tell_api([this]() -> Task<void> {
    const std::string file = (co_await get("/v1/table/export")).body;
    const json before = json::parse((co_await get("/v1/table")).body);
    EXPECT_THAT(file, HasSubstr("digest " + before["digest"].get<std::string>()));
    EXPECT_EQ((co_await change("PATCH", "/v1/replicas/Server2", R"({"weight":4})")).status, 200);
    const json between = json::parse((co_await get("/v1/table")).body);
    EXPECT_NE(between["digest"], before["digest"]);
    EXPECT_EQ(between["replicas"][1]["weight"], 4);
    const ClientAnswer imported = co_await put_table(file);
    EXPECT_EQ(imported.status, 200) << imported.body;
    EXPECT_EQ(json::parse(imported.body)["digest"], before["digest"]);
    EXPECT_EQ((co_await get("/v1/table/export")).body, file);
  });
}

TEST_F(TableApiTest, AFileThatIsNoneOrDoesNotFitChangesNothing) {
  tell_api([this]() -> Task<void> {
    const uint64_t epoch = control_.published()->epoch;
    std::string file = (co_await get("/v1/table/export")).body;
    EXPECT_EQ((co_await put_table("")).status, 400);
    EXPECT_EQ((co_await put_table(file.substr(0, file.size() - 4))).status, 400);
    std::string other = file;
    other[other.find("digest ") + 8] ^= 1;
    EXPECT_EQ((co_await put_table(other)).status, 400);
    EXPECT_EQ((co_await change("DELETE", "/v1/replicas/Server2")).status, 200);
    const ClientAnswer conflict = co_await put_table(file);
    EXPECT_EQ(conflict.status, 409);
    EXPECT_THAT(conflict.body, HasSubstr("'Server2' is in the file and not here"));
    EXPECT_EQ(control_.published()->epoch, epoch + 1) << "the removal";
    async::FieldList foreign;
    foreign.emplace_back("Origin", "http://evil.example");
    EXPECT_EQ((co_await ask(port_, "PUT", "/v1/table", file, foreign)).status, 403);
  });
}

TEST_F(TableApiTest, ExplainsARequestByTheTableInForce) {
  tell_api([this]() -> Task<void> {
    const json found = json::parse((co_await get("/v1/explain?url=/home%3Frequest_id%3D42")).body);
    const balance::Table& table = control_.published()->table;
    EXPECT_EQ(found["source"], "query:request_id");
    EXPECT_EQ(found["key"], "42");
    EXPECT_EQ(found["slot"], table.slot_of("42"));
    EXPECT_EQ(found["owner"], table.members()[table.owner(table.slot_of("42"))]);
    EXPECT_EQ(found["fallbacks"].size(), 1U);
    EXPECT_EQ(found["epoch"], control_.published()->epoch);
    EXPECT_EQ(json::parse((co_await get("/v1/explain?header=x-user:%2042")).body)["slot"], found["slot"]);
    EXPECT_EQ(json::parse((co_await get("/v1/explain?key=42")).body)["owner"], found["owner"]);
    EXPECT_EQ(json::parse((co_await get("/v1/explain?url=/home")).body)["source"], "random");
    EXPECT_EQ((co_await get("/v1/explain")).status, 400);
    const ClientAnswer refused = co_await get("/v1/explain?header=Host:a&header=Host:b");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(refused.body, HasSubstr("host_repeated"));
  });
}

TEST_F(TableApiTest, APlanSaysWhatThenHappens) {
  tell_api([this]() -> Task<void> {
    const uint64_t epoch = control_.published()->epoch;
    const ClientAnswer planned = co_await change(
        "POST", "/v1/plan", R"({"add":[{"name":"S5","weight":2}],"remove":["Server1"],"weights":{"Server2":3}})");
    EXPECT_EQ(planned.status, 200) << planned.body;
    EXPECT_EQ(control_.published()->epoch, epoch);
    const json plan = json::parse(planned.body);
    EXPECT_EQ(plan["epoch"], epoch);
    EXPECT_EQ(plan["replicas"][0]["keys_after"], 0);
    EXPECT_EQ((co_await change("DELETE", "/v1/replicas/Server1")).status, 200);
    EXPECT_EQ((co_await change("PATCH", "/v1/replicas/Server2", R"({"weight":3})")).status, 200);
    EXPECT_EQ((co_await change("POST", "/v1/replicas", R"({"name":"S5","weight":2})")).status, 201);
    const json table = json::parse((co_await get("/v1/table")).body);
    EXPECT_NEAR(table["replicas"][0]["share"].get<double>(), plan["replicas"][1]["keys_after"].get<double>(), 1e-6);
    EXPECT_NEAR(table["replicas"][1]["share"].get<double>(), plan["replicas"][2]["keys_after"].get<double>(), 1e-6);
    EXPECT_EQ((co_await change("POST", "/v1/plan", R"({"add":[{"name":"S5"}]})")).status, 409);
    EXPECT_EQ((co_await change("POST", "/v1/plan", R"({"remove":["S9"]})")).status, 404);
    EXPECT_EQ((co_await change("POST", "/v1/plan", R"({"plan":1})")).status, 400);
  });
}

TEST_F(TableApiTest, TheSkewShowsSharesAndWhatTheLastEpochMoved) {
  tell_api([this]() -> Task<void> {
    EXPECT_EQ((co_await change("PATCH", "/v1/replicas/Server2", R"({"weight":3})")).status, 200);
    const json skew = json::parse((co_await get("/v1/skew")).body);
    EXPECT_NEAR(skew["keys_moved_by_epoch"].get<double>(), 0.25, 0.05) << "from 1:1 to 1:3";
    EXPECT_EQ(skew["replicas"][1]["fair_share"], 0.75);
    EXPECT_NEAR(skew["replicas"][1]["key_share"].get<double>(), 0.75, 0.05);
    EXPECT_NEAR(skew["max_over_mean"]["keys"].get<double>(), 1, 0.1);
    EXPECT_EQ(skew["max_over_mean"]["requests"], 0) << "there were none";
    EXPECT_EQ(skew["samples"], 0);
  });
}

TEST_F(TableApiTest, UnderAPolicyNothingIsSaidOfKeysAndSlots) {
  settings_.routing.table = "least_connections";
  tell_api([this]() -> Task<void> {
    const json skew = json::parse((co_await get("/v1/skew")).body);
    EXPECT_TRUE(skew["keys_moved_by_epoch"].is_null());
    EXPECT_TRUE(skew["max_over_mean"]["keys"].is_null());
    EXPECT_TRUE(skew["max_over_mean"]["traffic"].is_null());
    EXPECT_EQ(skew["max_over_mean"]["requests"], 0);
    EXPECT_TRUE(skew["replicas"][1]["key_share"].is_null());
    EXPECT_TRUE(skew["replicas"][1]["traffic_share"].is_null());
    EXPECT_EQ(skew["replicas"][1]["fair_share"], 0.5);
    const json table = json::parse((co_await get("/v1/table")).body);
    EXPECT_EQ(table["kind"], "least_connections");
    EXPECT_FALSE(table.contains("slots"));
    EXPECT_FALSE(table["replicas"][0].contains("share"));
    const ClientAnswer plan = co_await change("POST", "/v1/plan", R"({"remove":["Server1"]})");
    EXPECT_EQ(plan.status, 409);
    EXPECT_THAT(plan.body, HasSubstr("With routing.table least_connections no key has a home"));
    const json found = json::parse((co_await get("/v1/explain?key=42")).body);
    EXPECT_EQ(found["source"], "least_connections");
    EXPECT_FALSE(found.contains("slot"));
    EXPECT_FALSE(found.contains("serves"));
  });
}

}  // namespace
}  // namespace ringmaster::admin
