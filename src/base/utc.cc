#include "base/utc.h"

#include <fmt/format.h>

#include <string_view>

namespace ringmaster {

namespace {

using namespace std::chrono;

struct Parts {
  explicit Parts(system_clock::time_point when)
      : day(floor<days>(when)), date(day), time(floor<milliseconds>(when - day)) {}

  unsigned month() const { return static_cast<unsigned>(date.month()); }
  unsigned day_of_month() const { return static_cast<unsigned>(date.day()); }

  sys_days day;
  year_month_day date;
  hh_mm_ss<milliseconds> time;
};

}  // namespace

std::string utc_stamp(system_clock::time_point when) {
  const Parts parts(when);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(parts.date.year()), parts.month(),
                     parts.day_of_month(), parts.time.hours().count(), parts.time.minutes().count(),
                     parts.time.seconds().count(), parts.time.subseconds().count());
}

std::string utc_http_date(system_clock::time_point when) {
  static constexpr std::string_view weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Parts parts(when);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", weekdays[weekday(parts.day).c_encoding()],
                     parts.day_of_month(), months[parts.month() - 1], static_cast<int>(parts.date.year()),
                     parts.time.hours().count(), parts.time.minutes().count(), parts.time.seconds().count());
}

}  // namespace ringmaster
