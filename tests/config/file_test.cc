// Every way in which a file can be wrong, with the exact words.

#include <gtest/gtest.h>

#include <cstdio>

#include "tests/config/support.h"
#include "tests/support/temp_file.h"

namespace ringmaster::config {
namespace {

TEST(File, MayBeEmpty) { EXPECT_EQ(parsed(""), default_settings()); }

TEST(File, KeepsTheDefaultsOfWhatItDoesNotSay) {
  const Settings settings = parsed("[heartbeat]\nfall = 5\n");
  EXPECT_EQ(settings.heartbeat.fall, 5u);
  EXPECT_EQ(settings.heartbeat.rise, 1u);
}

TEST(File, TakesBytesWithAUnit) { EXPECT_EQ(parsed("limits.header_bytes = \"64KiB\"").limits.header_bytes, 65536u); }

TEST(File, TakesABareZeroAsADurationWhereZeroIsAllowed) {
  EXPECT_EQ(parsed("timeouts.drain = 0").timeouts.drain.count(), 0);
  EXPECT_EQ(complaints("timeouts.connect = 0"),
            "a.toml:1:20: timeouts.connect: found 0; allowed: a duration from 1ms to 24h, such as \"500ms\", \"1s\" or "
            "\"1h\"");
}

TEST(File, HasItsSyntaxErrorsWithTheirPlace) {
  EXPECT_EQ(complaints("[proxy]\nworkers =\n"),
            "a.toml:2:10: TOML syntax: parsing key-value pair: expected value, saw '\\n'");
  EXPECT_EQ(complaints("[proxy\n"), "a.toml:1:7: TOML syntax: parsing table header: expected ']', saw '\\n'");
}

TEST(File, HasNothingSetTwice) {
  EXPECT_EQ(complaints("[proxy]\nworkers = 1\nworkers = 2\n"),
            "a.toml:3:11: workers: found a second time; allowed: once");
  EXPECT_EQ(complaints("[proxy]\nworkers = 1\n[proxy]\nvia = true\n"),
            "a.toml:3:1: proxy: found a second time; allowed: once");
}

TEST(File, HasNoUnknownSettingAndIsToldTheNearest) {
  EXPECT_EQ(complaints("[timeouts]\nconect = \"1s\"\n"),
            "a.toml:2:1: timeouts.conect: no such setting; did you mean timeouts.connect?");
  EXPECT_EQ(complaints("[timeouts]\nrepsonse = \"1s\"\n"),
            "a.toml:2:1: timeouts.repsonse: no such setting; did you mean timeouts.response?");
}

TEST(File, IsToldWhereASettingOfTheWrongSectionBelongs) {
  EXPECT_EQ(complaints("[proxy]\ncount = 3\n"),
            "a.toml:2:1: proxy.count: no such setting; did you mean replicas.count?");
  EXPECT_EQ(complaints("workers = 3\n"), "a.toml:1:1: workers: no such setting; did you mean proxy.workers?");
}

TEST(File, IsToldWhatThereIsWhereNothingIsNear) {
  EXPECT_EQ(complaints("[retry]\nsomething_else = 1\n"),
            "a.toml:2:1: retry.something_else: no such setting; allowed in [retry]: budget_percent, attempts");
  EXPECT_EQ(complaints("[observability]\n"),
            "a.toml:1:2: observability: no such setting; allowed: the sections proxy, routing, replicas, docker, "
            "heartbeat, timeouts, limits, ejection, retry, admin, log");
}

TEST(File, HasNoUnknownSection) {
  EXPECT_EQ(complaints("[timeout]\nconnect = \"1s\"\n"),
            "a.toml:1:2: timeout: no such setting; did you mean timeouts?");
}

TEST(File, NamesStrangeKeysSafely) {
  EXPECT_EQ(complaints("[retry]\n\"\\u001b[2J\" = 1\n"),
            "a.toml:2:1: \"retry.\\u001B[2J\": no such setting; allowed in [retry]: budget_percent, attempts");
  EXPECT_EQ(complaints("[retry]\n\"\" = 1\n"),
            "a.toml:2:1: retry.: no such setting; allowed in [retry]: budget_percent, attempts");
}

TEST(File, HasSectionsThatAreTables) {
  EXPECT_EQ(complaints("proxy = 5\n"), "a.toml:1:9: proxy: found 5; allowed: a section of settings, [proxy]");
}

TEST(File, HasValuesOfTheRightType) {
  EXPECT_EQ(complaints("[proxy]\nworkers = \"two\"\n"),
            "a.toml:2:11: proxy.workers: found \"two\"; allowed: a whole number from 0 to 256");
  EXPECT_EQ(complaints("[proxy]\nworkers = \"2\"\n"),
            "a.toml:2:11: proxy.workers: found \"2\"; allowed: a whole number from 0 to 256");
  EXPECT_EQ(complaints("[proxy]\nworkers = 1.5\n"),
            "a.toml:2:11: proxy.workers: found 1.5; allowed: a whole number from 0 to 256");
  EXPECT_EQ(complaints("[proxy]\ndrop_in = 1\n"), "a.toml:2:11: proxy.drop_in: found 1; allowed: true or false");
  EXPECT_EQ(complaints("[proxy]\ndrop_in = \"true\"\n"),
            "a.toml:2:11: proxy.drop_in: found \"true\"; allowed: true or false");
  EXPECT_EQ(complaints("[timeouts]\nconnect = 1000\n"),
            "a.toml:2:11: timeouts.connect: found 1000; allowed: a duration from 1ms to 24h, such as \"500ms\", \"1s\" "
            "or \"1h\"");
  EXPECT_EQ(complaints("[limits]\nbody_bytes = true\n"),
            "a.toml:2:14: limits.body_bytes: found true; allowed: bytes from 0 to 9223372036854775807, such as 8192 or "
            "\"8KiB\"");
  EXPECT_EQ(complaints("[routing]\ntable = 2026-01-01\n"),
            "a.toml:2:9: routing.table: found a date or time; allowed: rendezvous | maglev | ketama | assignment | "
            "assignment-printed | md5 | round_robin | least_connections | power_of_two");
  EXPECT_EQ(
      complaints("[admin]\nlisten = [\"127.0.0.1:1\"]\n"),
      "a.toml:2:10: admin.listen: found a list; allowed: an address such as \"127.0.0.1:5001\", \"[::1]:5001\" or "
      "\"unix:/run/ringmaster.sock\"");
  EXPECT_EQ(complaints("[heartbeat.path]\n"),
            "a.toml:1:1: heartbeat.path: found a table; allowed: a path such as \"/heartbeat\"");
}

TEST(File, HasValuesWithinTheirBounds) {
  EXPECT_EQ(complaints("[proxy]\nworkers = 257\n"),
            "a.toml:2:11: proxy.workers: found 257; allowed: a whole number from 0 to 256");
  EXPECT_EQ(complaints("[proxy]\nworkers = -1\n"),
            "a.toml:2:11: proxy.workers: found -1; allowed: a whole number from 0 to 256");
  EXPECT_EQ(complaints("[limits]\nheader_count = 1025\n"),
            "a.toml:2:16: limits.header_count: found 1025; allowed: a whole number from 1 to 1024, or 0 for the most");
  EXPECT_EQ(
      complaints("[heartbeat]\ntimeout = \"0\"\n"),
      "a.toml:2:11: heartbeat.timeout: found \"0\"; allowed: a duration from 1ms to 1h, such as \"500ms\", \"1s\" "
      "or \"1h\"");
  EXPECT_EQ(complaints("[retry]\nbudget_percent = 101\n"),
            "a.toml:2:18: retry.budget_percent: found 101; allowed: a whole percentage from 0 to 100");
}

TEST(File, HasChoicesThatExist) {
  EXPECT_EQ(complaints("[replicas]\nruntime = \"podman\"\n"),
            "a.toml:2:11: replicas.runtime: found \"podman\"; allowed: process | static | docker");
  EXPECT_EQ(complaints("[log]\nlevel = \"INFO\"\n"),
            "a.toml:2:9: log.level: found \"INFO\"; allowed: debug | info | warning | error");
}

TEST(File, HasListsOfTheRightItemsAndAnswersForEachWrongOne) {
  EXPECT_EQ(complaints("[proxy]\nlisten = \"127.0.0.1:5000\"\n"),
            "a.toml:2:10: proxy.listen: found \"127.0.0.1:5000\"; allowed: a list of at most 64 addresses such as "
            "\"127.0.0.1:5000\", \"[::1]:5000\", \"unix:/run/x.sock\" or \"fd:3\"");
  EXPECT_EQ(complaints("[routing]\nkey = [\"query:id\",\n  \"body\", 7]\n"),
            "a.toml:3:3: routing.key: found \"body\"; allowed: a list of 1 to 16 sources: query:NAME, header:NAME, "
            "cookie:NAME, path, path_segment:N, uri, host, client_ip or random\n"
            "a.toml:3:11: routing.key: found 7; allowed: a list of 1 to 16 sources: query:NAME, header:NAME, "
            "cookie:NAME, path, path_segment:N, uri, host, client_ip or random");
  EXPECT_EQ(complaints("[routing]\nkey = []\n"),
            "a.toml:2:7: routing.key: found a list of 0; allowed: a list of 1 to 16 sources: query:NAME, header:NAME, "
            "cookie:NAME, path, path_segment:N, uri, host, client_ip or random");
  EXPECT_EQ(
      complaints("[proxy]\ntrusted_proxies = [\"10.0.0.0/33\"]\n"),
      "a.toml:2:20: proxy.trusted_proxies: found \"10.0.0.0/33\"; allowed: a list of at most 1024 networks such as "
      "\"10.0.0.0/8\" or \"fd00::/8\"");
}

TEST(File, HasStaticReplicasThatAreWhole) {
  EXPECT_EQ(complaints("[[replicas.static]]\nname = \"r1\"\n"),
            "a.toml:1:1: replicas.static.address: found none; allowed: an address such as \"127.0.0.1:9001\", "
            "\"[::1]:9001\" or \"unix:/run/r1.sock\"");
  EXPECT_EQ(complaints("[[replicas.static]]\nname = \"-r1\"\naddress = \"127.0.0.1:0\"\nweight = 0\n"),
            "a.toml:2:8: replicas.static.name: found \"-r1\"; allowed: a name of 1 to 63 letters, digits and '_', '.' "
            "or '-', a letter or digit first\n"
            "a.toml:3:11: replicas.static.address: found \"127.0.0.1:0\"; allowed: an address such as "
            "\"127.0.0.1:9001\", \"[::1]:9001\" or \"unix:/run/r1.sock\"\n"
            "a.toml:4:10: replicas.static.weight: found 0; allowed: a whole number from 1 to 65535");
}

TEST(File, HasStaticReplicasWithoutUnknownSettings) {
  EXPECT_EQ(complaints("[[replicas.static]]\nname = \"r1\"\naddress = \"127.0.0.1:1\"\nwieght = 2\n"),
            "a.toml:4:1: replicas.static.wieght: no such setting; did you mean replicas.static.weight?");
  EXPECT_EQ(complaints("[[replicas.static]]\nname = \"r1\"\naddress = \"127.0.0.1:1\"\navailability = 2\n"),
            "a.toml:4:1: replicas.static.availability: no such setting; allowed in [[replicas.static]]: name, address, "
            "weight");
}

TEST(File, HasStaticReplicasWithDistinctNames) {
  EXPECT_EQ(complaints("[[replicas.static]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n"
                       "[[replicas.static]]\nname = \"a\"\naddress = \"127.0.0.1:2\"\n"),
            "a.toml:5:8: replicas.static.name: found \"a\" a second time; allowed: each name once");
}

TEST(File, HasStaticReplicasAsTables) {
  EXPECT_EQ(
      complaints("[replicas]\nstatic = [\"127.0.0.1:1\"]\n"),
      "a.toml:2:11: replicas.static: found \"127.0.0.1:1\"; allowed: at most 1000 tables [[replicas.static]] with "
      "name, address and weight");
  EXPECT_EQ(
      complaints("[replicas]\nstatic = 3\n"),
      "a.toml:2:10: replicas.static: found 3; allowed: at most 1000 tables [[replicas.static]] with name, address "
      "and weight");
}

TEST(File, IsRefusedWholeWithEverythingThatIsWrongInOrder) {
  const LoadResult result = parse_text(
      "[timeouts]\nconnect = \"x\"\n[proxy]\nworkers = 1\nlisen = 1\n[heartbeat]\nfall = 0\n", "conf/a.toml");
  ASSERT_FALSE(result);
  ASSERT_EQ(result.error().size(), 3u);
  EXPECT_EQ(result.error()[0].text.substr(0, 34), "conf/a.toml:2:11: timeouts.connect");
  EXPECT_EQ(result.error()[1].text.substr(0, 29), "conf/a.toml:5:1: proxy.lisen:");
  EXPECT_EQ(result.error()[2].text.substr(0, 32), "conf/a.toml:7:8: heartbeat.fall:");
  EXPECT_EQ(exit_code_of(result.error()), ExitCode::configuration);
}

// toml++ frees nested tables by recursion: sixty thousand parts would end the program.
TEST(File, IsNotTooDeeplyDotted) {
  std::string key;
  for (int i = 0; i < 100'000; ++i) key += "a.";
  const std::string complaint = "found more than 16 dots outside quotes; allowed: at most 16 on a line";
  EXPECT_EQ(complaints("[proxy]\nworkers = 1\n" + key + "a = 1\n"), "a.toml:3:1: " + complaint);
  EXPECT_EQ(complaints("[" + key + "a]\n"), "a.toml:1:1: " + complaint);
  EXPECT_EQ(complaints("x = ['''a'''', {" + key + "a = 1}]\n"), "a.toml:1:1: " + complaint);
  EXPECT_EQ(complaints("x = \"\\\\\"\n" + key + "a = 1\n"), "a.toml:2:1: " + complaint);
}

TEST(File, MayHaveManyDotsInTextAndComments) {
  std::string list;
  for (int i = 0; i < 30; ++i) list += "'10.0.0." + std::to_string(i) + "', \"10.0.1." + std::to_string(i) + "\", ";
  const Settings settings =
      parsed("# ............................\n[proxy]\ntrusted_proxies = [" + list + "] # .......................\n");
  EXPECT_EQ(settings.proxy.trusted_proxies.size(), 60u);
}

TEST(File, IsNotTooDeeplyNested) {
  EXPECT_EQ(complaints("x = " + std::string(100'000, '[') + "\n").substr(0, 24), "a.toml:1:261: TOML synta");
}

TEST(File, IsNotTooLong) {
  EXPECT_EQ(complaints(std::string(file_bytes_max + 1, '\n')),
            "a.toml: found more than 1048576 bytes; allowed: at most 1048576");
}

TEST(File, IsUtf8) {
  EXPECT_EQ(complaints("x = \"\xff\"\n"), "a.toml:1:5: TOML syntax: Encountered invalid utf-8 sequence");
}

TEST(FileOnDisk, IsNamedWhereItCannotBeRead) {
  const std::string missing = testing::TempDir() + "no-such-ringmaster.toml";
  EXPECT_EQ(complaints(load(missing, {})), missing + ": cannot be opened: No such file or directory");
  EXPECT_EQ(complaints(load("/", {})), "/: cannot be read: Is a directory");
}

TEST(FileOnDisk, IsRead) {
  const TempFile file("[heartbeat]\nfall = 9\n");
  const LoadResult loaded = load(file.path(), {});
  ASSERT_TRUE(loaded) << complaints(loaded);
  EXPECT_EQ(loaded->settings.heartbeat.fall, 9u);
  EXPECT_EQ(loaded->file_name, file.path());
}

TEST(FileOnDisk, NeedNotBe) {
  const LoadResult loaded = load(std::nullopt, {});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings, default_settings());
  EXPECT_EQ(loaded->file_name, "");
}

}  // namespace
}  // namespace ringmaster::config
