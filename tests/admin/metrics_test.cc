#include "admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace ringmaster::admin {
namespace {

using testing::HasSubstr;

class MetricsTest : public testing::Test {
 protected:
  MetricsTest() : control_(2), registry_(settings(), NameMaker(1)) {
    const NewReplica wishes[] = {{"a", 1}, {"b", 2}};
    EXPECT_TRUE(registry_.join(wishes, false, 1));
    for (const Life& life : registry_.take_starts(2)) {
      registry_.running(life.id, SocketAddress::loopback(1), -1, 3);
      registry_.answered(life.id, 4);
    }
  }
  static RegistrySettings settings() {
    RegistrySettings made;
    made.workers = 2;
    made.table.slots = 64;
    return made;
  }
  std::string page() { return metrics_text(registry_, control_, "0.1.0"); }

  proxy::Control control_;
  Registry registry_;
};

TEST_F(MetricsTest, EveryLineIsPrometheusTextAndEverySampleHasAType) {
  const std::regex head(R"(# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+))");
  const std::string label = R"re([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\.)*")re";
  const std::regex sample("([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{" + label + "(," + label + ")*\\})? (\\S+)");
  std::istringstream lines(page());
  std::map<std::string, std::string> types;
  std::set<std::string> seen;
  int samples = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.starts_with("#")) {
      ASSERT_TRUE(std::regex_match(line, match, head)) << line;
      if (match[1] == "TYPE") {
        EXPECT_TRUE(types.emplace(match[2], match[3]).second) << "typed twice: " << line;
      }
      continue;
    }
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << "told twice: " << line;
    std::string name = match[1];
    if (!types.contains(name)) name = std::regex_replace(name, std::regex("_(bucket|sum|count)$"), "");
    ASSERT_TRUE(types.contains(name)) << line;
    EXPECT_EQ(types[name] == "counter", name.ends_with("_total")) << name;
    EXPECT_GE(std::stod(match[6]), 0.0) << line;
    ++samples;
  }
  EXPECT_GT(samples, 100);
}

TEST_F(MetricsTest, EveryMeterOfTheTablesIsThere) {
  control_.own_meters(1).retries.add(http::Cause::replica_reset);
  control_.own_meters(0).client_connections.add(3);
  control_.own_meters(1).refusals.add(http::Cause::no_replica);
  control_.own_meters(0).answers_by_class[2].add(9);
  const std::string text = page();
#define X(name, type, help) \
  EXPECT_THAT(text, HasSubstr(std::string("\n# HELP ringmaster_" #name) + \
                              (std::string(#type) == "counter" ? "_total " : " ") + help));
  RINGMASTER_WORKER_METERS(X)
#undef X
#define X(name, help) EXPECT_THAT(text, HasSubstr("\n# HELP ringmaster_" #name "_total " help));
  RINGMASTER_CAUSE_METERS(X)
#undef X
  EXPECT_THAT(text, HasSubstr("ringmaster_retries_total{worker=\"1\",cause=\"replica_reset\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_client_connections{worker=\"0\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_refusals_total{worker=\"1\",cause=\"no_replica\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_answers_total{worker=\"0\",class=\"2xx\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_build_info{version=\"0.1.0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_replica_state{replica=\"a\",state=\"ready\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_replica_weight{replica=\"b\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("ringmaster_replicas 2\n"));
}

TEST_F(MetricsTest, HistogramsAreCumulativeAndEndInTheCount) {
  const auto upstream = registry_.find("a")->life->upstream;
  for (const uint64_t us : {1U, 5U, 100U, 100U, 4'000'000'000U}) upstream->meters[0].latency.add_us(us);
  std::istringstream lines(page());
  const std::string prefix = "ringmaster_replica_latency_seconds_bucket{replica=\"a\",worker=\"0\",le=\"";
  double last_le = 0;
  uint64_t last = 0, at_128_us = 0;
  bool infinite = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(prefix)) continue;
    const std::string le = line.substr(prefix.size(), line.find('"', prefix.size()) - prefix.size());
    const uint64_t count = std::stoull(line.substr(line.rfind(' ') + 1));
    infinite = le == "+Inf";
    const double bound = infinite ? 1e18 : std::stod(le);
    EXPECT_GT(bound, last_le);
    EXPECT_GE(count, last);
    if (bound == 0.000128) at_128_us = count;
    last_le = bound;
    last = count;
  }
  EXPECT_TRUE(infinite);
  EXPECT_EQ(last, 5U);
  EXPECT_EQ(at_128_us, 4U);
  EXPECT_THAT(page(), HasSubstr("ringmaster_replica_latency_seconds_count{replica=\"a\",worker=\"0\"} 5\n"));
  EXPECT_THAT(page(), HasSubstr("ringmaster_replica_latency_seconds_sum{replica=\"a\",worker=\"0\"} 4000.0002"));
}

}  // namespace
}  // namespace ringmaster::admin
