// The strict scan: RFC 9112 sections 2 to 5 with every choice made for refusal. CRLF ends every line; no white space
// before names or colons, no folding, no empty names; tokens, targets and text as chars.h has them.
//
// One pass in three functions, each a row of phases. A phase that runs out of bytes leaves its mark in phase_ and
// seen_, and the next call goes on there. Limits are the end of what a phase may look at, so that a line which never
// ends is refused as soon as the limit is full, and a wrong byte before the limit is what is reported.
#include <algorithm>
#include <type_traits>

#include "http/chars.h"
#include "http/head.h"

namespace ringmaster::http {

// Parked with every connection whose head is incomplete.
static_assert(sizeof(HeadParser) <= 32 && std::is_trivially_copyable_v<HeadParser>);

namespace {

constexpr std::string_view version_prefix = "HTTP/1.";

// "HTTP/1.0" and "HTTP/1.1" are spoken here. Something else that looks like a version is one that is not supported.
Cause judge_version(std::string_view text, uint8_t& minor) noexcept {
  if (text.size() == version_prefix.size() + 1 && text.starts_with(version_prefix) &&
      (text.back() == '0' || text.back() == '1')) {
    minor = static_cast<uint8_t>(text.back() - '0');
    return Cause::none;
  }
  const size_t slash = text.find('/');
  const bool like_version = slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() &&
                            std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(slash), is_alpha) &&
                            is_digit(text[slash + 1]) && is_digit(text.back());
  return like_version ? Cause::version_not_supported : Cause::request_line_malformed;
}

bool is_version_char(char c) noexcept { return is_alpha(c) || is_digit(c) || c == '/' || c == '.'; }

}  // namespace

HeadStatus HeadParser::refuse(Cause cause) noexcept {
  cause_ = cause;
  return HeadStatus::refused;
}

HeadStatus HeadParser::run_out(size_t at, size_t bound, Cause limit) noexcept {
  if (at >= bound) return refuse(limit);
  seen_ = static_cast<uint32_t>(at);
  return HeadStatus::incomplete;
}

HeadStatus HeadParser::scan_request_line(std::string_view bytes, const HeadLimits& limits) noexcept {
  const char* const base = bytes.data();
  const char* const end = base + bytes.size();
  const char* at = base + seen_;
  if (phase_ == Phase::begin) {
    if (at == end) return HeadStatus::incomplete;
    phase_ = *at == '\r' ? Phase::blank_line_feed : Phase::first_token;
    if (*at == '\r') ++at;
  }
  if (phase_ == Phase::blank_line_feed) {
    if (at == end) return run_out(bytes.size(), SIZE_MAX, Cause::none);
    if (*at != '\n') return refuse(Cause::request_malformed);
    ++at;
    line_ = static_cast<uint32_t>(at - base);
    phase_ = Phase::first_token;
  }

  const char* const line = base + line_;
  const size_t bound = size_t{line_} + limits.request_line_bytes;
  const char* const stop = base + std::min(bytes.size(), bound);
  const auto pause = [&] { return run_out(static_cast<size_t>(at - base), bound, Cause::request_line_too_long); };
  if (phase_ == Phase::first_token) {
    while (at < stop && is_token_char(*at)) ++at;
    if (at >= stop) return pause();
    if (*at != ' ' || at == line) return refuse(Cause::request_line_malformed);
    first_end_ = static_cast<uint32_t>(at - base);
    ++at;
    phase_ = Phase::second_token;
  }
  if (phase_ == Phase::second_token) {
    while (at < stop && is_target_char(*at)) ++at;
    if (at >= stop) return pause();
    if (*at == '#' || static_cast<uint8_t>(*at) >= 0x80) return refuse(Cause::target_invalid);
    if (*at != ' ' || at == base + first_end_ + 1) return refuse(Cause::request_line_malformed);
    second_end_ = static_cast<uint32_t>(at - base);
    ++at;
    phase_ = Phase::third_token;
  }
  if (phase_ == Phase::third_token) {
    while (at < stop && is_version_char(*at)) ++at;
    if (at >= stop) return pause();
    if (*at != '\r') return refuse(Cause::request_line_malformed);
    const char* const version = base + second_end_ + 1;
    const Cause cause = judge_version({version, static_cast<size_t>(at - version)}, minor_);
    if (cause != Cause::none) return refuse(cause);
    ++at;
    phase_ = Phase::line_feed;
  }
  if (at >= stop) return pause();
  if (*at != '\n') return refuse(Cause::request_line_malformed);
  ++at;
  seen_ = fields_ = static_cast<uint32_t>(at - base);
  phase_ = Phase::field;
  return HeadStatus::complete;
}

