// Heads for the other side: rebuilt from validated spans, never passed through (HTTP.md point 17).
//
// Own start line, every kept field as name, colon, space, value, CRLF in order of arrival, and own framing. Taken
// out: hop-by-hop fields (fields.h has the table), those that Connection names, names with '_', Expect, and the
// forwarding fields of clients that are not trusted. Names keep their case; Date and Server pass through.
//
// Each writer needs `out` to be at least as large as its bytes_max says, and writes nothing and returns 0 where it is
// not; these bounds cost a few additions. `out` must not overlap the bytes that the head's spans point into. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/head.h"
#include "http/refusal.h"

namespace ringmaster::http {

struct ForwardContext {
  std::string_view client_ip;    // for X-Forwarded-For; "" leaves it out
  std::string_view scheme = "http";
  // The client is a trusted proxy: client_ip is appended to its X-Forwarded-For; its other X-Forwarded- fields and
  // Forwarded are kept. Otherwise all of them are taken out, and ours take their place.
  bool trust_forwarded = false;
  bool via = false;
  std::string_view default_host = {};  // for HTTP/1.0 requests without Host: the replica's own address
};

// An upper bound for the rebuilt head's size.
uint32_t upstream_request_bytes_max(const RequestHead& head, const ForwardContext& context) noexcept;
// Writes the request as the replica gets it: HTTP/1.1, origin-form, one Host, Content-Length (decimal) or
// Transfer-Encoding: chunked or neither, X-Forwarded-For, -Proto, -Host; for a websocket upgrade Connection: upgrade
// and Upgrade: websocket. Returns the bytes written.
uint32_t write_upstream_request(const RequestHead& head, const ForwardContext& context, std::span<char> out) noexcept;

struct AnswerContext {
  uint8_t client_minor = 1;      // HTTP/1.0 clients get no chunks and no 1xx
  bool keep_alive = true;        // what the client's connection will do after this answer
  bool via = false;
  bool head_request = false;
  // Written where the replica sent no Date (RFC 9110 6.6.1 wants it of a recipient with a clock); "" leaves it out.
  std::string_view date = {};
  std::string_view own_fields = {};  // whole lines of ours, each with its line end
};

// How the body leaves towards that client: none, length, chunked, or until_close (then keep_alive must be false).
Framing answer_framing(const ResponseHead& head, const AnswerContext& context) noexcept;
uint32_t answer_bytes_max(const ResponseHead& head, const AnswerContext& context) noexcept;
// Says Connection: close where keep_alive is false or the framing is until_close, Connection: keep-alive to an HTTP/1.0
// client whose connection stays.
uint32_t write_answer(const ResponseHead& head, const AnswerContext& context, std::span<char> out) noexcept;
// 101: Connection: upgrade and Upgrade: websocket are written anew. 103 and other 1xx: fields as they are.
// answer_bytes_max bounds it too.
uint32_t write_interim_answer(const ResponseHead& head, std::span<char> out) noexcept;
inline constexpr std::string_view continue_answer = "HTTP/1.1 100 Continue\r\n\r\n";

// An answer of our own: status line, Content-Type: application/json, Content-Length, Connection where it closes,
// Retry-After for 503, Allow for 405, and {"message": …, "cause": …, "status": "failure"} without white space; for
// HEAD the same without the body. `message` is escaped here; control characters that JSON has no short form for, and
// bytes that are not UTF-8, become '?'. Returns bytes written, 0 where `out` is too small (512 bytes and the message's
// size doubled always do).
struct LocalAnswer {
  uint16_t status = 500;
  std::string_view cause;        // "" leaves it out
  std::string_view before = {};  // these three together are the message
  std::string_view message;
  std::string_view behind = {};
  bool keep_alive = false;
  bool head_request = false;
  uint8_t client_minor = 1;
  uint32_t retry_after_s = 0;    // 0 leaves it out; written with 503 only
  std::string_view date = {};    // "" leaves it out
};
uint32_t write_local_answer(const LocalAnswer& answer, std::span<char> out) noexcept;

std::string_view reason_of(uint16_t status) noexcept;  // "Not Found"; "" where unknown

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7) for seconds since 1970, years 1970 to 9999.
inline constexpr uint32_t date_bytes = 29;
void write_date(int64_t unix_seconds, std::span<char, date_bytes> out) noexcept;

}  // namespace ringmaster::http
