#include "wire.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ringmaster::perf {

namespace {

constexpr Error malformed{ErrorKind::malformed, 0, "head"};

bool is_name(std::string_view name, std::string_view wanted) noexcept {
  return name.size() == wanted.size() && strncasecmp(name.data(), wanted.data(), wanted.size()) == 0;
}

bool to_number(std::string_view text, uint64_t& number) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Calls visit(name, value) for each field after the start line; false where a line has no colon or visit says false.
template <class Visit>
bool for_each_field(std::string_view head, Visit visit) noexcept {
  size_t at = head.find("\r\n") + 2;
  while (at + 2 < head.size()) {
    const size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    if (!visit(line.substr(0, colon), value)) return false;
    at = end + 2;
  }
  return true;
}

std::string make_pattern() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(1 << 20);
  for (uint32_t line = 0; text.size() < (1 << 20); ++line) {
    for (int shift = 28; shift >= 0; shift -= 4) text += digits[(line >> shift) & 15];
    text += " the quick brown fox jumps over the lazy dogs, again...\n";
  }
  return text;
}

}  // namespace

std::optional<size_t> head_end(std::string_view bytes) noexcept {
  const void* end = memmem(bytes.data(), bytes.size(), "\r\n\r\n", 4);
  if (end == nullptr) return std::nullopt;
  return static_cast<size_t>(static_cast<const char*>(end) - bytes.data()) + 4;
}

Result<RequestHead> parse_request(std::string_view head) noexcept {
  RequestHead request;
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const size_t space = line.find(' ');
  const size_t last = line.rfind(' ');
  if (space == std::string_view::npos || last == space) return std::unexpected(malformed);
  request.method = line.substr(0, space);
  request.target = line.substr(space + 1, last - space - 1);
  request.keep_alive = line.substr(last + 1) == "HTTP/1.1";
  const bool good = for_each_field(head, [&](std::string_view name, std::string_view value) {
    if (is_name(name, "content-length")) return to_number(value, request.body_bytes);
    if (is_name(name, "connection")) request.keep_alive = !is_name(value, "close");
    return !is_name(name, "transfer-encoding");
  });
  if (!good) return std::unexpected(malformed);
  return request;
}

std::string_view request_id(std::string_view target) noexcept {
  constexpr std::string_view key = "request_id=";
  const size_t at = target.find(key);
  return at == std::string_view::npos ? "" : target.substr(at + key.size(), id_digits);
}

Result<AnswerHead> parse_answer(std::string_view head) noexcept {
  AnswerHead answer;
  uint64_t status = 0;
  if (!head.starts_with("HTTP/1.1 ") || !to_number(head.substr(9, 3), status)) return std::unexpected(malformed);
  answer.status = static_cast<uint16_t>(status);
  const bool good = for_each_field(head, [&](std::string_view name, std::string_view value) {
    if (is_name(name, "content-length")) return answer.has_length = to_number(value, answer.body_bytes);
    if (is_name(name, "connection")) answer.keep_alive = !is_name(value, "close");
    if (is_name(name, "x-id")) answer.id = value;
    return !is_name(name, "transfer-encoding");
  });
  if (!good) return std::unexpected(malformed);
  return answer;
}

std::string_view pattern() noexcept {
  static const std::string text = make_pattern();
  return text;
}

bool is_pattern(uint64_t offset, std::string_view bytes) noexcept {
  const std::string_view all = pattern();
  while (!bytes.empty()) {
    const std::string_view here = all.substr(offset % all.size()).substr(0, bytes.size());
    if (std::memcmp(here.data(), bytes.data(), here.size()) != 0) return false;
    offset += here.size();
    bytes.remove_prefix(here.size());
  }
  return true;
}

}  // namespace ringmaster::perf
