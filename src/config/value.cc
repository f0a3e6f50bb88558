#include "config/value.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace ringmaster::config {

namespace {

constexpr size_t text_bytes_max = 4096;   // PATH_MAX; nothing that the table takes is longer
constexpr size_t message_bytes_max = 60;  // of a value that is quoted in a message

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool in_bounds(const Shape& shape, int64_t number) {
  if (number == 0 && shape.zero_is_maximum) return true;
  if (number < shape.minimum || number > shape.maximum) return false;
  return !shape.power_of_two || (number & (number - 1)) == 0;
}

bool is_choice(const Shape& shape, std::string_view text) {
  return std::find(shape.choices.begin(), shape.choices.end(), text) != shape.choices.end();
}

bool count_in_bounds(const Shape& shape, size_t count) {
  return count >= static_cast<size_t>(shape.minimum) && count <= static_cast<size_t>(shape.maximum);
}

std::string toml_list(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + in_quotes(item);
  return "[" + text + "]";
}

std::string toml_list(const std::vector<StaticReplica>& replicas) {
  std::string text;
  for (const StaticReplica& replica : replicas) {
    text += fmt::format("{}{{name = {}, address = {}, weight = {}}}", text.empty() ? "" : ", ",
                        in_quotes(replica.name), in_quotes(replica.address), replica.weight);
  }
  return "[" + text + "]";
}

std::string count_text(const Shape& shape) {
  if (shape.minimum == 0) return fmt::format("at most {}", shape.maximum);
  return fmt::format("{} to {}", shape.minimum, shape.maximum);
}

std::string choices_text(const Shape& shape, std::string_view between) {
  std::string text;
  for (const std::string_view choice : shape.choices) {
    if (!text.empty()) text += between;
    text += choice;
  }
  return text;
}

std::string bounds_text(const Shape& shape) {
  return fmt::format("from {} to {}{}", amount_text(shape.kind, shape.minimum), amount_text(shape.kind, shape.maximum),
                     shape.zero_is_maximum ? ", or 0 for the most" : "");
}

}  // namespace

bool judge_item(const Shape& shape, std::string_view item) {
  if (item.size() > text_bytes_max || std::any_of(item.begin(), item.end(), is_control)) return false;
  return shape.accepts == nullptr || shape.accepts(item);
}

std::optional<Value> judge(const Shape& shape, Value value) {
  if (is_number(shape.kind)) {
    const int64_t* number = std::get_if<int64_t>(&value);
    if (!number || !in_bounds(shape, *number)) return std::nullopt;
    return *number == 0 && shape.zero_is_maximum ? Value(shape.maximum) : value;
  }
  if (is_list(shape.kind)) {
    const auto* items = std::get_if<std::vector<std::string>>(&value);
    if (!items || !count_in_bounds(shape, items->size())) return std::nullopt;
    const bool all =
        std::all_of(items->begin(), items->end(), [&](const auto& item) { return judge_item(shape, item); });
    return all ? std::optional(std::move(value)) : std::nullopt;
  }
  bool good = false;
  if (const auto* text = std::get_if<std::string>(&value)) {
    good = shape.kind == Kind::choice ? is_choice(shape, *text) : shape.kind == Kind::text && judge_item(shape, *text);
  } else if (const auto* replicas = std::get_if<std::vector<StaticReplica>>(&value)) {
    good = shape.kind == Kind::replicas && count_in_bounds(shape, replicas->size());
  } else {
    good = shape.kind == Kind::boolean && std::holds_alternative<bool>(value);
  }
  return good ? std::optional(std::move(value)) : std::nullopt;
}

std::optional<Value> read_plain(const Shape& shape, std::string_view text) {
  if (is_number(shape.kind)) {
    const auto number = amount(shape.kind, text);
    return number ? judge(shape, *number) : std::nullopt;
  }
  if (shape.kind == Kind::boolean) {
    if (text == "true") return Value(true);
    if (text == "false") return Value(false);
    return std::nullopt;
  }
  if (is_list(shape.kind)) {
    if (!judge_item(shape, text)) return std::nullopt;
    return Value(std::vector<std::string>{std::string(text)});
  }
  return judge(shape, std::string(text));
}

