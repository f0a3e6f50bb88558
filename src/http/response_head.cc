// What a replica's head means, once its lines are well-formed: rows U1-U19 of the acceptance table.
#include "base/error.h"
#include "http/chars.h"
#include "http/fields.h"
#include "http/head.h"
#include "http/second_reader.h"

namespace ringmaster::http {
namespace {

bool is_informational(uint16_t status) noexcept { return status < 200; }

// The fields alone: what a body would be framed by.
Cause read_framing(const FramingFields& framing, ResponseHead& head) noexcept {
  if (framing.transfer_encodings > 0) {
    const bool chunked = framing.transfer_encodings == 1 && framing.coding == FramingFields::Coding::chunked;
    if (framing.content_lengths > 0 || head.minor == 0 || !chunked) return Cause::response_framing;
    head.framing = Framing::chunked;
    return Cause::none;
  }
  head.framing = Framing::until_close;
  if (framing.content_lengths == 0) return Cause::none;
  if (framing.content_lengths > 1 || !framing.length_valid) return Cause::response_framing;
  head.framing = Framing::length;
  head.content_length = head.declared_length = framing.length;
  head.has_content_length = true;
  return Cause::none;
}

// RFC 9112 6.3, cases 1 and 2.
void leave_out_body(llhttp_method_t request_method, ResponseHead& head) noexcept {
  const bool never_has_one = is_informational(head.status) || head.status == 204;
  if (!never_has_one && head.status != 304 && request_method != HTTP_HEAD) return;
  if (never_has_one) {
    // Where it announces a body all the same, whether bytes will follow is anybody's guess.
    if (head.framing == Framing::chunked || head.content_length > 0) head.keep_alive = false;
    head.has_content_length = false;
    head.declared_length = 0;
  }
  head.framing = Framing::none;
  head.content_length = 0;
}

}  // namespace

Cause HeadParser::read_response_fields(llhttp_method_t request_method, ResponseHead& head) const noexcept {
  ConnectionOptions options;
  FramingFields framing;
  uint16_t upgrades = 0;
  std::string_view protocol;
  for (Field& field : head.fields) {
    const FieldKind kind = identify_field(field.name);
    field.id = kind.id;
    field.drop = (kind.rules & (hop_by_hop | rewritten_response)) != 0;
    switch (kind.id) {
      case FieldId::connection: read_connection(field.value, options); break;
      case FieldId::content_length: framing.add_content_length(field); break;
      case FieldId::transfer_encoding: framing.add_transfer_encoding(field); break;
      case FieldId::upgrade: ++upgrades; protocol = field.value; break;
      default: break;
    }
  }
  const Cause cause = read_framing(framing, head);
  if (cause != Cause::none) return cause;
  if (options.named > named_fields_max) return Cause::response_malformed;
  if (options.named > 0) drop_named_fields(head.fields, false);
  head.keep_alive = !options.close && (head.minor == 1 || options.keep_alive);
  head.upgrade_websocket = head.status == 101 && head.minor == 1 && options.upgrade && upgrades == 1 &&
                           equals_lower(protocol, "websocket");
  leave_out_body(request_method, head);
  if (head.framing == Framing::until_close || head.status == 101) head.keep_alive = false;
  return Cause::none;
}

HeadStatus HeadParser::parse_response(std::string_view bytes, llhttp_method_t request_method, const HeadLimits& limits,
                                      FieldScratch& scratch, ResponseHead& head) noexcept {
  ensure(kind_ == Kind::response && bytes.size() >= seen_);
  if (cause_ != Cause::none) return HeadStatus::refused;
  const bool at_once = seen_ == 0;
  if (phase_ < Phase::field) {
    const HeadStatus status = scan_status_line(bytes, limits);
    if (status != HeadStatus::complete) return status;
  }
  const HeadStatus status = scan_fields(bytes, limits, scratch);
  if (status != HeadStatus::complete) return status;
  if (!at_once) {
    *this = HeadParser(kind_);
    return parse_response(bytes, request_method, limits, scratch, head);
  }

  const char* const base = bytes.data();
  head = ResponseHead{};
  head.minor = minor_;
  const char* const digits = base + first_end_ + 1;
  head.status = static_cast<uint16_t>((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
  head.reason = trim({base + second_end_, fields_ - 2 - second_end_});
  head.fields = {scratch.fields.data(), field_count_};
  head.head_bytes = seen_;
  const Cause cause = read_response_fields(request_method, head);
  if (cause != Cause::none) return refuse(cause);

  const Reading second = read_with_llhttp(HTTP_RESPONSE, bytes.substr(0, seen_));
  const bool same_body = head.framing == Framing::none || (second.chunked == (head.framing == Framing::chunked) &&
                                                           second.content_length == head.content_length);
  const bool agreed = second.accepted && second.status == head.status && second.minor == head.minor && same_body &&
                      second.transfer_encoding == second.chunked;
  return agreed ? HeadStatus::complete : refuse(Cause::response_malformed);
}

}  // namespace ringmaster::http
