#include "http/body.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "http/chars.h"

namespace ringmaster::http {
namespace {

constexpr std::string_view last_chunk = "0\r\n\r\n";

// llhttp refuses them, and a proxy that merged them would be led astray (RFC 9110 6.5.1). All others are dropped.
constexpr std::array<std::string_view, 2> forbidden_trailers = {"content-length", "transfer-encoding"};

int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if ((class_of(c) & hex_char) != 0) return (c | 0x20) - 'a' + 10;
  return -1;
}

}  // namespace

ChunkedDecoder::Step ChunkedDecoder::decode(char* bytes, uint32_t count) noexcept {
  char* at = bytes;
  char* out = bytes;
  char* const end = bytes + count;
  while (at < end && state_ != State::finished && cause_ == Cause::none) {
    if (state_ == State::data) {
      const auto part = static_cast<size_t>(std::min<uint64_t>(size_, static_cast<uint64_t>(end - at)));
      if (out != at) std::memmove(out, at, part);
      out += part;
      at += part;
      size_ -= part;
      if (size_ == 0) state_ = State::data_return;
    } else {
      cause_ = step(*at);
      if (cause_ == Cause::none) ++at;
    }
  }
  return {static_cast<uint32_t>(out - bytes), static_cast<uint32_t>(at - bytes), finished(), cause_};
}

Cause ChunkedDecoder::step(char c) noexcept {
  const auto expect = [&](char expected, State next) {
    if (c != expected) return Cause::chunk_malformed;
    state_ = next;
    return Cause::none;
  };
  switch (state_) {
    case State::size_begin:
    case State::size:
      return step_size(c);
    case State::size_line_feed:
      return expect('\n', size_ == 0 ? State::trailer_begin : State::data);
    case State::data_return:
      return expect('\r', State::data_line_feed);
    case State::data_line_feed:
      return expect('\n', State::size_begin);
    case State::trailer_begin:
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_line_feed:
      return step_trailer(c);
    case State::last_line_feed:
      return expect('\n', State::finished);
    default:
      return step_extension(c);
  }
}

Cause ChunkedDecoder::step_size(char c) noexcept {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (state_ == State::size_begin) {
      state_ = State::size;
      digits_ = 0;
      extension_bytes_ = 0;
      size_ = 0;
    }
    constexpr uint64_t max = std::numeric_limits<int64_t>::max();
    if (++digits_ > size_digits_max || size_ > (max >> 4)) return Cause::chunk_malformed;
    size_ = size_ << 4 | static_cast<uint64_t>(digit);
    return Cause::none;
  }
  if (state_ == State::size_begin) return Cause::chunk_malformed;
  if (c == '\r') {
    state_ = State::size_line_feed;
    return Cause::none;
  }
  return step_extension(c);
}

Cause ChunkedDecoder::step_extension(char c) noexcept {
  const auto go = [&](State next) {
    state_ = next;
    return Cause::none;
  };
  const bool may_end = state_ == State::extension_name || state_ == State::extension_token ||
                       state_ == State::extension_quoted_end;
  if (c == '\r' && may_end) return go(State::size_line_feed);
  if (++extension_bytes_ > extension_bytes_max) return Cause::chunk_overhead;
  if (++extension_bytes_total_ > extension_bytes_total_max) return Cause::chunk_overhead;
  if (c == ';' && (may_end || state_ == State::size)) return go(State::extension_begin);

  switch (state_) {
    case State::extension_begin:
      return is_token_char(c) ? go(State::extension_name) : Cause::chunk_malformed;
    case State::extension_name:
      if (c == '=') return go(State::extension_value_begin);
      return is_token_char(c) ? Cause::none : Cause::chunk_malformed;
    case State::extension_value_begin:
      if (c == '"') return go(State::extension_quoted);
      return is_token_char(c) ? go(State::extension_token) : Cause::chunk_malformed;
    case State::extension_token:
      return is_token_char(c) ? Cause::none : Cause::chunk_malformed;
    case State::extension_quoted:
      if (c == '"') return go(State::extension_quoted_end);
      if (c == '\\') return go(State::extension_escape);
      return is_text_char(c) ? Cause::none : Cause::chunk_malformed;
    case State::extension_escape:
      return is_text_char(c) ? go(State::extension_quoted) : Cause::chunk_malformed;
    default:
      return Cause::chunk_malformed;
  }
}

