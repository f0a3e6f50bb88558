// The head of a message, read from bytes: what the proxy acts on, checked against RFC 9110 and 9112.
//
// Two readers must agree. HeadParser scans the bytes as they come with a strict grammar of its own (head_scan.cc), with
// limits on every length and count: it remembers how far it has come, so that bytes which arrive one by one cost no
// more than all at once, and a malformed head is refused at its first wrong byte. When the head is whole, the fields'
// meaning is checked (Host, target, versions, framing, Connection; request_head.cc, response_head.cc), and llhttp, with
// every lenient flag off, must accept the same bytes and find the same framing (second_reader.h). The verdict does not
// depend on how the bytes were split, nor on the version of llhttp.
//
// It keeps no copy: the caller keeps all bytes of the head together in memory, and parses them in one call; where they
// came in pieces, the last call reads the joined bytes once more from the start (only then are there spans). The parse
// of one whole head is the common case and the fast one.
//
// Spans point into the caller's bytes and live as long as those. Pure: no sockets, no clock, no allocation.
#pragma once

#include <llhttp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "http/refusal.h"

namespace ringmaster::http {

// Fields whose meaning the proxy knows; the others are passed on by name.
enum class FieldId : uint8_t {
  other,
  connection, content_length, cookie, expect, forwarded, host, http2_settings, keep_alive, proxy_authenticate,
  proxy_authorization, proxy_connection, te, trailer, transfer_encoding, upgrade, via, x_forwarded_for,
  x_forwarded_host, x_forwarded_proto, authorization, date, max_forwards, proxy_authentication_info,
  x_forwarded_other,  // any other name that begins with X-Forwarded-
};

struct Field {
  std::string_view name;   // as it came
  std::string_view value;  // without leading and trailing white space
  FieldId id = FieldId::other;
  // Not passed on as it stands: hop-by-hop, named by Connection, a name with '_' (requests), or written anew by the
  // proxy (Host, Content-Length, Expect).
  bool drop = false;
};

// The first field of that name, in any case; nullptr where there is none.
const Field* find_field(std::span<const Field> fields, std::string_view name) noexcept;

enum class Framing : uint8_t { none, length, chunked, until_close };

struct HeadLimits {
  uint32_t request_line_bytes = 8192;   // with its CRLF; requests: 414 past it; status lines too
  uint32_t header_bytes = 32768;        // all field lines together with their CRLFs: 431 past these two
  uint16_t header_count = 128;          // at most fields_max
  bool allow_underscores = false;       // pass on names with '_' (but never the ambiguous ones, HTTP.md R17)
};
inline constexpr uint16_t fields_max = 1024;

// The largest whole head that the limits allow, with its line ends (an empty line before it and the one behind it).
constexpr uint32_t head_bytes_max(const HeadLimits& limits) {
  return limits.request_line_bytes + limits.header_bytes + 4;
}

struct RequestHead {
  // One of HTTP_METHOD_MAP but CONNECT (405) and SOURCE (ICE's): llhttp refuses the heads of methods that it does not
  // know, so that a method of somebody's own cannot be forwarded (501).
  llhttp_method_t method = HTTP_GET;
  std::string_view method_name;
  // Origin-form or "*". Absolute-form has been reduced to its origin-form; where it had no path, this is "/", or begins
  // with '?' (the rebuilt head has the "/" in front).
  std::string_view target;
  std::string_view path;           // of target, without the query
  std::string_view query;          // without '?'; empty where there is none
  std::string_view host;           // the authority in force: exactly one for HTTP/1.1; empty for HTTP/1.0 without Host
  uint8_t minor = 1;               // HTTP/1.x
  Framing framing = Framing::none; // none, length or chunked
  uint64_t content_length = 0;     // with Framing::length; a Content-Length of 0 is Framing::length too
  bool keep_alive = true;          // what the client asks for, by version and Connection
  bool expect_continue = false;    // HTTP/1.1, Expect: 100-continue, and a body is to come
  bool upgrade_websocket = false;  // GET, HTTP/1.1, Connection: upgrade, Upgrade: websocket, no body
  bool idempotent = false;         // RFC 9110 9.2.2: the safe methods, PUT and DELETE
  // TRACE and OPTIONS (RFC 9110 7.6.2): Max-Forwards, -1 where there is none. 0 must not be forwarded, the proxy
  // answers as the last recipient; more is written one less to the replica.
  int32_t max_forwards = -1;
  std::span<Field> fields;         // in order of arrival
  uint32_t head_bytes = 0;         // the head's size on the wire; the body begins here
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view reason;         // may be empty
  uint8_t minor = 1;
  Framing framing = Framing::none; // how the body that follows on the wire ends; none for HEAD, 1xx, 204, 304
  uint64_t content_length = 0;     // with Framing::length
  bool has_content_length = false; // the field was there, also where no body follows (HEAD, 304)
  uint64_t declared_length = 0;    // its value then
  bool keep_alive = true;          // the replica will take another request on this connection
  bool upgrade_websocket = false;  // 101 with Connection: upgrade and Upgrade: websocket
  std::span<Field> fields;
  uint32_t head_bytes = 0;
};

enum class HeadStatus : uint8_t {
  incomplete,  // more bytes are needed
  complete,    // the head is filled in
  refused,     // cause() says why; the connection is dead, never resynchronised
};

// Where a parser writes the fields of the head that it reads: scratch that belongs to the worker, not to a connection.
struct FieldScratch {
  std::array<Field, fields_max> fields;
};

// State between two arrivals of one head. Small; trivially copyable, so that it can be parked while a head is
// incomplete. One for each message: assign a fresh one for the next.
class HeadParser {
 public:
  enum class Kind : uint8_t { request, response };
  explicit HeadParser(Kind kind) noexcept : kind_(kind) {}

