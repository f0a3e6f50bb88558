// Bodies: read with one framing, passed on with another, rewritten where they lie.
//
// BodyTransfer is given each arrival in the buffer that the kernel wrote it to. It takes off the framing it came with
// (a strict reading of RFC 9112 section 7.1: extensions and trailers are checked, bounded and dropped), puts on the
// framing it leaves with, and says which bytes to send. Payload bytes move only where chunk headers stood between
// them; with one chunk in the buffer, or none, nothing moves. Chunked is read by this file and not by llhttp, which
// sets no bounds on extensions or on the digits of a size, and differs between versions; the fuzz test holds the two
// against each other.
//
// Pure: no sockets, no allocation.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "http/refusal.h"

namespace ringmaster::http {

// The strict decoder on its own (the local consumers of bodies use it: the admin API, the replica).
//
//   chunk     = size *( ";" token [ "=" ( token / quoted-string ) ] ) CRLF payload CRLF
//   trailer   = token ":" text CRLF, where the token is neither Content-Length nor Transfer-Encoding
//
// Stricter than RFC 9112 in one thing: no white space around ";" and "=" (llhttp refuses it too).
class ChunkedDecoder {
 public:
  static constexpr uint32_t extension_bytes_max = 256;           // for each chunk
  static constexpr uint32_t extension_bytes_total_max = 16 * 1024;
  static constexpr uint32_t trailer_bytes_max = 16 * 1024;
  static constexpr uint32_t size_digits_max = 16;                // leading zeros included; value at most 2^63-1

  struct Step {
    uint32_t payload = 0;    // payload bytes, compacted to the front of what was given
    uint32_t consumed = 0;   // bytes of the input that belong to this body
    bool finished = false;   // the last chunk and the trailers have been read
    Cause cause = Cause::none;  // chunk_malformed or chunk_overhead: the connection is dead
  };
  // Decodes as far as the bytes go, moving payload to the front in place.
  // Bytes behind the end of the body are left alone; after a cause every further call says the same.
  Step decode(char* bytes, uint32_t count) noexcept;
  bool finished() const noexcept { return state_ == State::finished; }

 private:
  enum class State : uint8_t {
    size_begin, size, size_line_feed,
    extension_begin, extension_name, extension_value_begin, extension_token, extension_quoted, extension_escape,
    extension_quoted_end,
    data, data_return, data_line_feed,
    trailer_begin, trailer_name, trailer_value, trailer_line_feed, last_line_feed,
    finished,
  };

  // One byte that is not payload.
  Cause step(char c) noexcept;
  Cause step_size(char c) noexcept;
  Cause step_extension(char c) noexcept;
  Cause step_trailer(char c) noexcept;

  State state_ = State::size_begin;
  Cause cause_ = Cause::none;
  uint8_t digits_ = 0;
  uint8_t name_matched_ = 0;   // how much of forbidden trailer name `candidate_` has been read
  int8_t candidate_ = -1;
  uint16_t extension_bytes_ = 0;
  uint16_t trailer_bytes_ = 0;
  uint32_t extension_bytes_total_ = 0;
  uint64_t size_ = 0;          // of the chunk: payload bytes still to come
};

class BodyTransfer {
 public:
  BodyTransfer() noexcept = default;  // no body at all: finished() at once
  // `in`: none, length, chunked or until_close. `out`: length (as it is), chunked, or until_close (bare payload).
  // A body by length leaves as it came, by length or bare; any other leaves chunked or bare.
  // `limit`: most payload bytes that may pass, 0 for any: body_too_large past it (413 for a request). A caller that
  // knows the length beforehand refuses before it sends anything.
  BodyTransfer(Framing in, uint64_t content_length, Framing out, uint64_t limit) noexcept;

  // Bytes of room that transform() may write before `begin` and after `end`.
  static constexpr uint32_t front_bytes_max = 20;
  static constexpr uint32_t back_bytes_max = 16;

  struct Step {
    char* begin = nullptr;     // send [begin, end): framed for the way out; may be empty
    char* end = nullptr;
    uint32_t consumed = 0;     // input bytes that belong to this body; the rest is the next message's
    Cause cause = Cause::none;
  };
  // [begin, end) is what arrived. The bytes behind `consumed` are never written to: back framing takes the room of
  // framing that was read (chunked), or is only needed where nothing follows (until_close). With a cause there is
  // nothing to send, and the body is over. At most 2^32-1 bytes at a time.
  Step transform(char* begin, char* end) noexcept {
    if (in_ != Framing::length) return transform_other(begin, end);
    const auto arrived = static_cast<uint64_t>(end - begin);
    const uint64_t taken = arrived < remaining_ ? arrived : remaining_;
    remaining_ -= taken;
    finished_ = remaining_ == 0;
    return pass(begin, static_cast<uint32_t>(taken), static_cast<uint32_t>(taken));
  }
  // The peer ended the stream. true: that is a proper end (until_close) and `last` is what still must be sent
  // ("0\r\n\r\n" or nothing). false: truncated.
  bool finish(std::string_view& last) noexcept;

  bool finished() const noexcept { return finished_; }
  // With Framing::length (or none): payload bytes still to come; else UINT64_MAX.
  uint64_t remaining() const noexcept {
    return in_ == Framing::length || in_ == Framing::none ? remaining_ : UINT64_MAX;
  }
  uint64_t passed() const noexcept { return passed_; }

 private:
  Step pass(char* begin, uint32_t payload, uint32_t consumed) noexcept {
    passed_ += payload;
    if (limit_ != 0 && passed_ > limit_) return {begin, begin, consumed, Cause::body_too_large};
    return {begin, begin + payload, consumed, Cause::none};
  }
  Step transform_other(char* begin, char* end) noexcept;
  void add_chunk_framing(Step& step) const noexcept;

  Framing in_ = Framing::none;
  Framing out_ = Framing::none;
  bool finished_ = true;
  uint64_t remaining_ = 0;
  uint64_t passed_ = 0;
  uint64_t limit_ = 0;
  ChunkedDecoder decoder_;
};

}  // namespace ringmaster::http
