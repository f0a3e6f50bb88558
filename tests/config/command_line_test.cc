#include "command_line.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

std::expected<CommandLine, std::vector<config::Problem>> read(std::vector<const char*> words) {
  words.insert(words.begin(), "ringmaster");
  return read_command_line(static_cast<int>(words.size()), words.data());
}

std::string complaint(std::vector<const char*> words) {
  const auto line = read(std::move(words));
  std::string text;
  if (line) return "none";
  for (const config::Problem& problem : line.error()) text += (text.empty() ? "" : "\n") + problem.text;
  return text;
}

TEST(CommandLine, KnowsItsVerbs) {
  EXPECT_EQ(read({"run"})->verb, Verb::run);
  EXPECT_EQ(read({"check"})->verb, Verb::check);
  EXPECT_EQ(read({"--help"})->verb, Verb::help);
  EXPECT_EQ(read({"-h"})->verb, Verb::help);
  EXPECT_EQ(read({"--version"})->verb, Verb::version);
  EXPECT_EQ(read({"--manual"})->verb, Verb::manual);
  EXPECT_EQ(read({"--manual-markdown"})->verb, Verb::manual_markdown);
  EXPECT_EQ(read({"--example"})->verb, Verb::example);
}

TEST(CommandLine, HelpsWithinACommand) { EXPECT_EQ(read({"run", "--proxy.workers", "2", "--help"})->verb, Verb::help); }

TEST(CommandLine, TakesTheFileInBothNotationsAndAnywhere) {
  EXPECT_EQ(read({"run"})->config_file, std::nullopt);
  EXPECT_EQ(read({"run", "--config", "a.toml"})->config_file, "a.toml");
  EXPECT_EQ(read({"check", "--proxy.via", "--config=b.toml"})->config_file, "b.toml");
}

TEST(CommandLine, HandsFlagsOn) {
  const auto line = read({"run", "--proxy.via", "--config", "a.toml", "--heartbeat.fall", "4"});
  ASSERT_EQ(line->flags.size(), 2u);
  EXPECT_EQ(line->flags[0].key, "proxy.via");
  EXPECT_EQ(line->flags[0].value, "true");
  EXPECT_EQ(line->flags[1].key, "heartbeat.fall");
  EXPECT_EQ(line->flags[1].value, "4");
}

TEST(CommandLine, SaysWhatIsWrong) {
  EXPECT_EQ(complaint({}), "found no command; allowed: run, check or --help");
  EXPECT_EQ(complaint({"serve"}),
            "\"serve\": no such command; allowed: run, check, explain, table, --help, --version, --manual, "
            "--manual-markdown or --example");
  EXPECT_EQ(complaint({"--version", "now"}), "found \"now\" after --version; allowed: nothing");
  EXPECT_EQ(complaint({"run", "--config"}), "--config: found no value; allowed: the name of a file");
  EXPECT_EQ(complaint({"run", "--config="}), "--config: found no value; allowed: the name of a file");
  EXPECT_EQ(complaint({"run", "--config=a", "--config=b"}), "--config: found a second time; allowed: once");
}

TEST(CommandLine, HandsTheVerbsOwnOptionsOnInOrder) {
  const auto line = read({"explain", "--url", "/x", "--header", "A: 1", "--config=c.toml", "--header=B: 2",
                          "--routing.slots", "64"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->verb, Verb::explain);
  EXPECT_EQ(line->config_file, "c.toml");
  EXPECT_EQ(line->flags.size(), 1u);
  ASSERT_EQ(line->options.size(), 3u);
  EXPECT_EQ(line->options[0].key, "--url");
  EXPECT_EQ(line->options[1].value, "A: 1");
  EXPECT_EQ(line->options[2].value, "B: 2");
  EXPECT_EQ(read({"table"})->verb, Verb::table);
  EXPECT_EQ(read({"table", "--read", "t.txt"})->options[0].value, "t.txt");
}

TEST(CommandLine, SaysWhatIsWrongWithTheVerbsOwnOptions) {
  EXPECT_EQ(complaint({"explain"}), "explain: found nothing to explain; allowed: --key, or --url and --header");
  EXPECT_EQ(complaint({"explain", "--key"}), "--key: found no value; allowed: a key");
  EXPECT_EQ(complaint({"explain", "--key=a", "--key=b"}), "--key: found a second time; allowed: once");
  EXPECT_THAT(complaint({"run", "--read", "x"}), testing::StartsWith("--read: no such setting"));
  EXPECT_EQ(complaint({"table", "--read="}), "--read: found no value; allowed: the name of a file");
}

TEST(CommandLine, SaysEverythingThatIsWrong) {
  EXPECT_EQ(complaint({"run", "--config", "--config=b", "--heartbeat.fal", "2", "now"}),
            "--heartbeat.fal: no such setting; did you mean --heartbeat.fall?\n"
            "found \"now\"; allowed: --SETTING VALUE");
}

TEST(CommandLine, SurvivesAnEmptyArgumentVector) { EXPECT_FALSE(read_command_line(0, nullptr)); }

TEST(HelpText, HasUsageAndSettings) {
  EXPECT_THAT(help_text(), testing::StartsWith(usage_text()));
  EXPECT_THAT(help_text(), testing::HasSubstr("--admin.token_file FILE"));
}

}  // namespace
}  // namespace ringmaster