Value default_value(const Shape& shape) {
  if (shape.kind == Kind::replicas) return std::vector<StaticReplica>{};
  if (is_list(shape.kind)) return std::vector<std::string>(shape.default_list.begin(), shape.default_list.end());
  std::optional<Value> value = read_plain(shape, shape.default_text);
  ensure(value.has_value());
  return *std::move(value);
}

std::string amount_text(Kind kind, int64_t value) {
  if (kind == Kind::factor && value % 100 != 0) {
    std::string text = fmt::format("{}.{:02}", value / 100, value % 100);
    if (text.back() == '0') text.pop_back();
    return text;
  }
  if (kind == Kind::factor) return fmt::format("{}", value / 100);
  if (kind != Kind::duration || value == 0) return fmt::format("{}", value);
  if (value % 3'600'000 == 0) return fmt::format("{}h", value / 3'600'000);
  if (value % 1000 == 0) return fmt::format("{}s", value / 1000);
  return fmt::format("{}ms", value);
}

std::string plain_text(const Shape& shape, const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value)) return amount_text(shape.kind, *number);
  return toml_text(shape, value);
}

std::string toml_text(const Shape& shape, const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* items = std::get_if<std::vector<std::string>>(&value)) return toml_list(*items);
  if (const auto* replicas = std::get_if<std::vector<StaticReplica>>(&value)) return toml_list(*replicas);
  const std::string text = plain_text(shape, value);
  return std::holds_alternative<int64_t>(value) && shape.kind != Kind::duration ? text : in_quotes(text);
}

std::string allowed_text(const Shape& shape) {
  switch (shape.kind) {
    case Kind::boolean: return "true or false";
    case Kind::integer:
      if (shape.power_of_two) return fmt::format("0 or a power of two up to {}", shape.maximum);
      return "a whole number " + bounds_text(shape);
    case Kind::percentage: return "a whole percentage " + bounds_text(shape);
    case Kind::factor: return "a number of at most two decimals " + bounds_text(shape);
    case Kind::bytes: return "bytes " + bounds_text(shape) + ", such as 8192 or \"8KiB\"";
    case Kind::duration: return "a duration " + bounds_text(shape) + ", such as \"500ms\", \"1s\" or \"1h\"";
    case Kind::choice: return choices_text(shape, " | ");
    case Kind::text: return std::string(shape.form);
    case Kind::list:
    case Kind::command: return fmt::format("a list of {} {}", count_text(shape), shape.form);
    case Kind::replicas:
      return fmt::format("{} tables [[{}]] with name, address and weight", count_text(shape), shape.key);
  }
  return {};
}

std::string_view unit_of(const Shape& shape) {
  switch (shape.kind) {
    case Kind::bytes: return "bytes";
    case Kind::percentage: return "%";
    case Kind::duration: return "duration";
    default: return shape.unit;
  }
}

std::string placeholder_of(const Shape& shape) {
  switch (shape.kind) {
    case Kind::boolean: return "true|false";
    case Kind::integer: return "N";
    case Kind::factor: return "FACTOR";
    case Kind::bytes: return "BYTES";
    case Kind::percentage: return "PERCENT";
    case Kind::duration: return "DURATION";
    case Kind::choice: return choices_text(shape, "|");
    default: return std::string(shape.placeholder);
  }
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_control(c)) out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return printable(out += '"');
}

std::string quoted_short(std::string_view text) {
  if (text.size() <= message_bytes_max) return in_quotes(text);
  size_t cut = message_bytes_max;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // not inside a UTF-8 character
  return in_quotes(text.substr(0, cut)) + "…";
}

}  // namespace ringmaster::config
