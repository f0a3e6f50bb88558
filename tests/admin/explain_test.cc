#include "admin/explain.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "admin/first_table.h"
#include "admin/judgement.h"
#include "admin/text.h"
#include "config/load.h"
#include "../support/temp_file.h"

namespace ringmaster::admin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ExplainTest : public testing::Test {
 protected:
  ExplainTest() { settings_.routing.table = "assignment"; }
  std::expected<Explanation, std::string> ask(Question question) {
    const proxy::StickyCookies cookies(settings_);
    return explain(question, settings_, first_table(settings_), &cookies);
  }
  nlohmann::json shown(const Explanation& found, std::optional<uint64_t> epoch = std::nullopt) {
    const balance::Table table = first_table(settings_);
    return nlohmann::json::parse(
        explanation_json(found, settings_, table, judge_idle(found, table, settings_), epoch));
  }
  Explanation of_url(std::string url, std::vector<std::string> headers = {}) {
    Question question;
    question.url = std::move(url);
    question.headers = std::move(headers);
    return ask(question).value();
  }

  config::Settings settings_ = config::default_settings();
};

// ASSIGNMENT: H(132574) mod 512 = 81 -> replica 3; 100000 -> 337 -> 1; 999999 -> 16 -> 1.
TEST_F(ExplainTest, AgreesWithTheAssignmentsGoldenNumbers) {
  const Explanation third = of_url("/home?request_id=132574");
  EXPECT_EQ(third.source, "query:request_id");
  EXPECT_EQ(third.key, "132574");
  EXPECT_EQ(third.hash, 132574ull * 132574 + 2 * 132574 + 17);
  EXPECT_EQ(third.slot, 81u);
  EXPECT_EQ(third.owner, "Server3");
  EXPECT_THAT(third.fallbacks, ElementsAre("Server1", "Server2"));
  EXPECT_EQ(of_url("/home?request_id=100000").owner, "Server1");
  EXPECT_EQ(of_url("/home?request_id=999999").slot, 16u);
  Question key;
  key.key = "132574";
  EXPECT_EQ(ask(key)->slot, 81u);
  EXPECT_EQ(ask(key)->source, "given");
}

TEST_F(ExplainTest, FindsTheKeyAsTheProxyDoes) {
  settings_.routing.key = {"cookie:sid", "header:X-User", "path_segment:2", "client_ip"};
  EXPECT_EQ(of_url("/", {"Cookie: a=b; sid=42"}).key, "42");
  EXPECT_EQ(of_url("/", {"x-user:  ann "}).key, "ann");
  EXPECT_EQ(of_url("/", {"x-user:  ann "}).source, "header:X-User");
  EXPECT_EQ(of_url("/a/b/c?d").key, "b");
  Question client;
  client.client_ip = "192.0.2.1";
  EXPECT_EQ(ask(client)->key, "192.0.2.1");
  settings_.routing.key = {"host"};
  EXPECT_EQ(of_url("http://shop.example:8080/x").key, "shop.example:8080");
  EXPECT_EQ(of_url("/x", {"Host: other.example"}).key, "other.example");
}

TEST_F(ExplainTest, SaysThatARequestWithoutAKeyIsSpread) {
  const Explanation found = of_url("/home");
  EXPECT_TRUE(found.random);
  EXPECT_EQ(found.source, "random");
  const auto json = shown(found, 7);
  EXPECT_TRUE(json["key"].is_null());
  EXPECT_FALSE(json.contains("owner"));
  EXPECT_FALSE(json.contains("verdict"));
  EXPECT_EQ(json["epoch"], 7);
}

TEST_F(ExplainTest, SaysThatAPolicyAsksForNoKey) {
  settings_.routing.table = "least_connections";
  for (const Question& question : {Question{.key = "42"}, Question{.url = "/home?request_id=42"}}) {
    const auto found = ask(question);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->source, "least_connections");
    EXPECT_TRUE(found->random);
    EXPECT_FALSE(found->owner);
  }
}

