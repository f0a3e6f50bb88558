#include "config/render.h"

#include <gmock/gmock.h>

#include "tests/config/support.h"

namespace ringmaster::config {
namespace {

using testing::HasSubstr;

TEST(Example, IsTheCommittedOne) {
  EXPECT_TRUE(source_file("ringmaster.toml") == example_toml()) << "renew it: ringmaster --example > ringmaster.toml";
}

TEST(SettingsPage, IsTheCommittedOne) {
  EXPECT_TRUE(source_file("docs/SETTINGS.md") == manual_markdown())
      << "renew it: ringmaster --manual-markdown > docs/SETTINGS.md";
}

TEST(Example, SaysEverySettingAndMeansTheDefaults) {
  const LoadResult loaded = parse_text(example_toml(), "ringmaster.toml");
  ASSERT_TRUE(loaded) << complaints(loaded);
  EXPECT_EQ(loaded->settings, default_settings());
  for (size_t i = 0; i < settings_table().size(); ++i) {
    const Shape& shape = settings_table()[i].shape;
    EXPECT_EQ(loaded->sources[i], shape.kind == Kind::replicas ? Source::standard : Source::file) << shape.key;
  }
}

TEST(Example, ShowsAStaticReplicaThatIsTakenOnceItsMarksAreRemoved) {
  std::string text = example_toml();
  for (const char* line : {"[[replicas.static]]", "name = ", "address = ", "weight = "}) {
    const size_t place = text.find("# " + std::string(line));
    ASSERT_NE(place, std::string::npos) << line;
    text.erase(place, 2);
  }
  EXPECT_EQ(parsed(text).replicas.static_list, (std::vector<StaticReplica>{{"r1", "127.0.0.1:9001", 1}}));
}

TEST(Help, HasEverySettingWithItsDefaultAndNoLongLine) {
  const std::string help = help_settings();
  for (const Setting& row : settings_table()) EXPECT_THAT(help, HasSubstr("  --" + std::string(row.shape.key) + " "));
  EXPECT_THAT(help,
              HasSubstr("  --timeouts.connect DURATION\n"
                        "      How long a replica may take to accept a connection. A duration from 1ms to 24h, such "
                        "as\n      \"500ms\", \"1s\" or \"1h\". Default: 1s.\n"));
  EXPECT_THAT(help, HasSubstr("  --replicas.respawn_name same|random\n"));
  std::stringstream lines(help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(Manual, HasEverySettingWithItsHyphensEscaped) {
  const std::string manual = manual_roff("1.2.3-rc");
  EXPECT_THAT(manual, HasSubstr("\"ringmaster 1.2.3\\-rc\""));
  for (const Setting& row : settings_table()) {
    EXPECT_THAT(manual, HasSubstr(".BI \\-\\-" + std::string(row.shape.key) + " "));
  }
}

TEST(SettingsPage, EscapesTheBarsOfItsTables) {
  EXPECT_THAT(manual_markdown(), HasSubstr("| `respawn_name` | `\"same\"` | "));
  EXPECT_THAT(manual_markdown(), HasSubstr("One of same \\| random."));
}

const Shown& shown(const std::vector<Shown>& all, std::string_view key) { return all[*find_setting(key)]; }

TEST(InForce, ShowsEverySettingWithUnitSourceAndDefault) {
  const std::vector<Flag> flags{{"limits.header_bytes", "64KiB"}, {"proxy.listen", "127.0.0.1:1"}};
  const LoadResult loaded = parse_text("[timeouts]\nconnect = \"2s\"\n", "a.toml", flags);
  ASSERT_TRUE(loaded);
  const std::vector<Shown> all = in_force(*loaded);
  ASSERT_EQ(all.size(), settings_table().size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].key, settings_table()[i].shape.key);

  const Shown& connect = shown(all, "timeouts.connect");
  EXPECT_EQ(connect.value, "2s");
  EXPECT_EQ(connect.unit, "duration");
  EXPECT_EQ(connect.source, "file");
  EXPECT_EQ(connect.default_value, "1s");
  const Shown& header_bytes = shown(all, "limits.header_bytes");
  EXPECT_EQ(header_bytes.value, "65536");
  EXPECT_EQ(header_bytes.unit, "bytes");
  EXPECT_EQ(header_bytes.source, "flag");
  EXPECT_EQ(shown(all, "proxy.listen").value, R"(["127.0.0.1:1"])");
  EXPECT_EQ(shown(all, "proxy.listen").default_value, R"(["0.0.0.0:5000", "[::]:5000"])");
  EXPECT_EQ(shown(all, "routing.slots").unit, "slots");
  EXPECT_EQ(shown(all, "routing.slots").source, "default");
  EXPECT_EQ(shown(all, "admin.token_file").value, "");
}

TEST(InForce, TakesSettingsThatNobodyLoaded) {
  const std::vector<Shown> all = in_force({.settings = default_settings()});
  EXPECT_EQ(shown(all, "heartbeat.fall").source, "default");
}

TEST(Differences, AreWhatIsNotAtItsDefaultAndCanBePastedIntoAFile) {
  const LoadResult loaded =
      parse_text("[timeouts]\nconnect = \"1s\"\ndrain = \"5s\"\n", "a.toml", std::vector<Flag>{{"proxy.via", "true"}});
  ASSERT_TRUE(loaded);
  const std::string text = differences(*loaded);
  EXPECT_EQ(text, "proxy.via = true   # from the flag; default false\n"
                  "timeouts.drain = \"5s\"   # from the file; default \"30s\"\n");
  EXPECT_EQ(parsed(text), loaded->settings);
}

}  // namespace
}  // namespace ringmaster::config