  // `bytes` are all bytes of the head so far, from its first (empty lines before a request line, at most one CRLF,
  // count as part of it); it grows from call to call and may have moved. Bytes after the head are not looked at.
  // `limits` are the same in every call for one head. `scratch` and `head` are written to in every call, and mean
  // something after `complete` only.
  HeadStatus parse_request(std::string_view bytes, const HeadLimits& limits, FieldScratch& scratch,
                           RequestHead& head) noexcept;
  // `request_method`: what is being answered, for HEAD. 1xx are heads of their own.
  HeadStatus parse_response(std::string_view bytes, llhttp_method_t request_method, const HeadLimits& limits,
                            FieldScratch& scratch, ResponseHead& head) noexcept;
  Cause cause() const noexcept { return cause_; }
  uint32_t seen_bytes() const noexcept { return seen_; }
  // Nothing of the message itself has come yet, at most the empty line that may stand before a request.
  bool untouched() const noexcept { return seen_ == line_ && phase_ <= Phase::first_token; }

 private:
  // In the order in which a head goes through them. A status line has its version, status and reason where a request
  // line has its method, target and version.
  enum class Phase : uint8_t {
    begin, blank_line_feed, first_token, second_token, third_token, line_feed,  // the start line
    field, name, space, value, value_line_feed,                                 // field lines
    last_line_feed, done,
  };

  HeadStatus refuse(Cause cause) noexcept;
  // The scan can go no further than offset `at`: the bytes end there, or a limit does (`bound`).
  HeadStatus run_out(size_t at, size_t bound, Cause limit) noexcept;
  HeadStatus scan_request_line(std::string_view bytes, const HeadLimits& limits) noexcept;
  HeadStatus scan_status_line(std::string_view bytes, const HeadLimits& limits) noexcept;
  HeadStatus scan_fields(std::string_view bytes, const HeadLimits& limits, FieldScratch& scratch) noexcept;
  Cause read_request_line(const char* base, RequestHead& head) const noexcept;
  Cause read_request_fields(std::string_view wire_target, bool allow_underscores, RequestHead& head) const noexcept;
  Cause read_response_fields(llhttp_method_t request_method, ResponseHead& head) const noexcept;

  Kind kind_;
  Cause cause_ = Cause::none;
  Phase phase_ = Phase::begin;
  uint8_t minor_ = 1;
  uint16_t field_count_ = 0;
  uint32_t seen_ = 0;         // bytes scanned
  uint32_t line_ = 0;         // where the start line begins: behind the empty line, if there was one
  uint32_t first_end_ = 0;    // method
  uint32_t second_end_ = 0;   // target or status
  uint32_t fields_ = 0;       // where the field lines begin
  uint32_t token_ = 0;        // where the name or value begins that is being scanned
};

}  // namespace ringmaster::http
