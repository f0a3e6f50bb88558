// What a request is hashed by: the first source of an ordered list that is present. Raw bytes, never decoded.
//
//   query         the first parameter of that name: raw bytes between '&' and '&', name up to the first '='
//                 (';' separates nothing, names are compared exactly)
//   header        the first field of that name, also where it is not passed on
//   cookie        the first pair of that name (RFC 6265 5.4), all Cookie fields in order; quotes belong to the value
//   path_segment  what stands between the N-th '/' of the path and the next
//   uri           path and query together; host: as the client spelled it, port included
//   client_ip     as given: see http/client.h
// A value of no bytes is the same as none, and the next source is asked: also where the first of two is the empty one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/head.h"

namespace ringmaster::http {

struct KeySource {
  enum class Kind : uint8_t { query, header, cookie, path, path_segment, uri, host, client_ip, random };
  Kind kind = Kind::random;
  std::string name;            // query, header (compared without case), cookie
  uint32_t segment = 0;        // path_segment: 1 is the first

  // "query:NAME", "header:NAME", "cookie:NAME", "path", "path_segment:N", "uri", "host", "client_ip", "random".
  static Result<KeySource> parse(std::string_view text);
  std::string text() const;
};

struct RequestKey {
  std::string_view bytes;      // points into the head, or is client_ip as given
  uint16_t source = no_source; // index into the list
  bool random = false;         // the list said: random. The caller draws a number.
  static constexpr uint16_t no_source = 0xFFFF;  // none was present: the caller draws a number too
};

// The value of the first cookie of that name; empty where there is none.
std::string_view find_cookie(std::span<const Field> fields, std::string_view name) noexcept;

RequestKey find_key(const RequestHead& head, std::string_view client_ip, std::span<const KeySource> sources) noexcept;

}  // namespace ringmaster::http
