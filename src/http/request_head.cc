// What a request's head means, once its lines are well-formed: rows R1-R9, R17, R22-R31 of the acceptance table.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/fields.h"
#include "http/head.h"
#include "http/second_reader.h"

namespace ringmaster::http {
namespace {

struct Method {
  std::string_view name;
  llhttp_method_t id;
};

// The methods that llhttp knows for HTTP; SOURCE is ICE's.
constexpr Method methods[] = {
#define X(number, name, text) {#text, HTTP_##name},
    HTTP_METHOD_MAP(X)
#undef X
};

Cause read_method(std::string_view name, RequestHead& head) noexcept {
  head.method_name = name;
  if (name == "GET") {
    head.method = HTTP_GET;
    return Cause::none;
  }
  const Method* const found = std::ranges::find(methods, name, &Method::name);
  if (found == std::end(methods) || found->id == HTTP_SOURCE) return Cause::method_not_implemented;
  if (found->id == HTTP_CONNECT) return Cause::connect_not_allowed;
  head.method = found->id;
  return Cause::none;
}

// Safe methods (those of WebDAV and QUERY by their IANA registration), PUT and DELETE.
bool is_idempotent(llhttp_method_t method) noexcept {
  switch (method) {
    case HTTP_GET: case HTTP_HEAD: case HTTP_OPTIONS: case HTTP_TRACE: case HTTP_PUT: case HTTP_DELETE:
    case HTTP_PROPFIND: case HTTP_REPORT: case HTTP_SEARCH: case HTTP_QUERY:
      return true;
    default:
      return false;
  }
}

struct Scheme {
  std::string_view prefix;
  int32_t port;
};
constexpr Scheme schemes[] = {{"http://", 80}, {"https://", 443}};

const Scheme* scheme_of(std::string_view target) noexcept {
  const auto begins = [&](const Scheme& scheme) {
    return target.size() > scheme.prefix.size() &&
           equal_ignoring_case(target.substr(0, scheme.prefix.size()), scheme.prefix);
  };
  const Scheme* const found = std::ranges::find_if(schemes, begins);
  return found == std::end(schemes) ? nullptr : found;
}

// RFC 9112 3.2.2. What is left of an absolute-form target is its path and query; its authority goes to head.host until
// the Host field has been compared with it.
Cause read_absolute_form(std::string_view target, const Scheme& scheme, RequestHead& head) noexcept {
  target.remove_prefix(scheme.prefix.size());
  const size_t size = std::min(target.find_first_of("/?"), target.size());
  head.host = target.substr(0, size);
  Authority authority;
  if (!read_authority(head.host, authority)) return Cause::target_invalid;
  head.target = target.substr(size);
  // RFC 9112 3.2.4: an OPTIONS without path and query asks the server as a whole.
  if (head.target.empty()) head.target = head.method == HTTP_OPTIONS ? "*" : "/";
  return Cause::none;
}

void split_target(RequestHead& head) noexcept {
  const size_t mark = head.target.find('?');
  head.path = mark == 0 ? std::string_view("/") : head.target.substr(0, mark);
  head.query = mark == std::string_view::npos ? std::string_view() : head.target.substr(mark + 1);
}

// Host against the target's authority, where it has one. `hosts`: Host field lines, `host`: the last one's value.
Cause read_host(std::string_view wire_target, uint16_t hosts, std::string_view host, RequestHead& head) noexcept {
  if (hosts > 1) return Cause::host_repeated;
  if (hosts == 0) return head.minor == 0 ? Cause::none : Cause::host_missing;
  Authority authority;
  if (!read_authority(host, authority)) return Cause::host_invalid;
  if (head.host.empty()) {
    head.host = host;
    return Cause::none;
  }
  Authority of_target;
  read_authority(head.host, of_target);
  const Scheme* const scheme = scheme_of(wire_target);
  return same_authority(authority, of_target, scheme->port) ? Cause::none : Cause::host_mismatch;
}

Cause read_framing(const FramingFields& framing, RequestHead& head) noexcept {
  using Coding = FramingFields::Coding;
  if (framing.transfer_encodings > 0) {
    if (framing.content_lengths > 0) return Cause::framing_conflict;
    if (head.minor == 0) return Cause::transfer_encoding_in_http10;
    if (framing.transfer_encodings > 1) return Cause::transfer_encoding_invalid;
    if (framing.coding == Coding::unknown) return Cause::transfer_encoding_unknown;
    if (framing.coding != Coding::chunked) return Cause::transfer_encoding_invalid;
    head.framing = Framing::chunked;
  } else if (framing.content_lengths > 0) {
    if (framing.content_lengths > 1 || !framing.length_valid) return Cause::content_length_invalid;
    head.framing = Framing::length;
    head.content_length = framing.length;
  }
  return Cause::none;
}

bool has_body(const RequestHead& head) noexcept { return head.framing == Framing::chunked || head.content_length > 0; }

// HTTP.md R29: exactly one `Upgrade: websocket`; every other protocol is passed over, and the request stays HTTP.
Cause read_upgrade(const ConnectionOptions& options, uint16_t upgrades, std::string_view protocol,
                   RequestHead& head) noexcept {
  const bool asked = options.upgrade && upgrades == 1 && equals_lower(protocol, "websocket") &&
                     head.method == HTTP_GET && head.minor == 1;
  if (asked && has_body(head)) return Cause::upgrade_with_body;
  head.upgrade_websocket = asked;
  return Cause::none;
}

// A larger number counts as the largest that is supported here (RFC 9110 7.6.2).
void read_max_forwards(std::string_view value, RequestHead& head) noexcept {
  constexpr int32_t max = 999'999'999;
  if (head.method != HTTP_OPTIONS && head.method != HTTP_TRACE) return;
  if (value.empty() || !std::ranges::all_of(value, is_digit)) return;
  int32_t number = 0;
  for (char c : value) number = number > max / 10 ? max : number * 10 + (c - '0');
  head.max_forwards = number;
}

}  // namespace

const Field* find_field(std::span<const Field> fields, std::string_view name) noexcept {
  const auto found = std::ranges::find_if(fields, [&](const Field& field) {
    return equal_ignoring_case(field.name, name);
  });
  return found == fields.end() ? nullptr : &*found;
}

Cause HeadParser::read_request_line(const char* base, RequestHead& head) const noexcept {
  head = RequestHead{};
  head.minor = minor_;
  const Cause cause = read_method({base + line_, first_end_ - line_}, head);
  if (cause != Cause::none) return cause;
  head.idempotent = is_idempotent(head.method);

  head.target = {base + first_end_ + 1, second_end_ - first_end_ - 1};
  if (head.target[0] != '/') {
    if (head.target == "*") {
      if (head.method != HTTP_OPTIONS) return Cause::target_invalid;
    } else {
      const Scheme* const scheme = scheme_of(head.target);
      if (scheme == nullptr) return Cause::target_invalid;
      const Cause absolute = read_absolute_form(head.target, *scheme, head);
      if (absolute != Cause::none) return absolute;
    }
  }
  split_target(head);
  return Cause::none;
}

Cause HeadParser::read_request_fields(std::string_view wire_target, bool allow_underscores,
                                      RequestHead& head) const noexcept {
  ConnectionOptions options;
  FramingFields framing;
  uint16_t hosts = 0, upgrades = 0;
  std::string_view host, protocol, expectation;
  bool expects = false;
  for (Field& field : head.fields) {
    if (field.drop) {  // the scan has seen a '_'
      if (is_ambiguous_name(field.name)) return Cause::field_name_ambiguous;
      field.drop = !allow_underscores;
    }
    const FieldKind kind = identify_field(field.name);
    field.id = kind.id;
    if (kind.id == FieldId::other) continue;
    field.drop = (kind.rules & (hop_by_hop | rewritten_request)) != 0;
    switch (kind.id) {
      case FieldId::connection: read_connection(field.value, options); break;
      case FieldId::content_length: framing.add_content_length(field); break;
      case FieldId::transfer_encoding: framing.add_transfer_encoding(field); break;
      case FieldId::host: ++hosts; host = field.value; break;
      case FieldId::upgrade: ++upgrades; protocol = field.value; break;
      case FieldId::expect:
        if (expects) return Cause::expectation_failed;
        expects = true;
        expectation = field.value;
        break;
      case FieldId::max_forwards: read_max_forwards(field.value, head); break;
      default: break;
    }
  }

  Cause cause = read_framing(framing, head);
  if (cause == Cause::none) cause = read_host(wire_target, hosts, host, head);
  if (cause != Cause::none) return cause;
  if (options.named > named_fields_max) return Cause::field_malformed;
  if (options.named > 0 && !drop_named_fields(head.fields, true)) return Cause::connection_names_protected_field;
  if (expects && !equals_lower(expectation, "100-continue")) return Cause::expectation_failed;
  // RFC 9110 10.1.1: ignored in HTTP/1.0, and without meaning where no body follows.
  head.expect_continue = expects && head.minor == 1 && has_body(head);
  head.keep_alive = !options.close && (head.minor == 1 || options.keep_alive);
  return read_upgrade(options, upgrades, protocol, head);
}

HeadStatus HeadParser::parse_request(std::string_view bytes, const HeadLimits& limits, FieldScratch& scratch,
                                     RequestHead& head) noexcept {
  ensure(kind_ == Kind::request && bytes.size() >= seen_);
  if (cause_ != Cause::none) return HeadStatus::refused;
  const bool at_once = seen_ == 0;
  if (phase_ < Phase::field) {
    const HeadStatus status = scan_request_line(bytes, limits);
    if (status != HeadStatus::complete) return status;
    const Cause cause = read_request_line(bytes.data(), head);
    if (cause != Cause::none) return refuse(cause);
  }
  const HeadStatus status = scan_fields(bytes, limits, scratch);
  if (status != HeadStatus::complete) return status;
  if (!at_once) {
    *this = HeadParser(kind_);
    return parse_request(bytes, limits, scratch, head);
  }

  head.fields = {scratch.fields.data(), field_count_};
  head.head_bytes = seen_;
  const std::string_view wire_target(bytes.data() + first_end_ + 1, second_end_ - first_end_ - 1);
  const Cause cause = read_request_fields(wire_target, limits.allow_underscores, head);
  if (cause != Cause::none) return refuse(cause);

  const Reading second = read_with_llhttp(HTTP_REQUEST, bytes.substr(line_, seen_ - line_));
  const bool agreed = second.accepted && second.method == head.method && second.minor == head.minor &&
                      second.chunked == (head.framing == Framing::chunked) &&
                      second.content_length == head.content_length;
  return agreed ? HeadStatus::complete : refuse(Cause::request_malformed);
}

}  // namespace ringmaster::http
