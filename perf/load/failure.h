// What can be wrong with an answer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ringmaster::perf {

enum class Failure : uint8_t {
  connect,     // refused, or reset while connecting
  cut,         // the connection ended before the answer did
  malformed,   // no HTTP/1.1 answer with a length
  status,      // not 200
  length,      // not the bytes that were asked for, or more than announced
  content,     // a byte, or the identity, of something else
  unanswered,  // nothing until the end of the run and drain_seconds_max more
  unsent,      // open loop: due, but no connection became free for it
  idle_lost,   // an idle connection was closed by the other side
  aside,       // a request beside the load was not answered with 200
};

inline constexpr std::array failure_names{"connect", "cut",        "malformed", "status",   "length",
                                          "content", "unanswered", "unsent",    "idle_lost", "aside"};
inline constexpr size_t failure_kinds = failure_names.size();

}  // namespace ringmaster::perf
