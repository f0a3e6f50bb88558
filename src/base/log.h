// Operator's log: one line an event, to standard error, and never in anybody's way.
//
//   2026-01-02T03:04:05.678Z warning replica S5: ready -> failing: heartbeat timed out (2 of 2)
//
// log() formats into a bounded queue and returns; one thread of its own writes. After it has written it lets lines
// gather for 50 ms, so that many events beside busy workers cost them a few context switches and no more; warnings and
// errors do not wait, and what has gathered before them goes with them. When the queue is full, or the descriptor
// cannot take more, lines are dropped and counted, and the count is said with the next line that gets through. Any
// thread may call it. It may allocate: it is for events, not for requests.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace ringmaster {

enum class LogLevel : uint8_t { debug, info, warning, error };

void log_line(LogLevel level, std::string text) noexcept;
void set_log_level(LogLevel lowest) noexcept;
uint64_t log_lines_dropped() noexcept;
// Waits at most a second for what has been logged to be written; call before the program ends.
void flush_log() noexcept;

// Where there is no memory for the line it is not written.
void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) noexcept;

template <class... Arguments>
void log_info(fmt::format_string<Arguments...> format, Arguments&&... arguments) noexcept {
  log_formatted(LogLevel::info, format, fmt::make_format_args(arguments...));
}
template <class... Arguments>
void log_warning(fmt::format_string<Arguments...> format, Arguments&&... arguments) noexcept {
  log_formatted(LogLevel::warning, format, fmt::make_format_args(arguments...));
}
template <class... Arguments>
void log_error(fmt::format_string<Arguments...> format, Arguments&&... arguments) noexcept {
  log_formatted(LogLevel::error, format, fmt::make_format_args(arguments...));
}
template <class... Arguments>
void log_debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) noexcept {
  log_formatted(LogLevel::debug, format, fmt::make_format_args(arguments...));
}

}  // namespace ringmaster
