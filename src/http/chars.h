// Which bytes may stand where: one table for all grammars of this room, and the two loops that run over most bytes.
//
// Everything here reads only inside the span that it is given.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringmaster::http {

enum CharClass : uint8_t {
  token_char = 1,       // RFC 9110 5.6.2, but for '_'
  underscore_char = 2,  // '_' is a token character too; names that have it are dropped, so the scan takes note
  target_char = 4,      // see is_target_char
  host_char = 8,        // reg-name of RFC 3986 3.2.2 without ',' (which would make a list) and without '%'
  digit_char = 16,
  alpha_char = 32,
  text_char = 64,       // field values and reasons: HTAB, SP, VCHAR, obs-text (RFC 9110 5.5)
  hex_char = 128,
};

namespace internal {
consteval std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  const auto mark = [&](std::string_view bytes, int bits) {
    for (char c : bytes) classes[static_cast<uint8_t>(c)] |= static_cast<uint8_t>(bits);
  };
  for (int c = 'a'; c <= 'z'; ++c) classes[c] |= token_char | host_char | alpha_char;
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] |= token_char | host_char | alpha_char;
  mark("0123456789", token_char | host_char | digit_char | hex_char);
  mark("abcdefABCDEF", hex_char);
  mark("!#$%&'*+-.^`|~", token_char);
  mark("_", underscore_char);
  mark("-._~!$&'()*+;=", host_char);  // '_' among them
  for (int c = 0x21; c < 0x7F; ++c) {
    if (c != '#') classes[c] |= target_char;
  }
  for (int c = 0x20; c <= 0xFF; ++c) {
    if (c != 0x7F) classes[c] |= text_char;
  }
  classes['\t'] |= text_char;
  return classes;
}
}  // namespace internal

inline constexpr std::array<uint8_t, 256> char_classes = internal::make_classes();

inline uint8_t class_of(char c) noexcept { return char_classes[static_cast<uint8_t>(c)]; }
inline bool is_token_char(char c) noexcept { return (class_of(c) & (token_char | underscore_char)) != 0; }
// A request target may have every visible ASCII character but '#'. RFC 3986 does not know "<>\^`{|} either, but
// browsers send most of them in queries, and with all of them a target has still one reading only; the line is drawn
// where HAProxy draws it by default. Refused: controls, space, '#', DEL, and every byte from 0x80.
inline bool is_target_char(char c) noexcept { return (class_of(c) & target_char) != 0; }
inline bool is_digit(char c) noexcept { return (class_of(c) & digit_char) != 0; }
inline bool is_alpha(char c) noexcept { return (class_of(c) & alpha_char) != 0; }
inline bool is_text_char(char c) noexcept { return (class_of(c) & text_char) != 0; }
inline bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
inline char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

inline bool is_token(std::string_view text) noexcept {
  for (char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}

// The first byte that is no text_char, or `end`. Eight bytes at a time: values are most of a head.
inline const char* skip_text(const char* at, const char* end) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr uint64_t ones = 0x0101010101010101;
    while (end - at >= 8) {
      uint64_t word;
      std::memcpy(&word, at, sizeof word);
      // A high bit for each byte below 0x20 and for each 0x7F. A borrow may raise false bits, but only above a true
      // one, so that the lowest bit is always right.
      const uint64_t below = (word - ones * 0x20) & ~word;
      const uint64_t unlike_delete = word ^ (ones * 0x7F);
      const uint64_t deletes = (unlike_delete - ones) & ~unlike_delete;
      const uint64_t hits = (below | deletes) & (ones * 0x80);
      if (hits == 0) {
        at += 8;
        continue;
      }
      at += std::countr_zero(hits) / 8;
      if (*at != '\t') return at;
      ++at;
    }
  }
  while (at < end && is_text_char(*at)) ++at;
  return at;
}

inline std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

inline bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

// `text` has only text_chars, `lower` only [a-z0-9-]: then setting the case bit of every byte compares exactly, since
// what else would become one of these ('\r' -> '-', 0x10 -> '0', …) is a control.
inline bool equals_lower(std::string_view text, std::string_view lower) noexcept {
  if (text.size() != lower.size()) return false;
  const char* a = text.data();
  const char* b = lower.data();
  size_t left = text.size();
  for (; left >= 8; a += 8, b += 8, left -= 8) {
    uint64_t x, y;
    std::memcpy(&x, a, 8);
    std::memcpy(&y, b, 8);
    if ((x | 0x2020202020202020) != y) return false;
  }
  for (; left > 0; ++a, ++b, --left) {
    if ((*a | 0x20) != *b) return false;
  }
  return true;
}

// The elements of a comma-separated list, trimmed, empty ones left out (RFC 9110 5.6.1): visit(element).
template <class Visit>
void each_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    if (!element.empty()) visit(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace ringmaster::http
