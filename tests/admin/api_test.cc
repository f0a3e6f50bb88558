#include <gmock/gmock.h>

#include "api_fixture.h"

namespace ringmaster::admin {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(ApiTest, TheAssignmentsThreePathsOnBothDoors) {
  tell_api([this]() -> Task<void> {
    EXPECT_EQ((co_await get("/rep")).body, first_two);
    EXPECT_EQ((co_await drop_in("GET", "/rep")).body, first_two);
    const ClientAnswer added = co_await drop_in("POST", "/add", R"({"n": 2, "hostnames": ["S5", "S4"]})");
    EXPECT_EQ(added.status, 200);
    EXPECT_EQ(added.body, R"({"message":{"N":4,"replicas":["Server1","Server2","S5","S4"]},"status":"successful"})");
    EXPECT_EQ(added.field("Content-Type"), json_type);
    const ClientAnswer removed = co_await change("DELETE", "/rm", R"({"n": 2, "hostnames": ["S5", "Server1"]})");
    EXPECT_EQ(removed.body, R"({"message":{"N":2,"replicas":["Server2","S4"]},"status":"successful"})");
    const ClientAnswer all = co_await drop_in("POST", "/rm", R"({"n": 2})");
    EXPECT_EQ(all.body, R"({"message":{"N":0,"replicas":[]},"status":"successful"})");
    EXPECT_EQ(table_size(), 0U);
  });
}

TEST_F(ApiTest, EveryWrongOrderIs400InTheAssignmentsShapeAndChangesNothing) {
  struct Case {
    const char *method, *path, *body, *message;
  };
  static constexpr Case cases[] = {
      {"POST", "/add", R"({"n":1,"hostnames":["a","b"]})",
       "<Error> Length of hostname list is more than newly added instances"},
      {"DELETE", "/rm", R"({"n":1,"hostnames":["a","b"]})",
       "<Error> Length of hostname list is more than removable instances"},
      {"POST", "/rm", R"({"n":1,"hostnames":["a","b"]})",
       "<Error> Length of hostname list is more than removable instances"},
      {"DELETE", "/rm", R"({"n":3})", "<Error> n is 3, but there are only 2 replicas"},
      {"DELETE", "/rm", R"({"n":1,"hostnames":["x"]})", "<Error> there is no replica 'x'"},
      {"DELETE", "/rm", R"({"n":2,"hostnames":["Server1","Server1"]})", "<Error> 'Server1' is named twice"},
      {"POST", "/add", R"({"n":1,"hostnames":["Server2"]})", "<Error> 'Server2' is in use"},
      {"POST", "/add", R"({"n":2,"hostnames":["a","Server2"]})", "<Error> 'Server2' is in use"},
      {"POST", "/add", R"({"n":2,"hostnames":["a","a"]})", "<Error> 'a' is named twice"},
      {"POST", "/add", R"({"n":1,"hostnames":["a b"]})",
       "<Error> 'a b' is not a replica name: 1 to 63 letters, digits and '_', '.' or '-', a letter or digit first"},
      {"POST", "/add", R"({"n":1001})", "<Error> there are 2 replicas, and there may be 1000 at most"},
      {"POST", "/add", R"({"n":18446744073709551615})", "<Error> there are 2 replicas, and there may be 1000 at most"},
      {"POST", "/add", R"({"n":0})", "<Error> n must be greater than 0"},
      {"POST", "/add", R"({"n":"3"})", "<Error> n must be a whole number"},
      {"POST", "/add", "{}", "<Error> n, the number of instances, is missing"},
      {"POST", "/add", "", "<Error> The body is not JSON"},
      {"DELETE", "/rm", "", "<Error> The body is not JSON"},
      {"POST", "/add", "n=3", "<Error> The body is not JSON"},
  };
  tell_api([this]() -> Task<void> {
    const uint64_t epoch = control_.published()->epoch;
    for (const Case& one : cases) {
      const std::string expected = json{{"message", one.message}, {"status", "failure"}}.dump();
      const ClientAnswer native = co_await change(one.method, one.path, one.body);
      EXPECT_EQ(native.status, 400) << one.body;
      EXPECT_EQ(native.body, expected);
      const ClientAnswer assigned = co_await drop_in(one.method, one.path, one.body);
      EXPECT_EQ(assigned.status, 400) << one.body;
      EXPECT_EQ(assigned.body, expected);
    }
    EXPECT_EQ((co_await get("/rep")).body, first_two);
    EXPECT_EQ(control_.published()->epoch, epoch);
  });
}

TEST_F(ApiTest, AFailedAdditionIs503AndUndone) {
  runtime_.not_starting["C"] = "image not found";
  tell_api([this]() -> Task<void> {
    const ClientAnswer failed = co_await drop_in("POST", "/add", R"({"n": 3, "hostnames": ["A", "B", "C"]})");
    EXPECT_EQ(failed.status, 503);
    EXPECT_THAT(failed.body, HasSubstr("image not found"));
    EXPECT_THAT(failed.body, HasSubstr(R"("status":"failure")"));
    EXPECT_EQ((co_await get("/rep")).body, first_two);
  });
}

TEST_F(ApiTest, TheDropInDoorHasNothingElse) {
  tell_api([this]() -> Task<void> {
    static constexpr const char* elsewhere[] = {"/v1/replicas", "/v1/settings", "/v1/table", "/metrics",
                                                "/healthz", "/readyz", "/home", "/"};
    for (const char* path : elsewhere) {
      EXPECT_EQ((co_await drop_in("GET", path)).status, 404) << path;
    }
    EXPECT_EQ((co_await drop_in("DELETE", "/v1/replicas/Server1")).status, 404);
    const ClientAnswer wrong = co_await drop_in("GET", "/rm");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.field("Allow"), "DELETE, POST");
  });
}

