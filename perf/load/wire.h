// The little HTTP/1.1 that both far ends speak, and the bytes that bodies are made of.
//
// Deliberately small and cheap: each end only ever reads what a proxy wrote. Whatever is outside of it is reported as
// malformed, never guessed at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ringmaster::perf {

// A head larger than this is malformed.
inline constexpr size_t head_bytes_max = 64 * 1024;
// Every request carries an identity of this many digits; the answer repeats it in X-Id.
inline constexpr size_t id_digits = 10;

// Where the head ends: the index past its empty line; nothing while it is not whole.
std::optional<size_t> head_end(std::string_view bytes) noexcept;

struct RequestHead {
  std::string_view method;
  std::string_view target;
  uint64_t body_bytes = 0;
  bool keep_alive = true;
};
// `head` includes the empty line; the views point into it. Error: malformed, also for a chunked body.
Result<RequestHead> parse_request(std::string_view head) noexcept;
// The digits after "request_id=", or "".
std::string_view request_id(std::string_view target) noexcept;

struct AnswerHead {
  uint16_t status = 0;
  uint64_t body_bytes = 0;
  std::string_view id;      // X-Id
  bool has_length = false;  // false: no Content-Length, or chunked
  bool keep_alive = true;
};
Result<AnswerHead> parse_answer(std::string_view head) noexcept;

// Bodies: lines of 64 bytes that begin with their number, so that bytes that are lost, doubled or moved show. The
// byte at `offset` of any body is pattern()[offset % pattern().size()].
std::string_view pattern() noexcept;
bool is_pattern(uint64_t offset, std::string_view bytes) noexcept;

}  // namespace ringmaster::perf