TEST_F(ExplainTest, FindsTheClientBehindTrustedProxies) {
  settings_.routing.key = {"client_ip"};
  settings_.proxy.trusted_proxies = {"10.0.0.0/8"};
  Question question;
  question.headers = {"X-Forwarded-For: 1.1.1.1, 198.51.100.1, 10.0.0.2"};
  question.client_ip = "10.0.0.1";
  EXPECT_EQ(ask(question)->key, "198.51.100.1");
  question.client_ip = "203.0.113.1";
  EXPECT_EQ(ask(question)->key, "203.0.113.1");
}

class StickyExplainTest : public ExplainTest {
 protected:
  StickyExplainTest() {
    settings_.routing.sticky_cookie = "SRV";
    settings_.routing.sticky_secret_file = secret_.path();
  }
  std::string cookie_of(const std::string& replica) const {
    const std::string field = proxy::StickyCookies(settings_).field_for(replica);
    return "Cookie: a=b; " + field.substr(12, field.find(';') - 12);
  }
  Explanation with(const std::string& cookie, const std::string& url = "/home?request_id=132574") {
    return of_url(url, {cookie});
  }
  TempFile secret_{std::string(32, 's')};
};

TEST_F(StickyExplainTest, SaysWhomTheCookieNamesAndWhetherItIsBelieved) {
  const Explanation believed = with(cookie_of("Server2"));
  EXPECT_EQ(believed.sticky, Sticky::believed);
  EXPECT_EQ(believed.sticky_replica, "Server2");
  EXPECT_EQ(believed.owner, "Server3") << "of its slot";
  auto json = shown(believed);
  EXPECT_EQ(json["verdict"], "sticky");
  EXPECT_EQ(json["serves"], "Server2");
  EXPECT_EQ(json["sticky"], nlohmann::json::parse(R"({"cookie":"SRV","state":"believed","names":"Server2"})"));

  const Explanation departed = with(cookie_of("Server9"));
  EXPECT_EQ(departed.sticky, Sticky::departed);
  EXPECT_EQ(departed.sticky_replica, "Server9");
  EXPECT_EQ(shown(departed)["serves"], "Server3");
  EXPECT_EQ(shown(departed)["verdict"], "owner");
  for (const char* cookie : {"Cookie: SRV=Server2", "Cookie: SRV=Server2.0123456789abcdef", "Cookie: SRV=.",
                             "Cookie: SRV=Server2.", "Cookie: SRV=x"}) {
    EXPECT_EQ(with(cookie).sticky, Sticky::not_ours) << cookie;
    EXPECT_EQ(shown(with(cookie))["serves"], "Server3");
    EXPECT_TRUE(shown(with(cookie))["sticky"]["names"].is_null());
  }
  EXPECT_EQ(with("Cookie: srv=x").sticky, Sticky::absent);
  EXPECT_EQ(with("Cookie: SRV=").sticky, Sticky::absent);
}

TEST_F(StickyExplainTest, ACookieDecidesWhereThereIsNoKeyAndUnderAPolicy) {
  const Explanation random = with(cookie_of("Server2"), "/home");
  EXPECT_EQ(random.source, "random");
  EXPECT_EQ(shown(random)["serves"], "Server2");
  EXPECT_EQ(shown(random)["verdict"], "sticky");
  EXPECT_FALSE(shown(with("Cookie: SRV=x", "/home")).contains("serves"));
  settings_.routing.table = "round_robin";
  const Explanation by_turns = with(cookie_of("Server2"));
  EXPECT_EQ(by_turns.source, "round_robin");
  EXPECT_EQ(shown(by_turns)["serves"], "Server2");
  EXPECT_FALSE(shown(by_turns).contains("slot"));
  EXPECT_FALSE(shown(by_turns).contains("slots"));
  EXPECT_FALSE(shown(with("Cookie: SRV=x")).contains("serves"));
}