TEST_F(ApiTest, TheDropInDoorRefusesForeignPagesOnly) {
  tell_api([this]() -> Task<void> {
    const auto with_origin = [&](const char* origin) {
      async::FieldList fields;
      fields.emplace_back("Host", "lb.example:5000");
      fields.emplace_back("Origin", origin);
      fields.emplace_back("Content-Type", "text/plain");
      return drop_in("POST", "/add", R"({"n": 1})", std::move(fields));
    };
    EXPECT_EQ((co_await with_origin("http://evil.example")).status, 403);
    EXPECT_EQ((co_await with_origin("null")).status, 403);
    EXPECT_EQ((co_await with_origin("http://lb.example:5000")).status, 200);
  });
}

TEST_F(ApiTest, TheAdminPortRefusesWhatAPageCouldSend) {
  tell_api([this]() -> Task<void> {
    struct Case {
      const char *field, *value;
      uint16_t status;
    };
    static constexpr Case cases[] = {{"Origin", "http://evil.example", 403}, {"Origin", "null", 403},
                                     {"Host", "evil.example", 421}, {"Content-Type", "text/plain", 415}};
    for (const Case& one : cases) {
      for (const char* path : {"/add", "/rm", "/v1/replicas"}) {
        async::FieldList fields;
        if (std::string_view(one.field) != "Content-Type") fields.emplace_back("Content-Type", json_type);
        fields.emplace_back(one.field, one.value);
        const ClientAnswer answer = co_await ask(port_, "POST", path, R"({"n": 1})", std::move(fields));
        EXPECT_EQ(answer.status, one.status) << one.field << " " << path;
        EXPECT_THAT(answer.body, HasSubstr(R"("status":"failure")"));
      }
    }
    EXPECT_EQ((co_await get("/rep")).body, first_two);
  });
}

