// One value of a setting: what it may be, how it is read from text, how it is written.
//
// A Shape is the part of the settings table that a value is judged by; it knows nothing of where the value is kept.
// Two notations are read and written:
//   plain   as on the command line: 500ms, 8KiB, true, 127.0.0.1:5000
//   toml    as in the file: "500ms", 8192, true, ["127.0.0.1:5000"]
// Pure; nothing here allocates but what it returns.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace ringmaster::config {

enum class Kind : uint8_t {
  boolean,
  integer,
  bytes,       // in the file a number, or text with KiB, MiB, GiB, TiB
  percentage,  // whole
  factor,      // of at most two decimals, kept in hundredths: 1.25 is 125
  duration,    // milliseconds; text with ms, s, m, h; a bare 0 is 0
  choice,
  text,
  list,        // of text
  command,     // a program and its arguments
  replicas,    // [[replicas.static]]
};

// Numbers of every kind are an int64_t.
using Value =
    std::variant<bool, int64_t, std::string, std::vector<std::string>, std::vector<StaticReplica>>;

struct Shape {
  std::string_view key;                             // "timeouts.connect"; in the file [timeouts] connect
  Kind kind = Kind::text;
  std::string_view default_text;                    // plain; lists use default_list
  std::span<const std::string_view> default_list;
  int64_t minimum = 0, maximum = 0;                 // of a number, or of the count of a list's items
  std::string_view unit;                            // of an integer, in words; the other kinds have their own
  std::span<const std::string_view> choices;
  bool (*accepts)(std::string_view) = nullptr;      // text, and each item of a list
  std::string_view form;                            // what accepts() takes, in words
  std::string_view placeholder;                     // text and lists: ADDRESS
  bool zero_is_maximum = false;                     // a 0 is taken, and means the maximum
  bool power_of_two = false;                        // or 0
  bool required = false;                            // columns of [[replicas.static]] without a default
  std::string_view text;                            // for the manual: one or two sentences
};

constexpr bool is_number(Kind kind) {
  return kind == Kind::integer || kind == Kind::bytes || kind == Kind::percentage || kind == Kind::duration ||
         kind == Kind::factor;
}
constexpr bool is_list(Kind kind) { return kind == Kind::list || kind == Kind::command; }

// "500ms" as a duration is 500, "8KiB" as bytes is 8192, "1.25" as a factor is 125. Whole decimal numbers without a
// sign, but for the factor's decimals; nothing where the text is not of that form or the number does not fit. Bounds
// are not looked at.
constexpr std::optional<int64_t> amount(Kind kind, std::string_view text);

// The value as the table takes it, or nothing where it is outside what the shape allows. A 0 that stands for the
// maximum comes back as the maximum.
std::optional<Value> judge(const Shape& shape, Value value);
// The same for a value in plain notation; for lists, of one item, which comes back as a list of one.
std::optional<Value> read_plain(const Shape& shape, std::string_view text);
bool judge_item(const Shape& shape, std::string_view item);

Value default_value(const Shape& shape);

std::string plain_text(const Shape& shape, const Value& value);
std::string toml_text(const Shape& shape, const Value& value);
std::string amount_text(Kind kind, int64_t value);   // "1s"; the largest of h, s, ms that leaves no rest

// "a duration from 1ms to 24h, such as \"1s\"": the end of the sentence "found …; allowed: …".
std::string allowed_text(const Shape& shape);
// "bytes", "%", "duration", or the integer's own; "" where there is none.
std::string_view unit_of(const Shape& shape);
// What stands for the value in help: DURATION, N, same|random, ADDRESS.
std::string placeholder_of(const Shape& shape);

// Control characters escaped: safe to print anywhere.
std::string printable(std::string_view text);
// A TOML basic string with its quotes; printable. Not called `quoted`: for a std::string the compiler looks into std as
// well, and g++ 14's headers bring std::quoted along.
std::string in_quotes(std::string_view text);
// The same, cut to a length that fits into a message.
std::string quoted_short(std::string_view text);

// --- constexpr, for the table's own checks -------------------------------------------------------------------------

struct Suffix {
  Kind kind;
  std::string_view text;
  int64_t factor;
};
inline constexpr Suffix suffixes[] = {
    {Kind::integer, "", 1},
    {Kind::percentage, "", 1},
    {Kind::bytes, "", 1},
    {Kind::bytes, "KiB", int64_t{1} << 10},
    {Kind::bytes, "MiB", int64_t{1} << 20},
    {Kind::bytes, "GiB", int64_t{1} << 30},
    {Kind::bytes, "TiB", int64_t{1} << 40},
    {Kind::duration, "ms", 1},
    {Kind::duration, "s", 1000},
    {Kind::duration, "m", 60'000},
    {Kind::duration, "h", 3'600'000},
};

// `rest` is what follows the digits of the whole number: nothing, or a point and one or two digits.
constexpr std::optional<int64_t> hundredths(int64_t whole, std::string_view rest) {
  int64_t number = 0;
  if (__builtin_mul_overflow(whole, int64_t{100}, &number)) return std::nullopt;
  if (rest.empty()) return number;
  if (rest.size() < 2 || rest.size() > 3 || rest[0] != '.') return std::nullopt;
  int64_t part = 0;
  for (const char c : rest.substr(1)) {
    if (c < '0' || c > '9') return std::nullopt;
    part = part * 10 + (c - '0');
  }
  if (rest.size() == 2) part *= 10;
  if (__builtin_add_overflow(number, part, &number)) return std::nullopt;
  return number;
}

constexpr std::optional<int64_t> amount(Kind kind, std::string_view text) {
  int64_t number = 0;
  size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (__builtin_mul_overflow(number, int64_t{10}, &number)) return std::nullopt;
    if (__builtin_add_overflow(number, int64_t{text[digits] - '0'}, &number)) return std::nullopt;
  }
  if (digits == 0) return std::nullopt;
  const std::string_view rest = text.substr(digits);
  if (kind == Kind::factor) return hundredths(number, rest);
  if (kind == Kind::duration && rest.empty() && number == 0) return 0;
  for (const Suffix& suffix : suffixes) {
    if (suffix.kind != kind || suffix.text != rest) continue;
    if (__builtin_mul_overflow(number, suffix.factor, &number)) return std::nullopt;
    return number;
  }
  return std::nullopt;
}

}  // namespace ringmaster::config
