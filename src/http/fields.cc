#include "http/fields.h"

#include <algorithm>
#include <limits>

#include "http/chars.h"

namespace ringmaster::http {
namespace {

// Length and first letter tell the known names apart: a perfect hash, found while this file is compiled.
constexpr size_t index_size = 128;

constexpr size_t hash_name(size_t length, char first, size_t factor) {
  return (length * factor + static_cast<uint8_t>(first | 0x20)) % index_size;
}

consteval size_t find_factor() {
  for (size_t factor = 1; factor < 4096; ++factor) {
    std::array<bool, index_size> taken{};
    bool clash = false;
    for (const KnownField& field : known_fields) {
      bool& cell = taken[hash_name(field.name.size(), field.name[0], factor)];
      clash = clash || cell;
      cell = true;
    }
    if (!clash) return factor;
  }
  throw "two known fields have the same length and first letter: take another letter into the hash";
}

constexpr size_t factor = find_factor();
constexpr uint8_t nothing = 0xFF;

consteval std::array<uint8_t, index_size> make_index() {
  std::array<uint8_t, index_size> index{};
  index.fill(nothing);
  for (size_t i = 0; i < known_fields.size(); ++i) {
    index[hash_name(known_fields[i].name.size(), known_fields[i].name[0], factor)] = static_cast<uint8_t>(i);
  }
  return index;
}
constexpr std::array<uint8_t, index_size> known_index = make_index();

constexpr std::string_view forwarded_prefix = "x-forwarded-";

// OWS around a value may be tabs by the grammar, but readers of framing fields do not agree on it (HTTP.md R2).
bool has_tab_around(const Field& field) noexcept {
  const char* const value = field.value.data();
  for (const char* at = field.name.data() + field.name.size(); at != value; ++at) {
    if (*at == '\t') return true;
  }
  for (const char* at = value + field.value.size(); is_blank(*at); ++at) {
    if (*at == '\t') return true;
  }
  return false;
}

}  // namespace

FieldKind identify_field(std::string_view name) noexcept {
  const uint8_t i = known_index[hash_name(name.size(), name[0], factor)];
  if (i != nothing && equals_lower(name, known_fields[i].name)) return {known_fields[i].id, known_fields[i].rules};
  if (name.size() > forwarded_prefix.size() && (name[0] | 0x20) == 'x' &&
      equals_lower(name.substr(0, forwarded_prefix.size()), forwarded_prefix)) {
    return {FieldId::x_forwarded_other, protected_field};
  }
  return {};
}

bool is_ambiguous_name(std::string_view name) noexcept {
  std::array<char, 32> normalised;
  const size_t count = std::min(name.size(), normalised.size());
  for (size_t i = 0; i < count; ++i) normalised[i] = name[i] == '_' ? '-' : to_lower(name[i]);
  const std::string_view text(normalised.data(), count);
  if (text.starts_with(forwarded_prefix)) return true;
  return name.size() == count && (text == "content-length" || text == "transfer-encoding");
}

void read_connection(std::string_view value, ConnectionOptions& options) noexcept {
  each_element(value, [&](std::string_view option) {
    if (equals_lower(option, "close")) {
      options.close = true;
    } else if (equals_lower(option, "keep-alive")) {
      options.keep_alive = true;
    } else if (equals_lower(option, "upgrade")) {
      options.upgrade = true;
    } else if (options.named < std::numeric_limits<uint16_t>::max()) {
      ++options.named;
    }
  });
}

bool drop_named_fields(std::span<Field> fields, bool refuse_protected) noexcept {
  bool allowed = true;
  for (const Field& connection : fields) {
    if (connection.id != FieldId::connection) continue;
    each_element(connection.value, [&](std::string_view option) {
      if (!is_token(option)) return;  // names no field
      const uint8_t rules = identify_field(option).rules;
      if ((rules & protected_field) != 0 && refuse_protected) allowed = false;
      if ((rules & hop_by_hop) != 0) return;  // dropped already
      for (Field& field : fields) {
        if (equal_ignoring_case(field.name, option)) field.drop = true;
      }
    });
  }
  return allowed;
}

void FramingFields::add_content_length(const Field& field) noexcept {
  ++content_lengths;
  constexpr uint64_t max = std::numeric_limits<int64_t>::max();
  length = 0;
  length_valid = !field.value.empty() && !has_tab_around(field);
  for (char c : field.value) {
    const auto digit = static_cast<uint64_t>(c - '0');
    if (digit > 9 || length > (max - digit) / 10) {
      length_valid = false;
      return;
    }
    length = length * 10 + digit;
  }
}

void FramingFields::add_transfer_encoding(const Field& field) noexcept {
  ++transfer_encodings;
  if (equals_lower(field.value, "chunked")) {
    coding = has_tab_around(field) ? Coding::invalid : Coding::chunked;
    return;
  }
  coding = Coding::invalid;
  std::string_view list = field.value;
  const size_t comma = list.rfind(',');
  if (comma == std::string_view::npos || !equals_lower(trim(list.substr(comma + 1)), "chunked")) return;
  if (has_tab_around(field) || list.find('\t') != std::string_view::npos) return;
  bool others_valid = true;
  bool any = false;
  list = list.substr(0, comma);
  each_element(list, [&](std::string_view element) {
    any = true;
    others_valid = others_valid && is_token(element) && !equals_lower(element, "chunked");
  });
  if (any && others_valid) coding = Coding::unknown;
}

}  // namespace ringmaster::http
