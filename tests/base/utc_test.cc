#include "base/utc.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

system_clock::time_point at_ms(int64_t ms) { return system_clock::time_point(milliseconds(ms)); }

TEST(Utc, WritesTimesThatAreKnown) {
  EXPECT_EQ(utc_stamp(at_ms(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_stamp(at_ms(951'825'845'006)), "2000-02-29T12:04:05.006Z");
  EXPECT_EQ(utc_stamp(at_ms(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(utc_http_date(at_ms(784'111'777'000)), "Sun, 06 Nov 1994 08:49:37 GMT");   // RFC 9110 section 5.6.7
}

TEST(Utc, AgreesWithTheCLibrary) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto seconds = static_cast<time_t>(random() % 8'000'000'000);   // until 2223
    tm utc{};
    gmtime_r(&seconds, &utc);
    char stamp[40], date[40];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S.123Z", &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    ASSERT_EQ(utc_stamp(at_ms(seconds * 1000 + 123)), stamp);
    ASSERT_EQ(utc_http_date(at_ms(seconds * 1000 + 123)), date);
  }
}

}  // namespace
}  // namespace ringmaster