TEST_F(ApiTest, ATokenIsAskedForEverywhereButInHealthz) {
  token_ = "s3cret";
  tell_api([this]() -> Task<void> {
    EXPECT_EQ((co_await get("/healthz")).status, 200);
    for (const char* path : {"/rep", "/v1/replicas", "/metrics", "/readyz", "/nothing"}) {
      const ClientAnswer answer = co_await get(path);
      EXPECT_EQ(answer.status, 401) << path;
      EXPECT_THAT(answer.field("WWW-Authenticate"), StartsWith("Bearer"));
    }
    async::FieldList fields;
    fields.emplace_back("Authorization", "Bearer s3cret");
    EXPECT_EQ((co_await ask(port_, "GET", "/rep", "", fields)).status, 200);
    EXPECT_EQ((co_await drop_in("GET", "/rep")).status, 200) << "the proxy port has none";
  });
}

TEST_F(ApiTest, ReplicasAreAddedShownAndRemovedByName) {
  tell_api([this]() -> Task<void> {
    const ClientAnswer added = co_await change("POST", "/v1/replicas", R"({"name":"Extra","weight":3})");
    EXPECT_EQ(added.status, 201);
    EXPECT_EQ(added.field("Location"), "/v1/replicas/Extra");
    EXPECT_EQ(json::parse(added.body)["weight"], 3);
    EXPECT_EQ(json::parse(added.body)["state"], "ready");
    EXPECT_EQ(json::parse((co_await get("/v1/replicas")).body)["replicas"].size(), 3U);
    EXPECT_EQ(json::parse((co_await get("/v1/replicas/Extra")).body)["name"], "Extra");
    EXPECT_EQ((co_await change("POST", "/v1/replicas", R"({"name":"Extra"})")).status, 409);
    EXPECT_EQ((co_await change("POST", "/v1/replicas", R"({"name":"no good"})")).status, 400);
    EXPECT_EQ((co_await change("DELETE", "/v1/replicas/Extra?drain=abc")).status, 400);
    const ClientAnswer gone = co_await change("DELETE", "/v1/replicas/Extra?drain=100ms");
    EXPECT_EQ(gone.status, 200);
    EXPECT_EQ(gone.body, R"({"name":"Extra","state":"draining"})");
    EXPECT_EQ((co_await change("DELETE", "/v1/replicas/Extra")).status, 404);
    EXPECT_EQ((co_await get("/v1/replicas/Extra")).status, 404);
    const ClientAnswer nameless = co_await change("POST", "/v1/replicas", "{}");
    EXPECT_EQ(nameless.status, 201);
    EXPECT_TRUE(valid_name(json::parse(nameless.body)["name"].get<std::string>()));
  });
}

TEST_F(ApiTest, AWeightIsInForceWhenItIsAnswered) {
  tell_api([this]() -> Task<void> {
    const uint64_t epoch = control_.published()->epoch;
    const ClientAnswer heavier = co_await change("PATCH", "/v1/replicas/Server1", R"({"weight":3})");
    EXPECT_EQ(heavier.status, 200);
    EXPECT_EQ(json::parse(heavier.body)["weight"], 3);
    EXPECT_EQ(control_.published()->epoch, epoch + 1);
    EXPECT_THAT(control_.published()->table.weights(), testing::ElementsAre(3, 1));
    EXPECT_EQ((co_await change("PATCH", "/v1/replicas/Server1", R"({"weight":3})")).status, 200);
    EXPECT_EQ(control_.published()->epoch, epoch + 1) << "nothing has changed";
  });
}

