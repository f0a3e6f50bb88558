#include "config/settings_table.h"

#include <gtest/gtest.h>

#include "balance/choice.h"
#include "balance/policy.h"
#include "balance/table.h"
#include "http/head.h"
#include "proxy/control.h"
#include "tests/config/support.h"

namespace ringmaster::config {
namespace {

static_assert(slots_max == balance::slots_max, "every number of slots that the settings allow can be built");
static_assert(header_count_max == http::fields_max, "the head parser's scratch holds what the settings allow");

const Shape& shape_of(std::string_view key) { return settings_table()[*find_setting(key)].shape; }

// The block of names and defaults that the program promised to its users, word for word.
constexpr std::string_view promised = R"(
[proxy]
listen = ["0.0.0.0:5000", "[::]:5000"]
workers = 0
drop_in = false
[routing]
table = "rendezvous"
slots = 65536
virtual_nodes = 9
key = ["query:request_id", "header:X-Request-Id", "random"]
[replicas]
runtime = "process"
count = 3
command = ["ringmaster-replica"]
respawn_name = "same"
[[replicas.static]]
name = "r1"
address = "127.0.0.1:9001"
weight = 1
[heartbeat]
path = "/heartbeat"
interval = "500ms"
timeout = "500ms"
fall = 2
rise = 1
[timeouts]
connect = "1s"
request_header = "10s"
request_body_idle = "30s"
response = "30s"
response_idle = "30s"
keep_alive = "60s"
upstream_keep_alive = "60s"
tunnel_idle = "1h"
drain = "30s"
[limits]
request_line_bytes = 8192
header_bytes = 32768
header_count = 128
body_bytes = 0
connections = 0
connections_per_replica = 0
pipeline_depth = 32
[admin]
listen = "127.0.0.1:5001"
token_file = ""
)";

TEST(SettingsTable, HasThePromisedNamesAndDefaults) {
  Settings expected = parsed(promised);
  // The two that the block shows and does not mean as they stand: slots are the table's own number, which is 65536
  // for rendezvous, and the static replica is an example.
  EXPECT_EQ(expected.routing.slots, balance::default_slots(balance::TableKind::rendezvous));
  EXPECT_EQ(expected.replicas.static_list, (std::vector<StaticReplica>{{"r1", "127.0.0.1:9001", 1}}));
  expected.routing.slots = 0;
  expected.replicas.static_list.clear();
  EXPECT_EQ(default_settings(), expected);
}

TEST(SettingsTable, HasTheDefaultsBeyondThePromisedOnes) {
  const Settings settings = default_settings();
  EXPECT_FALSE(settings.proxy.via);
  EXPECT_TRUE(settings.proxy.trusted_proxies.empty());
  EXPECT_EQ(settings.proxy.receive_buffers, 0u);
  EXPECT_EQ(settings.routing.probing, "linear");
  EXPECT_EQ(settings.retry.budget_percent, 20u);
  EXPECT_EQ(settings.retry.attempts, 2u);
  EXPECT_EQ(settings.routing.affinity, "prefer");
  EXPECT_EQ(settings.routing.affinity_wait, milliseconds(3000));
  EXPECT_EQ(settings.routing.balance_factor, 0u);
  EXPECT_EQ(settings.routing.slow_start, milliseconds(0));
  EXPECT_EQ(settings.routing.hot_key_replicas, 1u);
  EXPECT_EQ(settings.routing.sticky_cookie, "");
  EXPECT_FALSE(settings.proxy.debug_headers);
  EXPECT_EQ(settings.limits.queue_length, 128u);
  EXPECT_EQ(settings.limits.queue_timeout, milliseconds(1000));
  EXPECT_EQ(settings.log.level, LogLevel::info);
}

TEST(SettingsTable, WritesEveryDefaultAsTheTableDoes) {
  for (const Setting& row : settings_table()) {
    if (!is_number(row.shape.kind)) continue;
    EXPECT_EQ(plain_text(row.shape, default_value(row.shape)), row.shape.default_text) << row.shape.key;
  }
}

TEST(SettingsTable, OffersTheTablesOfTheBalanceRoom) {
  for (const std::string_view name : shape_of("routing.table").choices) {
    ASSERT_TRUE(balance::policy(name) && balance::table_kind_under(name)) << name;
    if (balance::policy(name) != balance::Policy::table) continue;
    EXPECT_EQ(balance::name_of(*balance::table_kind(name)), name);
  }
  for (const auto kind :
       {balance::TableKind::assignment, balance::TableKind::assignment_printed, balance::TableKind::md5}) {
    EXPECT_EQ(balance::default_slots(kind), 512u) << "relations.cc reckons with 512";
  }
}

TEST(SettingsTable, OffersTheAffinitiesOfTheBalanceRoom) {
  for (const std::string_view name : shape_of("routing.affinity").choices) {
    ASSERT_TRUE(balance::affinity(name)) << name;
    EXPECT_EQ(balance::name_of(*balance::affinity(name)), name);
  }
}

TEST(SettingsTable, AllowsNoMoreThanTheOtherRoomsTake) {
  EXPECT_EQ(shape_of("proxy.workers").maximum, proxy::workers_max);
  EXPECT_LE(shape_of("retry.attempts").maximum, balance::fallbacks_max);
  EXPECT_EQ(shape_of("routing.slots").maximum, balance::slots_max);
  EXPECT_LE(shape_of("replicas.count").maximum, balance::members_max);
  EXPECT_LE(shape_of("replicas.static").maximum, balance::members_max);
}

// One value for each setting that is not its default, in TOML and as a flag.
struct Sample {
  const char* key;
  const char* toml;
  std::vector<std::string> flags;
};
const Sample samples[] = {
    {"proxy.listen", R"(["127.0.0.1:0", "fd:3"])", {"127.0.0.1:0", "fd:3"}},
    {"proxy.workers", "4", {"4"}},
    {"proxy.drop_in", "true", {"true"}},
    {"proxy.via", "true", {"true"}},
    {"proxy.debug_headers", "true", {"true"}},
    {"proxy.trusted_proxies", R"(["10.0.0.0/8", "::1"])", {"10.0.0.0/8", "::1"}},
    {"proxy.receive_buffers", "512", {"512"}},
    {"routing.table", R"("assignment-printed")", {"assignment-printed"}},
    {"routing.slots", "1024", {"1024"}},
    {"routing.virtual_nodes", "5", {"5"}},
    {"routing.probing", R"("quadratic")", {"quadratic"}},
    {"routing.key", R"(["cookie:sid", "path_segment:2", "client_ip"])", {"cookie:sid", "path_segment:2", "client_ip"}},
    {"routing.affinity", R"("strict")", {"strict"}},
    {"routing.affinity_wait", R"("4s")", {"4s"}},
    {"routing.balance_factor", "1.25", {"1.25"}},
    {"routing.slow_start", R"("10s")", {"10s"}},
    {"routing.hot_key_replicas", "3", {"3"}},
    {"routing.hot_key_share", "5", {"5"}},
    {"routing.sticky_cookie", R"("SRV")", {"SRV"}},
    {"routing.sticky_secret_file", R"("/etc/ringmaster/secret")", {"/etc/ringmaster/secret"}},
    {"routing.sticky_same_site", R"("strict")", {"strict"}},
    {"routing.sticky_secure", "true", {"true"}},
    {"replicas.runtime", R"("static")", {"static"}},
    {"replicas.count", "7", {"7"}},
    {"replicas.command", R"(["./r", "--quiet", "a b"])", {"./r", "--quiet", "a b"}},
    {"replicas.respawn_name", R"("random")", {"random"}},
    {"replicas.on_exit", R"("keep")", {"keep"}},
    {"replicas.static",
     R"([{name = "r1", address = "127.0.0.1:9001", weight = 1}, {name = "r2", address = "[::1]:9002", weight = 9}])",
     {"name=r1,address=127.0.0.1:9001", "weight=9,address=[::1]:9002,name=r2"}},
    {"docker.engine", R"("10.0.0.2:2375")", {"10.0.0.2:2375"}},
    {"docker.instance", R"("shop")", {"shop"}},
    {"docker.image", R"("shop/web:1.2")", {"shop/web:1.2"}},
    {"docker.command", R"(["serve", "--port", "80"])", {"serve", "--port", "80"}},
    {"docker.environment", R"(["A=1", "B="])", {"A=1", "B="}},
    {"docker.labels", R"(["team=shop"])", {"team=shop"}},
    {"docker.network", R"("net_2")", {"net_2"}},
    {"docker.reach", R"("published")", {"published"}},
    {"docker.port", "80", {"80"}},
    {"docker.memory", "67108864", {"64MiB"}},
    {"docker.cpu_thousandths", "500", {"500"}},
    {"docker.pids", "64", {"64"}},
    {"docker.read_only", "false", {"false"}},
    {"docker.seccomp_file", R"("/etc/profile.json")", {"/etc/profile.json"}},
    {"docker.extra_file", R"("/etc/extra.json")", {"/etc/extra.json"}},
    {"heartbeat.path", R"("/health?deep=1")", {"/health?deep=1"}},
    {"heartbeat.interval", R"("250ms")", {"250ms"}},
    {"heartbeat.timeout", R"("2s")", {"2s"}},
    {"heartbeat.fall", "3", {"3"}},
    {"heartbeat.rise", "4", {"4"}},
    {"timeouts.connect", R"("1500ms")", {"1500ms"}},
    {"timeouts.request_header", R"("11s")", {"11s"}},
    {"timeouts.request_body_idle", R"("12s")", {"12s"}},
    {"timeouts.response", R"("13s")", {"13s"}},
    {"timeouts.response_idle", R"("14s")", {"14s"}},
    {"timeouts.keep_alive", R"("15s")", {"15s"}},
    {"timeouts.upstream_keep_alive", R"("16s")", {"16s"}},
    {"timeouts.tunnel_idle", R"("720h")", {"720h"}},
    {"timeouts.drain", R"("0")", {"0"}},
    {"limits.request_line_bytes", "4096", {"4KiB"}},
    {"limits.header_bytes", "65536", {"64KiB"}},
    {"limits.header_count", "64", {"64"}},
    {"limits.body_bytes", "9223372036854775807", {"9223372036854775807"}},
    {"limits.connections", "1000", {"1000"}},
    {"limits.connections_per_replica", "100", {"100"}},
    {"limits.queue_length", "64", {"64"}},
    {"limits.queue_timeout", R"("250ms")", {"250ms"}},
    {"limits.pipeline_depth", "1", {"1"}},
    {"ejection.consecutive_failures", "0", {"0"}},
    {"ejection.fail_open", "false", {"false"}},
    {"retry.budget_percent", "0", {"0"}},
    {"retry.attempts", "0", {"0"}},
    {"admin.listen", R"("unix:/run/ringmaster.sock")", {"unix:/run/ringmaster.sock"}},
    {"admin.token_file", R"("/etc/ringmaster \"token\"")", {"/etc/ringmaster \"token\""}},
    {"log.level", R"("error")", {"error"}},
    {"log.access", R"("stdout")", {"stdout"}},
    {"log.access_format", R"("json")", {"json"}},
};

