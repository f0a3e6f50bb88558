// The one table of the fields that the proxy knows, and what HTTP/1.1 makes of each.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "http/head.h"

namespace ringmaster::http {

enum FieldRule : uint8_t {
  hop_by_hop = 1,         // RFC 9110 7.6.1 and RFC 2616 13.5.1: ends at this proxy, in both directions
  rewritten_request = 2,  // taken out of a request and written anew by the proxy
  rewritten_response = 4,
  protected_field = 8,    // a client's Connection may not name it: it would vanish between proxy and replica
};

struct KnownField {
  std::string_view name;
  FieldId id;
  uint8_t rules;
};

inline constexpr std::array known_fields{
    KnownField{"connection", FieldId::connection, hop_by_hop},
    KnownField{"keep-alive", FieldId::keep_alive, hop_by_hop},
    KnownField{"proxy-connection", FieldId::proxy_connection, hop_by_hop},
    KnownField{"te", FieldId::te, hop_by_hop},
    KnownField{"trailer", FieldId::trailer, hop_by_hop},
    KnownField{"transfer-encoding", FieldId::transfer_encoding, hop_by_hop | protected_field},
    KnownField{"upgrade", FieldId::upgrade, hop_by_hop},
    KnownField{"http2-settings", FieldId::http2_settings, hop_by_hop},
    KnownField{"proxy-authenticate", FieldId::proxy_authenticate, hop_by_hop},
    KnownField{"proxy-authorization", FieldId::proxy_authorization, hop_by_hop},
    KnownField{"proxy-authentication-info", FieldId::proxy_authentication_info, hop_by_hop},
    KnownField{"content-length", FieldId::content_length, rewritten_request | rewritten_response | protected_field},
    KnownField{"host", FieldId::host, rewritten_request | protected_field},
    KnownField{"expect", FieldId::expect, rewritten_request},
    KnownField{"authorization", FieldId::authorization, protected_field},
    KnownField{"forwarded", FieldId::forwarded, protected_field},
    KnownField{"x-forwarded-for", FieldId::x_forwarded_for, protected_field},
    KnownField{"x-forwarded-host", FieldId::x_forwarded_host, protected_field},
    KnownField{"x-forwarded-proto", FieldId::x_forwarded_proto, protected_field},
    KnownField{"cookie", FieldId::cookie, 0},
    KnownField{"date", FieldId::date, 0},
    KnownField{"max-forwards", FieldId::max_forwards, 0},
    KnownField{"via", FieldId::via, 0},
};

struct FieldKind {
  FieldId id = FieldId::other;
  uint8_t rules = 0;
};

// `name` is a token, in any case. Every name that begins with X-Forwarded- is one of the x_forwarded ids.
FieldKind identify_field(std::string_view name) noexcept;

// A name with '_' that a replica which reads '_' as '-' (CGI, WSGI) would take for a framing or forwarding field.
bool is_ambiguous_name(std::string_view name) noexcept;

// What the Connection fields of one head say (RFC 9110 7.6.1).
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  uint16_t named = 0;  // options that may be the names of fields
};
// A head that names more fields than this is refused: each name is looked for among all fields.
inline constexpr uint16_t named_fields_max = 64;

void read_connection(std::string_view value, ConnectionOptions& options) noexcept;

// Marks the fields that the Connection fields name as dropped. false: a protected field is named, and
// `refuse_protected` says that this is not to be (requests).
bool drop_named_fields(std::span<Field> fields, bool refuse_protected) noexcept;

// What the fields of one head say about the body's length, before it is judged (RFC 9112 section 6).
struct FramingFields {
  uint16_t content_lengths = 0;     // field lines
  uint16_t transfer_encodings = 0;  // field lines
  bool length_valid = false;        // of the last Content-Length: one decimal number of at most 2^63-1
  uint64_t length = 0;
  enum class Coding : uint8_t { none, chunked, unknown, invalid } coding = Coding::none;  // of the last line

  void add_content_length(const Field& field) noexcept;
  // unknown: a list of codings that ends in "chunked", has it once, and has others before it.
  void add_transfer_encoding(const Field& field) noexcept;
};

}  // namespace ringmaster::http
