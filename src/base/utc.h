// Times of day in UTC, as log lines, replies and HTTP have them. By arithmetic alone: gmtime and its formats go through
// time zones and locales, which costs a thread that is seldom awake more than all the rest of a line.
#pragma once

#include <chrono>
#include <string>

namespace ringmaster {

std::string utc_stamp(std::chrono::system_clock::time_point when);       // "2026-01-02T03:04:05.678Z", RFC 3339
std::string utc_http_date(std::chrono::system_clock::time_point when);   // "Fri, 02 Jan 2026 03:04:05 GMT", RFC 9110
                                                                         // section 5.6.7
}  // namespace ringmaster