// What a sample needs beside itself, in its section, to be a whole configuration.
std::string companion(std::string_view key) {
  if (key == "replicas.on_exit") return "\nruntime = \"docker\"\n";
  return key == "replicas.runtime" ? "\n[[replicas.static]]\nname = \"x\"\naddress = \"127.0.0.1:1\"\n" : "";
}

TEST(SettingsTable, HasASampleForEverySettingInOrder) {
  ASSERT_EQ(std::size(samples), settings_table().size());
  for (size_t i = 0; i < std::size(samples); ++i) EXPECT_EQ(samples[i].key, settings_table()[i].shape.key);
}

TEST(SettingsTable, BringsEverySettingFromTheFileToItsOwnFieldAndBack) {
  for (size_t i = 0; i < std::size(samples); ++i) {
    const Sample& sample = samples[i];
    const std::string key(sample.key);
    const std::string toml =
        "[" + std::string(section_of(key)) + "]\n" + std::string(last_part(key)) + " = " + sample.toml;
    const LoadResult loaded = parse_text(toml + companion(key), "a.toml");
    ASSERT_TRUE(loaded) << complaints(loaded);
    const Setting& row = settings_table()[i];
    EXPECT_EQ(toml_text(row.shape, row.get(row.shape, loaded->settings)), sample.toml) << key;
    EXPECT_EQ(loaded->sources[i], Source::file) << key;
    for (size_t j = 0; j < settings_table().size(); ++j) {
      const Setting& other = settings_table()[j];
      if (j == i || loaded->sources[j] != Source::standard) continue;
      EXPECT_EQ(other.get(other.shape, loaded->settings), default_value(other.shape))
          << key << " changed " << other.shape.key;
    }
  }
}

TEST(SettingsTable, BringsEverySettingFromItsFlagToItsField) {
  for (size_t i = 0; i < std::size(samples); ++i) {
    std::vector<Flag> flags;
    for (const std::string& value : samples[i].flags) flags.push_back({samples[i].key, value});
    const std::string section(section_of(samples[i].key));
    const LoadResult loaded = parse_text("[" + section + "]" + companion(samples[i].key), "a.toml", flags);
    ASSERT_TRUE(loaded) << complaints(loaded);
    const Setting& row = settings_table()[i];
    EXPECT_EQ(toml_text(row.shape, row.get(row.shape, loaded->settings)), samples[i].toml) << samples[i].key;
    EXPECT_EQ(loaded->sources[i], Source::flag) << samples[i].key;
  }
}

}  // namespace
}  // namespace ringmaster::config
