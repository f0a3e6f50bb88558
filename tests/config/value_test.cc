#include "config/value.h"

#include <gtest/gtest.h>

#include "config/settings_table.h"

namespace ringmaster::config {
namespace {

const Shape& shape_of(std::string_view key) { return settings_table()[*find_setting(key)].shape; }

TEST(Amount, ReadsEveryUnitOfADuration) {
  EXPECT_EQ(amount(Kind::duration, "0"), 0);
  EXPECT_EQ(amount(Kind::duration, "500ms"), 500);
  EXPECT_EQ(amount(Kind::duration, "2s"), 2000);
  EXPECT_EQ(amount(Kind::duration, "3m"), 180'000);
  EXPECT_EQ(amount(Kind::duration, "1h"), 3'600'000);
}

TEST(Amount, ReadsEveryUnitOfBytes) {
  EXPECT_EQ(amount(Kind::bytes, "8192"), 8192);
  EXPECT_EQ(amount(Kind::bytes, "8KiB"), 8192);
  EXPECT_EQ(amount(Kind::bytes, "2MiB"), 2 << 20);
  EXPECT_EQ(amount(Kind::bytes, "1GiB"), 1 << 30);
  EXPECT_EQ(amount(Kind::bytes, "1TiB"), int64_t{1} << 40);
}

TEST(Amount, ReadsAFactorInHundredths) {
  EXPECT_EQ(amount(Kind::factor, "0"), 0);
  EXPECT_EQ(amount(Kind::factor, "2"), 200);
  EXPECT_EQ(amount(Kind::factor, "1.5"), 150);
  EXPECT_EQ(amount(Kind::factor, "1.25"), 125);
  EXPECT_EQ(amount(Kind::factor, "1.05"), 105);
  for (const char* text : {"", ".5", "1.", "1.255", "1.2x", "1,25", "-1", "1e2", "1.25%", "92233720368547758.08"}) {
    EXPECT_FALSE(amount(Kind::factor, text)) << text;
  }
  for (const char* text : {"0", "2", "1.5", "1.25", "1.05", "100"}) {
    EXPECT_EQ(amount_text(Kind::factor, *amount(Kind::factor, text)), text);
  }
}

TEST(Amount, RefusesWhatIsNoWholeDecimalNumberWithAUnitOfItsKind) {
  for (const char* text :
       {"", "s", "5", "-1s", "+1s", " 1s", "1 s", "1s ", "1.5s", "0x1s", "1S", "1sec", "1KiB", "1d"}) {
    EXPECT_FALSE(amount(Kind::duration, text)) << text;
  }
  for (const char* text : {"", "KiB", "8kb", "8KB", "8K", "-8", "8 KiB", "1s"}) {
    EXPECT_FALSE(amount(Kind::bytes, text)) << text;
  }
  EXPECT_FALSE(amount(Kind::integer, "1KiB"));
  EXPECT_FALSE(amount(Kind::percentage, "20%"));
}

TEST(Amount, RefusesWhatDoesNotFitInto63Bits) {
  EXPECT_EQ(amount(Kind::bytes, "9223372036854775807"), INT64_MAX);
  EXPECT_FALSE(amount(Kind::bytes, "9223372036854775808"));
  EXPECT_FALSE(amount(Kind::bytes, "8388608TiB"));
  EXPECT_FALSE(amount(Kind::duration, "9223372036854775807h"));
  EXPECT_FALSE(amount(Kind::integer, "99999999999999999999999999"));
}

TEST(Amount, IsWrittenInTheLargestUnitThatLeavesNoRest) {
  EXPECT_EQ(amount_text(Kind::duration, 0), "0");
  EXPECT_EQ(amount_text(Kind::duration, 1500), "1500ms");
  EXPECT_EQ(amount_text(Kind::duration, 60'000), "60s");
  EXPECT_EQ(amount_text(Kind::duration, 7'200'000), "2h");
  EXPECT_EQ(amount_text(Kind::bytes, 8192), "8192");
}

TEST(Judge, HoldsNumbersAgainstTheirBounds) {
  const Shape& fall = shape_of("heartbeat.fall");
  EXPECT_FALSE(judge(fall, int64_t{0}));
  EXPECT_TRUE(judge(fall, int64_t{1}));
  EXPECT_TRUE(judge(fall, int64_t{100}));
  EXPECT_FALSE(judge(fall, int64_t{101}));
  EXPECT_FALSE(judge(fall, int64_t{-1}));
}

TEST(Judge, TurnsAZeroThatMeansTheMostIntoTheMaximum) {
  EXPECT_EQ(judge(shape_of("limits.header_count"), int64_t{0}), Value(header_count_max));
  EXPECT_EQ(judge(shape_of("limits.body_bytes"), int64_t{0}), Value(int64_t{0}));
}

TEST(Judge, HoldsSomeNumbersToPowersOfTwo) {
  const Shape& buffers = shape_of("proxy.receive_buffers");
  EXPECT_TRUE(judge(buffers, int64_t{0}));
  EXPECT_TRUE(judge(buffers, int64_t{32768}));
  EXPECT_FALSE(judge(buffers, int64_t{1000}));
  EXPECT_FALSE(judge(buffers, INT64_MIN));
  EXPECT_EQ(allowed_text(buffers), "0 or a power of two up to 32768");
}

TEST(Judge, RefusesAValueOfAnotherType) {
  EXPECT_FALSE(judge(shape_of("heartbeat.fall"), std::string("1")));
  EXPECT_FALSE(judge(shape_of("proxy.via"), int64_t{1}));
  EXPECT_FALSE(judge(shape_of("proxy.listen"), std::string("127.0.0.1:1")));
  EXPECT_FALSE(judge(shape_of("admin.listen"), true));
  EXPECT_FALSE(judge(shape_of("replicas.static"), std::vector<std::string>{}));
}

TEST(Judge, RefusesControlCharactersAndEndlessText) {
  const Shape& token_file = shape_of("admin.token_file");
  EXPECT_TRUE(judge_item(token_file, "/etc/token"));
  EXPECT_FALSE(judge_item(token_file, std::string_view("a\0b", 3)));
  EXPECT_FALSE(judge_item(token_file, "a\nb"));
  EXPECT_FALSE(judge_item(token_file, "a\x7f"));
  EXPECT_TRUE(judge_item(token_file, std::string(4096, 'x')));
  EXPECT_FALSE(judge_item(token_file, std::string(4097, 'x')));
}

TEST(Quoted, EscapesWhatCouldHarmATerminalOrAFile) {
  EXPECT_EQ(in_quotes("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(in_quotes("\x1b[2J\n"), "\"\\u001B[2J\\u000A\"");
}

TEST(Quoted, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(quoted_short(std::string(60, 'x')), "\"" + std::string(60, 'x') + "\"");
  EXPECT_EQ(quoted_short(std::string(59, 'x') + "é…"), "\"" + std::string(59, 'x') + "\"…");
}

}  // namespace
}  // namespace ringmaster::config
