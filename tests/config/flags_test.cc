#include <gtest/gtest.h>

#include "tests/config/support.h"

namespace ringmaster::config {
namespace {

// As one would type them.
Flags read(std::vector<std::string> arguments) { return read_flags(arguments); }

LoadResult loaded(std::vector<std::string> arguments, std::string_view toml = "") {
  const Flags flags = read(std::move(arguments));
  EXPECT_TRUE(flags.problems.empty()) << flags.problems.front().text;
  return parse_text(toml, "a.toml", flags.list);
}

std::string first_problem(std::vector<std::string> arguments) {
  const Flags flags = read(std::move(arguments));
  return flags.problems.size() == 1 ? flags.problems.front().text : std::to_string(flags.problems.size()) + " problems";
}

TEST(Flag, TakesItsValueFromTheNextArgumentOrAfterAnEqualsSign) {
  EXPECT_EQ(loaded({"--timeouts.connect", "2s"})->settings.timeouts.connect.count(), 2000);
  EXPECT_EQ(loaded({"--timeouts.connect=3s"})->settings.timeouts.connect.count(), 3000);
  EXPECT_EQ(loaded({"--heartbeat.path=/a?b=c"})->settings.heartbeat.path, "/a?b=c");
}

TEST(Flag, OfABooleanMayStandAlone) {
  EXPECT_TRUE(loaded({"--proxy.drop_in"})->settings.proxy.drop_in);
  EXPECT_TRUE(loaded({"--proxy.drop_in", "--proxy.via", "true"})->settings.proxy.via);
  EXPECT_FALSE(loaded({"--proxy.drop_in", "false"}, "proxy.drop_in = true")->settings.proxy.drop_in);
  EXPECT_FALSE(loaded({"--proxy.drop_in=false"}, "proxy.drop_in = true")->settings.proxy.drop_in);
}

TEST(Flag, OverridesTheFile) {
  const LoadResult result = loaded({"--heartbeat.fall", "7"}, "[heartbeat]\nfall = 3\nrise = 2\n");
  EXPECT_EQ(result->settings.heartbeat.fall, 7u);
  EXPECT_EQ(result->settings.heartbeat.rise, 2u);
  EXPECT_EQ(result->sources[*find_setting("heartbeat.fall")], Source::flag);
  EXPECT_EQ(result->sources[*find_setting("heartbeat.rise")], Source::file);
  EXPECT_EQ(result->sources[*find_setting("heartbeat.path")], Source::standard);
}

TEST(Flag, OfAListReplacesTheFilesListItemByItem) {
  const LoadResult result =
      loaded({"--proxy.listen", "127.0.0.1:1", "--proxy.listen=[::1]:2"}, "proxy.listen = [\"fd:3\"]");
  EXPECT_EQ(result->settings.proxy.listen, (std::vector<std::string>{"127.0.0.1:1", "[::1]:2"}));
}

TEST(Flag, OfAListEmptiesItWithAnEmptyValue) {
  EXPECT_TRUE(loaded({"--proxy.listen="})->settings.proxy.listen.empty());
  EXPECT_EQ(
      complaints(loaded({"--routing.key="})),
      "--routing.key: found a list of 0; allowed: a list of 1 to 16 sources: query:NAME, header:NAME, cookie:NAME, "
      "path, path_segment:N, uri, host, client_ip or random");
}

TEST(Flag, OfACommandTakesArgumentsThatLookLikeFlags) {
  EXPECT_EQ(loaded({"--replicas.command", "./r", "--replicas.command", "--quiet"})->settings.replicas.command,
            (std::vector<std::string>{"./r", "--quiet"}));
}

TEST(Flag, NamesStaticReplicas) {
  const std::vector<std::string> arguments{"--replicas.runtime", "static",
                                           "--replicas.static",  "name=a,address=127.0.0.1:1",
                                           "--replicas.static",  "address=127.0.0.1:2,weight=3,name=b"};
  EXPECT_EQ(loaded(arguments)->settings.replicas.static_list,
            (std::vector<StaticReplica>{{"a", "127.0.0.1:1", 1}, {"b", "127.0.0.1:2", 3}}));
}

TEST(Flag, OfAStaticReplicaIsWholeAndItsNameIsNew) {
  const std::string allowed = "; allowed: name=NAME,address=ADDRESS[,weight=N], each name once";
  for (const std::string text : {"r1", "name=r1", "address=127.0.0.1:1", "name=r1,address=x", "name=r1,zone=2",
                                 "name=r1,name=r2,address=127.0.0.1:1", "name=r1,address=127.0.0.1:1,weight=0"}) {
    EXPECT_EQ(complaints("", {{"replicas.static", text}}), "--replicas.static: found \"" + text + "\"" + allowed);
  }
  const std::string twice = "name=a,address=127.0.0.1:1";
  EXPECT_EQ(complaints("", {{"replicas.static", twice}, {"replicas.static", twice}}),
            "--replicas.static: found \"" + twice + "\"" + allowed);
}

TEST(Flag, IsNamedWhereItsValueIsWrong) {
  EXPECT_EQ(
      complaints(loaded({"--timeouts.connect", "fast"})),
      "--timeouts.connect: found \"fast\"; allowed: a duration from 1ms to 24h, such as \"500ms\", \"1s\" or \"1h\"");
  EXPECT_EQ(complaints(loaded({"--proxy.drop_in=maybe"})), "--proxy.drop_in: found \"maybe\"; allowed: true or false");
  EXPECT_EQ(complaints(loaded({"--proxy.workers=257"})),
            "--proxy.workers: found \"257\"; allowed: a whole number from 0 to 256");
  EXPECT_EQ(complaints(loaded({"--proxy.listen", "127.0.0.1:1", "--proxy.listen", "here"})),
            "--proxy.listen: found \"here\"; allowed: a list of at most 64 addresses such as \"127.0.0.1:5000\", "
            "\"[::1]:5000\", \"unix:/run/x.sock\" or \"fd:3\"");
}

TEST(Flag, StandsOnceUnlessItIsAList) {
  EXPECT_EQ(complaints(loaded({"--heartbeat.fall", "1", "--heartbeat.fall", "2"})),
            "--heartbeat.fall: found a second time; allowed: once");
}

TEST(Flag, IsOneThatExists) {
  EXPECT_EQ(first_problem({"--timeouts.conect", "1s"}),
            "--timeouts.conect: no such setting; did you mean --timeouts.connect?");
  EXPECT_EQ(first_problem({"--workers=2"}), "--workers: no such setting; did you mean --proxy.workers?");
  EXPECT_EQ(first_problem({"--verbose"}),
            "--verbose: no such setting; allowed: the sections proxy, routing, replicas, docker, heartbeat, timeouts, "
            "limits, ejection, retry, admin, log");
  EXPECT_EQ(complaints("", {{"timeouts.conect", "1s"}}),
            "--timeouts.conect: no such setting; did you mean --timeouts.connect?");
}

TEST(Flag, HasAValue) {
  EXPECT_EQ(first_problem({"--heartbeat.fall"}),
            "--heartbeat.fall: found no value; allowed: a whole number from 1 to 100");
}

TEST(Flag, IsAFlag) {
  EXPECT_EQ(first_problem({"fast"}), "found \"fast\"; allowed: --SETTING VALUE");
  EXPECT_EQ(first_problem({"-x"}), "found \"-x\"; allowed: --SETTING VALUE");
  EXPECT_EQ(complaints(loaded({"--proxy.drop_in", "yes"})), "--proxy.drop_in: found \"yes\"; allowed: true or false");
}

TEST(Flag, IsComplainedOfTogetherWithTheFile) {
  const LoadResult result = loaded({"--heartbeat.fall", "0"}, "[heartbeat]\nrise = 0\n");
  EXPECT_EQ(complaints(result), "a.toml:2:8: heartbeat.rise: found 0; allowed: a whole number from 1 to 100\n"
                                "--heartbeat.fall: found \"0\"; allowed: a whole number from 1 to 100");
  EXPECT_EQ(exit_code_of(result.error()), ExitCode::configuration);
}

TEST(Flag, AloneIsAMatterOfUsage) {
  const LoadResult result = loaded({"--heartbeat.fall", "0"});
  ASSERT_FALSE(result);
  EXPECT_EQ(exit_code_of(result.error()), ExitCode::usage);
}

}  // namespace
}  // namespace ringmaster::config