TEST_F(ApiTest, AWrongWeightOrNameChangesNothing) {
  struct Case {
    const char *path, *body;
    uint16_t status;
    const char* message;
  };
  static constexpr Case cases[] = {
      {"Server1", R"({"weight":0})", 400, "<Error> weight must be a whole number from 1 to 65535"},
      {"Server1", R"({"weight":65536})", 400, "<Error> weight must be a whole number from 1 to 65535"},
      {"Server1", R"({"weight":-1})", 400, "<Error> weight must be a whole number from 1 to 65535"},
      {"Server1", R"({"weight":1.5})", 400, "<Error> weight must be a whole number from 1 to 65535"},
      {"Server1", R"({"weight":"2"})", 400, "<Error> weight must be a whole number from 1 to 65535"},
      {"Server1", "{}", 400, "<Error> weight, a whole number from 1 to 65535, is missing"},
      {"Server1", R"({"weight":2,"name":"x"})", 400, "<Error> 'name' is not known here: weight is"},
      {"Server1", "weight=2", 400, "<Error> The body is not JSON"},
      {"Server9", R"({"weight":2})", 404, "<Error> there is no replica 'Server9'"},
  };
  tell_api([this]() -> Task<void> {
    const uint64_t epoch = control_.published()->epoch;
    for (const Case& one : cases) {
      const ClientAnswer answer = co_await change("PATCH", std::string("/v1/replicas/") + one.path, one.body);
      EXPECT_EQ(answer.status, one.status) << one.body;
      EXPECT_EQ(json::parse(answer.body)["message"], one.message);
    }
    EXPECT_EQ(control_.published()->epoch, epoch);
    supervisor_->stop_healing();
    EXPECT_EQ((co_await change("PATCH", "/v1/replicas/Server1", R"({"weight":2})")).status, 503);
  });
}

TEST_F(ApiTest, TheOthersAnswerInTheirForms) {
  tell_api([this]() -> Task<void> {
    EXPECT_EQ(json::parse((co_await get("/v1/settings")).body)["heartbeat"]["interval"], "40ms");
    const json table = json::parse((co_await get("/v1/table")).body);
    EXPECT_EQ(table["slots"], 1024);
    EXPECT_EQ(table["replicas"].size(), 2U);
    const ClientAnswer metrics = co_await get("/metrics");
    EXPECT_EQ(metrics.field("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_THAT(metrics.body, HasSubstr("ringmaster_replicas 2\n"));
    EXPECT_EQ((co_await get("/healthz")).status, 200);
    EXPECT_EQ((co_await get("/readyz")).status, 200);
    EXPECT_EQ((co_await ask(port_, "HEAD", "/rep")).status, 200);
  });
}

TEST_F(ApiTest, ReadinessFollowsTheTableAndTheEnd) {
  tell_api([this]() -> Task<void> {
    EXPECT_EQ((co_await change("DELETE", "/rm", R"({"n":2})")).status, 200);
    EXPECT_EQ((co_await get("/readyz")).status, 503);
    EXPECT_EQ((co_await get("/healthz")).status, 200);
    EXPECT_EQ((co_await change("POST", "/add", R"({"n":1})")).status, 200);
    EXPECT_EQ((co_await get("/readyz")).status, 200);
    supervisor_->stop_healing();
    EXPECT_EQ((co_await get("/readyz")).status, 503);
    EXPECT_EQ((co_await change("POST", "/add", R"({"n":1})")).status, 503);
  });
}

TEST_F(ApiTest, WhatIsNotThereIs404AndAWrongMethod405WithAllow) {
  tell_api([this]() -> Task<void> {
    for (const char* path : {"/", "/nothing", "/v1", "/v1/replicas/", "/v1/replicas/a/b", "/REP", "/rep/"}) {
      const ClientAnswer answer = co_await get(path);
      EXPECT_EQ(answer.status, 404) << path;
      EXPECT_THAT(answer.body, HasSubstr(R"("status":"failure")"));
    }
    const ClientAnswer add = co_await get("/add");
    EXPECT_EQ(add.status, 405);
    EXPECT_EQ(add.field("Allow"), "POST");
    EXPECT_EQ((co_await change("POST", "/metrics", "{}")).field("Allow"), "GET, HEAD");
    EXPECT_EQ((co_await change("PUT", "/v1/replicas", "{}")).field("Allow"), "GET, HEAD, POST");
  });
}

}  // namespace
}  // namespace ringmaster::admin