TEST_F(StickyExplainTest, DoesNotPretendToKnowASecretThatSomebodyElseHasDrawn) {
  Question question;
  question.url = "/home?request_id=132574";
  question.headers = {cookie_of("Server2")};
  const auto found = explain(question, settings_, first_table(settings_), nullptr);
  EXPECT_EQ(found->sticky, Sticky::unknown);
  EXPECT_EQ(shown(*found)["sticky"]["state"], "unknown");
  question.key = "132574";
  EXPECT_FALSE(ask(question)->sticky) << "only the key was asked about";
}

TEST_F(ExplainTest, RefusesWhatTheProxyRefuses) {
  Question question;
  question.headers = {"Host: a", "Host: b"};
  EXPECT_THAT(ask(question).error(), HasSubstr("400 host_repeated"));
  question.headers = {"no colon"};
  EXPECT_THAT(ask(question).error(), HasSubstr("400 field_malformed"));
  question.headers = {"A: 1\r\nB: 2"};
  EXPECT_THAT(ask(question).error(), HasSubstr("line end"));
  question.headers.clear();
  question.url = "/a b";
  EXPECT_THAT(ask(question).error(), HasSubstr("the proxy would refuse this request: 400"));
  question.url = "/" + std::string(9000, 'x');
  EXPECT_THAT(ask(question).error(), HasSubstr("414 request_line_too_long"));
}

TEST_F(ExplainTest, AnEmptyTableHasNoOwner) {
  settings_.replicas.count = 0;
  const Explanation found = of_url("/home?request_id=1");
  EXPECT_FALSE(found.owner);
  EXPECT_TRUE(shown(found)["owner"].is_null());
  EXPECT_EQ(shown(found)["verdict"], "nobody");
}

TEST_F(ExplainTest, TheClientIsAnAddress) {
  Question question;
  for (const char* good : {"10.0.0.1", "fd00::1"}) {
    question.client_ip = good;
    EXPECT_TRUE(explain(question, settings_, first_table(settings_), nullptr)) << good;
  }
  for (const char* wrong : {"", "ann", "10.0.0.1:80", "10.0.0.0/8"}) {
    question.client_ip = wrong;
    const auto found = explain(question, settings_, first_table(settings_), nullptr);
    ASSERT_FALSE(found) << wrong;
    EXPECT_EQ(found.error(), "client must be an IP address, such as 10.0.0.1 or fd00::1");
  }
}

TEST(Questions, AreReadFromAQuery) {
  const auto question = read_question("url=/home%3Frequest_id%3D5%26x&header=A:%201&header=B:2+3&client=::1");
  ASSERT_TRUE(question);
  EXPECT_EQ(question->url, "/home?request_id=5&x");
  EXPECT_THAT(question->headers, ElementsAre("A: 1", "B:2+3"));
  EXPECT_EQ(question->client_ip, "::1");
  EXPECT_EQ(read_question("key=%00%ff")->key, std::string("\0\xff", 2));
  EXPECT_EQ(read_question("key=")->key, "");
  EXPECT_THAT(read_question("").error(), HasSubstr("ask for ?key="));
  EXPECT_THAT(read_question("client=::1").error(), HasSubstr("ask for ?key="));
  EXPECT_THAT(read_question("kay=1").error(), HasSubstr("'kay' is not known"));
  EXPECT_THAT(read_question("key=%4").error(), HasSubstr("'key' has a %"));
  EXPECT_THAT(read_question("key=%+4").error(), HasSubstr("'key' has a %"));
}

TEST(FirstTable, IsWhatStaticReplicasAndTheirWeightsMake) {
  config::Settings settings = config::default_settings();
  settings.replicas.runtime = config::Runtime::static_list;
  settings.replicas.static_list = {{"a", "127.0.0.1:1", 1}, {"b", "127.0.0.1:2", 3}};
  const balance::Table table = first_table(settings);
  EXPECT_THAT(table.members(), ElementsAre("a", "b"));
  EXPECT_THAT(table.weights(), ElementsAre(1, 3));
  settings.routing.table = "assignment";
  settings.routing.slots = 16;
  EXPECT_THROW(first_table(settings), StartError);
}

}  // namespace
}  // namespace ringmaster::admin