HeadStatus HeadParser::scan_status_line(std::string_view bytes, const HeadLimits& limits) noexcept {
  const char* const base = bytes.data();
  const size_t bound = limits.request_line_bytes;
  const char* const stop = base + std::min(bytes.size(), bound);
  const char* at = base + seen_;
  const auto pause = [&] { return run_out(static_cast<size_t>(at - base), bound, Cause::response_too_large); };
  if (phase_ == Phase::begin) phase_ = Phase::first_token;
  if (phase_ == Phase::first_token) {
    for (; at < stop; ++at) {
      const auto i = static_cast<size_t>(at - base);
      if (i < version_prefix.size() && *at == version_prefix[i]) continue;
      if (i == version_prefix.size() && (*at == '0' || *at == '1')) continue;
      if (i == version_prefix.size() + 1 && *at == ' ') break;
      const bool other_version = i >= 5 && is_digit(*at);  // "HTTP/" and other digits
      return refuse(other_version ? Cause::response_version : Cause::response_malformed);
    }
    if (at >= stop) return pause();
    minor_ = static_cast<uint8_t>(at[-1] - '0');
    first_end_ = static_cast<uint32_t>(at - base);
    ++at;
    phase_ = Phase::second_token;
  }
  if (phase_ == Phase::second_token) {
    const char* const status = base + first_end_ + 1;
    while (at < stop && at < status + 3 && is_digit(*at)) ++at;
    if (at >= stop) return pause();
    // The space behind the status is the grammar's even where there is no reason, but it is left out by some servers.
    if (at != status + 3 || (*at != ' ' && *at != '\r')) return refuse(Cause::response_malformed);
    if (*status < '1' || *status > '5') return refuse(Cause::response_status);
    second_end_ = static_cast<uint32_t>(at - base);
    if (*at == ' ') ++at;
    phase_ = Phase::third_token;
  }
  if (phase_ == Phase::third_token) {
    at = skip_text(at, stop);
    if (at >= stop) return pause();
    if (*at != '\r') return refuse(Cause::response_malformed);
    ++at;
    phase_ = Phase::line_feed;
  }
  if (at >= stop) return pause();
  if (*at != '\n') return refuse(Cause::response_malformed);
  ++at;
  seen_ = fields_ = static_cast<uint32_t>(at - base);
  phase_ = Phase::field;
  return HeadStatus::complete;
}

HeadStatus HeadParser::scan_fields(std::string_view bytes, const HeadLimits& limits,
                                   FieldScratch& scratch) noexcept {
  const bool request = kind_ == Kind::request;
  const Cause malformed = request ? Cause::field_malformed : Cause::response_malformed;
  const char* const base = bytes.data();
  const size_t bound = size_t{fields_} + limits.header_bytes + 2;  // the empty line comes on top
  const char* const stop = base + std::min(bytes.size(), bound);
  const char* at = base + seen_;
  const char* token = base + token_;
  const uint16_t count_max = std::min(limits.header_count, fields_max);
  Field* field = scratch.fields.data() + field_count_;
  Phase phase = phase_;
  const auto pause = [&] {
    phase_ = phase;
    token_ = static_cast<uint32_t>(token - base);
    return run_out(static_cast<size_t>(at - base), bound,
                   request ? Cause::fields_too_large : Cause::response_too_large);
  };

  for (;;) {
    switch (phase) {
      case Phase::field:
        if (at >= stop) return pause();
        if (*at == '\r') {
          ++at;
          phase = Phase::last_line_feed;
          continue;
        }
        if (field_count_ == count_max && is_token_char(*at)) {
          return refuse(request ? Cause::too_many_fields : Cause::response_too_large);
        }
        token = at;
        phase = Phase::name;
        [[fallthrough]];
      case Phase::name: {
        uint8_t classes = 0;
        for (; at < stop && is_token_char(*at); ++at) classes |= class_of(*at);
        if (at >= stop) return pause();
        if (*at != ':' || at == token) return refuse(malformed);
        field->name = {token, static_cast<size_t>(at - token)};
        field->drop = (classes & underscore_char) != 0;
        ++at;
        phase = Phase::space;
        [[fallthrough]];
      }
      case Phase::space:
        while (at < stop && is_blank(*at)) ++at;
        if (at >= stop) return pause();
        token = at;
        phase = Phase::value;
        [[fallthrough]];
      case Phase::value: {
        at = skip_text(at, stop);
        if (at >= stop) return pause();
        if (*at != '\r') return refuse(malformed);
        const char* value_end = at;
        while (value_end > token && is_blank(value_end[-1])) --value_end;
        field->value = {token, static_cast<size_t>(value_end - token)};
        ++at;
        phase = Phase::value_line_feed;
        [[fallthrough]];
      }
      case Phase::value_line_feed:
        if (at >= stop) return pause();
        if (*at != '\n') return refuse(malformed);
        ++at;
        ++field;
        ++field_count_;
        phase = Phase::field;
        continue;
      default:
        if (at >= stop) return pause();
        if (*at != '\n') return refuse(malformed);
        ++at;
        phase_ = Phase::done;
        seen_ = static_cast<uint32_t>(at - base);
        return HeadStatus::complete;
    }
  }
}

}  // namespace ringmaster::http