Cause ChunkedDecoder::step_trailer(char c) noexcept {
  if (state_ == State::trailer_begin && c == '\r') {
    state_ = State::last_line_feed;
    return Cause::none;
  }
  if (++trailer_bytes_ > trailer_bytes_max) return Cause::chunk_overhead;
  if (state_ == State::trailer_begin) {
    if (!is_token_char(c)) return Cause::chunk_malformed;
    name_matched_ = 0;
    candidate_ = -1;
    for (size_t i = 0; i < forbidden_trailers.size(); ++i) {
      if (to_lower(c) == forbidden_trailers[i][0]) candidate_ = static_cast<int8_t>(i);
    }
    state_ = State::trailer_name;
  }
  if (state_ == State::trailer_name) {
    const std::string_view forbidden = candidate_ < 0 ? "" : forbidden_trailers[static_cast<size_t>(candidate_)];
    if (c == ':') {
      if (candidate_ >= 0 && name_matched_ == forbidden.size()) return Cause::chunk_malformed;
      state_ = State::trailer_value;
      return Cause::none;
    }
    if (!is_token_char(c)) return Cause::chunk_malformed;
    if (name_matched_ < forbidden.size() && to_lower(c) == forbidden[name_matched_]) {
      ++name_matched_;
    } else {
      candidate_ = -1;
    }
    return Cause::none;
  }
  if (state_ == State::trailer_value) {
    if (c == '\r') {
      state_ = State::trailer_line_feed;
      return Cause::none;
    }
    return is_text_char(c) ? Cause::none : Cause::chunk_malformed;
  }
  if (c != '\n') return Cause::chunk_malformed;
  state_ = State::trailer_begin;
  return Cause::none;
}

BodyTransfer::BodyTransfer(Framing in, uint64_t content_length, Framing out, uint64_t limit) noexcept
    : in_(in), out_(out), finished_(in == Framing::none || (in == Framing::length && content_length == 0)),
      remaining_(in == Framing::length ? content_length : 0), limit_(limit) {
  const bool by_length = in == Framing::length;
  ensure(in == Framing::none || out == Framing::until_close || out == (by_length ? Framing::length : Framing::chunked));
}

BodyTransfer::Step BodyTransfer::transform_other(char* begin, char* end) noexcept {
  if (finished_) return {begin, begin, 0, Cause::none};
  const auto arrived = static_cast<uint32_t>(end - begin);
  Step step;
  if (in_ == Framing::until_close) {
    step = pass(begin, arrived, arrived);
  } else {
    const ChunkedDecoder::Step decoded = decoder_.decode(begin, arrived);
    finished_ = decoded.finished;
    if (decoded.cause != Cause::none) return {begin, begin, decoded.consumed, decoded.cause};
    step = pass(begin, decoded.payload, decoded.consumed);
  }
  if (out_ == Framing::chunked && step.cause == Cause::none) add_chunk_framing(step);
  return step;
}

// The head of the chunk goes into the room in front, its end behind the payload. There it meets only bytes that have
// been read: where payload and the end of the body came in one arrival, at least CRLF "0" CRLF CRLF stood between the
// payload and what follows. Where the end came without payload, its own five bytes go in front.
void BodyTransfer::add_chunk_framing(Step& step) const noexcept {
  const auto payload = static_cast<uint32_t>(step.end - step.begin);
  if (payload == 0) {
    if (!finished_) return;
    step.begin = step.end - last_chunk.size();
    std::memcpy(step.begin, last_chunk.data(), last_chunk.size());
    return;
  }
  *--step.begin = '\n';
  *--step.begin = '\r';
  for (uint32_t rest = payload; rest != 0; rest >>= 4) *--step.begin = "0123456789abcdef"[rest & 15];
  *step.end++ = '\r';
  *step.end++ = '\n';
  if (!finished_) return;
  std::memcpy(step.end, last_chunk.data(), last_chunk.size());
  step.end += last_chunk.size();
}

bool BodyTransfer::finish(std::string_view& last) noexcept {
  last = {};
  if (finished_) return true;
  if (in_ != Framing::until_close) return false;
  finished_ = true;
  if (out_ == Framing::chunked) last = last_chunk;
  return true;
}

}  // namespace ringmaster::http
