// A table as text, for a file: to be compared, kept, and read back. Lines, each ended by LF:
//
//   ringmaster-table 1
//   kind rendezvous
//   slots 65536                  for ketama the number of points
//   virtual-nodes 9
//   probing linear
//   digest 0123456789abcdef      sixteen hexadecimal digits
//   members 3
//   1 S1                         weight and name, in joining order; a byte of the name outside "!".."~", and "%"
//   ...                          itself, is written as "%" and two hexadecimal digits
//   depth 3                      members in each of the lines to come: the owner and the fall-backs
//   0 2 1                        for each slot: indexes into the members from 0, or "-" where no member is ready;
//   ...                          for ketama the point's hash comes first, in decimal
//   end
#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_set>

#include "balance/table.h"

namespace ringmaster::balance {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

void append(std::string& text, uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  text.append(digits, end);
}

void append_name(std::string& text, std::string_view name) {
  for (const char c : name) {
    if (c > ' ' && c <= '~' && c != '%') {
      text += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      text += {'%', hex_digits[byte >> 4], hex_digits[byte & 15]};
    }
  }
}

std::string hex(uint64_t number) {
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; number >>= 4) text[i] = hex_digits[number & 15];
  return text;
}

// Takes the text apart from the front. After the first thing that does not fit, everything fails.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return rest_.empty(); }

  void expect(std::string_view exact) {
    if (rest_.starts_with(exact)) rest_.remove_prefix(exact.size());
    else good_ = false;
  }
  uint32_t number(uint32_t least, uint32_t most) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{} || value < least || value > most) {
      good_ = false;
      return least;
    }
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  std::string_view word() {   // up to the end of the line
    const std::string_view found = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(found.size());
    return found;
  }
  std::string name() {
    std::string name;
    const std::string_view escaped = word();
    for (size_t i = 0; i < escaped.size(); ++i) {
      if (escaped[i] != '%') {
        name += escaped[i];
        continue;
      }
      const auto digit = [&](size_t at) {
        return at < escaped.size() ? hex_digits.find(escaped[at]) : std::string_view::npos;
      };
      const size_t high = digit(i + 1), low = digit(i + 2);
      if (high == std::string_view::npos || low == std::string_view::npos) {
        good_ = false;
        return name;
      }
      name += static_cast<char>(high << 4 | low);
      i += 2;
    }
    good_ &= !name.empty();
    return name;
  }
  void fail() { good_ = false; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

void read_settings(Reader& reader, TableSettings& settings, Places& places) {
  reader.expect("ringmaster-table 1\nkind ");
  const auto kind = table_kind(reader.word());
  if (!kind) return reader.fail();
  settings.kind = *kind;
  reader.expect("\nslots ");
  places.slots = reader.number(1, settings.kind == TableKind::ketama ? points_max : slots_max);
  settings.slots = settings.kind == TableKind::ketama ? 0 : places.slots;
  reader.expect("\nvirtual-nodes ");
  settings.virtual_nodes = reader.number(1, UINT32_MAX);
  reader.expect("\nprobing ");
  const auto found = probing(reader.word());
  if (!found) return reader.fail();
  settings.probing = *found;
}

void read_places(Reader& reader, bool with_points, uint32_t members, Places& places) {
  places.stride = places.slots;
  places.members.assign(size_t{places.slots} * places.depth, no_member);
  std::array<uint16_t, fallbacks_max + 1> row;
  for (uint32_t slot = 0; slot < places.slots && reader.good(); ++slot) {
    if (with_points) {
      const uint32_t least = places.points.empty() ? 0 : places.points.back();
      places.points.push_back(reader.number(least, UINT32_MAX));
      reader.expect(" ");
    }
    for (uint32_t depth = 0; depth < places.depth && reader.good(); ++depth) {
      if (depth > 0) reader.expect(" ");
      const auto seen = row.begin() + depth;
      if (members == 0) {
        reader.expect("-");
        continue;
      }
      *seen = static_cast<uint16_t>(reader.number(0, members - 1));
      if (std::find(row.begin(), seen, *seen) != seen) reader.fail();
      places.members[size_t{depth} * places.slots + slot] = *seen;
    }
    reader.expect("\n");
  }
}

}  // namespace

std::string Table::text() const {
  std::string text = "ringmaster-table 1\nkind " + std::string(name_of(settings_.kind));
  text += "\nslots " + std::to_string(places_.slots);
  text += "\nvirtual-nodes " + std::to_string(settings_.virtual_nodes);
  text += "\nprobing " + std::string(name_of(settings_.probing));
  text += "\ndigest " + hex(digest());
  text += "\nmembers " + std::to_string(members_.size()) + '\n';
  for (size_t i = 0; i < members_.size(); ++i) {
    append(text, weights_[i]);
    text += ' ';
    append_name(text, members_[i]);
    text += '\n';
  }
  text += "depth " + std::to_string(places_.depth) + '\n';
  for (uint32_t slot = 0; slot < places_.slots; ++slot) {
    if (!places_.points.empty()) {
      append(text, places_.points[slot]);
      text += ' ';
    }
    for (uint32_t depth = 0; depth < places_.depth; ++depth) {
      if (depth > 0) text += ' ';
      const uint16_t member = places_.member(depth, slot);
      if (member == no_member) text += '-';
      else append(text, member);
    }
    text += '\n';
  }
  text += "end\n";
  return text;
}

Result<Table> Table::from_text(std::string_view text) {
  const auto malformed = std::unexpected(Error{ErrorKind::malformed, 0, "read a table"});
  Reader reader(text);
  Table table;
  read_settings(reader, table.settings_, table.places_);
  reader.expect("\ndigest ");
  const std::string digest(reader.word());
  reader.expect("\nmembers ");
  const uint32_t members = reader.number(0, members_max);
  reader.expect("\n");
  std::unordered_set<std::string> names;
  for (uint32_t i = 0; i < members && reader.good(); ++i) {
    table.weights_.push_back(reader.number(1, weight_max));
    reader.expect(" ");
    table.members_.push_back(reader.name());
    if (!names.insert(table.members_.back()).second) reader.fail();
    reader.expect("\n");
  }
  reader.expect("depth ");
  table.places_.depth = reader.number(1, fallbacks_max + 1);
  reader.expect("\n");
  const uint32_t depth = std::clamp<uint32_t>(members, 1, fallbacks_max + 1);
  // Each cell takes two bytes at least: a short text cannot ask for a large table.
  if (!reader.good() || table.places_.depth != depth || text.size() / 2 < size_t{depth} * table.places_.slots) {
    return malformed;
  }
  const bool with_points = table.settings_.kind == TableKind::ketama && members > 0;
  read_places(reader, with_points, members, table.places_);
  reader.expect("end\n");
  if (!reader.good() || !reader.at_end()) return malformed;
  table.index_points();
  if (hex(table.digest()) != digest) return malformed;
  return table;
}

}  // namespace ringmaster::balance
