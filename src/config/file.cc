// The TOML file. toml++ reads the notation, the settings table judges what it says.

#include <algorithm>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "config/draft.h"

namespace ringmaster::config {

namespace {

// toml++ builds and frees nested tables by recursion. It bounds nested values (256) but not the parts of a dotted
// key (before 3.4), and a key of 60,000 parts ends the program. So the dots outside text are counted first, for each
// line, since a key cannot go over a line's end. Real files have two; numbers and dates bring a few.
constexpr uint32_t dots_on_a_line_max = 16;

class DotGuard {
 public:
  // The line with too many, or 0.
  uint32_t first_bad_line(std::string_view text) {
    uint32_t line = 1, dots = 0;
    for (size_t i = 0; i < text.size(); i += step(text.substr(i))) {
      if (text[i] == '\n') {
        ++line;
        dots = 0;
      } else if (end_.empty() && text[i] == '.' && ++dots > dots_on_a_line_max) {
        return line;
      }
    }
    return 0;
  }

 private:
  // How many bytes belong together at the front; keeps track of whether they are inside text or a comment.
  size_t step(std::string_view rest) {
    if (end_.empty()) {
      for (const std::string_view quote : {"\"\"\"", "'''", "\"", "'"}) {
        if (!rest.starts_with(quote)) continue;
        end_ = quote;
        return quote.size();
      }
      if (rest.front() == '#') end_ = "\n";
      return 1;
    }
    if (rest.front() == '\\' && end_.front() == '"') return rest.size() > 1 && rest[1] != '\n' ? 2 : 1;
    if (rest.starts_with(end_)) return end_here(rest);
    // Text on one line ends with it, be it closed or not (then toml++ refuses it).
    if (rest.front() == '\n' && end_.size() == 1) end_ = {};
    return 1;
  }

  size_t end_here(std::string_view rest) {
    size_t size = end_.size();
    // """ may be preceded by one or two quotes that belong to the text.
    while (end_.size() == 3 && size < 5 && size < rest.size() && rest[size] == end_.front()) ++size;
    end_ = {};
    return size;
  }

  std::string_view end_;   // what ends the text or comment that we are in; empty outside
};

Place place_of(const toml::source_region& region) {
  return {Source::file, region.begin.line, region.begin.column};
}

std::string found_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return quoted_short(**text);
  if (const auto* number = node.as_integer()) return fmt::format("{}", **number);
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", **number);
  if (const auto* flag = node.as_boolean()) return **flag ? "true" : "false";
  if (const auto* array = node.as_array()) return array->empty() ? "an empty list" : "a list";
  return node.is_table() ? "a table" : "a date or time";
}

// A single value of the right type and within its bounds, or nothing.
std::optional<Value> read_scalar(const Shape& shape, const toml::node& node) {
  const Kind kind = shape.kind;
  if (const auto* text = node.as_string()) {
    const bool fits = kind == Kind::text || kind == Kind::choice || kind == Kind::duration || kind == Kind::bytes;
    return fits ? read_plain(shape, **text) : std::nullopt;
  }
  if (const auto* number = node.as_integer()) {
    if (kind == Kind::factor) return read_plain(shape, fmt::format("{}", **number));
    const bool fits = is_number(kind) && (kind != Kind::duration || **number == 0);
    return fits ? judge(shape, **number) : std::nullopt;
  }
  if (const auto* number = node.as_floating_point()) {
    // The shortest text that is this number: as it stands in the file, but for zeros at its end.
    return kind == Kind::factor ? read_plain(shape, fmt::format("{}", **number)) : std::nullopt;
  }
  const auto* flag = node.as_boolean();
  return flag && kind == Kind::boolean ? std::optional<Value>(**flag) : std::nullopt;
}

class FileReader {
 public:
  explicit FileReader(Draft& draft) : draft_(draft) {}

  void read(const toml::table& root) {
    for (auto&& [key, node] : root) read_section(key, node);
  }

 private:
  void read_section(const toml::key& key, const toml::node& node) {
    const auto all = sections();
    if (std::ranges::none_of(all, [&](const Section& section) { return section.name == key.str(); })) {
      return draft_.refuse(place_of(key.source()), key.str(), unknown_text(key.str()));
    }
    const toml::table* table = node.as_table();
    if (!table) {
      return draft_.refuse_value(place_of(node.source()), key.str(), found_text(node),
                                 fmt::format("a section of settings, [{}]", key.str()));
    }
    for (auto&& [inner_key, inner_node] : *table) read_setting(key.str(), inner_key, inner_node);
  }

  void read_setting(std::string_view section, const toml::key& key, const toml::node& node) {
    const std::string full = fmt::format("{}.{}", section, key.str());
    const std::optional<size_t> setting = find_setting(full);
    if (!setting) return draft_.refuse(place_of(key.source()), full, unknown_text(full));
    const Shape& shape = settings_table()[*setting].shape;
    if (is_list(shape.kind)) return read_list(*setting, shape, node);
    if (shape.kind == Kind::replicas) return read_replicas(*setting, shape, node);
    const std::optional<Value> value = read_scalar(shape, node);
    if (!value) return refuse(shape.key, shape, node);
    draft_.put(*setting, *value, place_of(node.source()));
  }

  void read_list(size_t setting, const Shape& shape, const toml::node& node) {
    const toml::array* array = node.as_array();
    if (!array) return refuse(shape.key, shape, node);
    std::vector<std::string> items;
    bool good = true;
    for (const toml::node& item : *array) {
      const auto* text = item.as_string();
      if (text && judge_item(shape, **text)) {
        items.push_back(**text);
      } else {
        refuse(shape.key, shape, item);
        good = false;
      }
    }
    if (!good) return;
    finish_list(setting, shape, node, std::move(items));
  }

  void read_replicas(size_t setting, const Shape& shape, const toml::node& node) {
    const toml::array* array = node.as_array();
    if (!array) return refuse(shape.key, shape, node);
    std::vector<StaticReplica> replicas;
    bool good = true;
    for (const toml::node& item : *array) {
      const toml::table* table = item.as_table();
      if (!table) refuse(shape.key, shape, item);
      std::optional<StaticReplica> replica = table ? read_replica(*table, replicas) : std::nullopt;
      good = good && replica;
      if (replica) replicas.push_back(*std::move(replica));
    }
    if (!good) return;
    finish_list(setting, shape, node, std::move(replicas));
  }

  std::optional<StaticReplica> read_replica(const toml::table& table, std::span<const StaticReplica> earlier) {
    StaticReplica replica = default_replica();
    bool good = true;
    for (const ReplicaColumn& column : replica_columns()) {
      const std::string key = fmt::format("replicas.static.{}", column.shape.key);
      const toml::node* node = table.get(column.shape.key);
      if (!node) {
        if (!column.shape.required) continue;
        draft_.refuse_value(place_of(table.source()), key, "none", allowed_text(column.shape));
        good = false;
      } else if (const std::optional<Value> value = read_scalar(column.shape, *node)) {
        column.set(column.shape, replica, *value);
      } else {
        refuse(key, column.shape, *node);
        good = false;
      }
    }
    for (auto&& [key, node] : table) {
      const auto all = replica_columns();
      if (std::ranges::any_of(all, [&](const auto& column) { return column.shape.key == key.str(); })) continue;
      draft_.refuse(place_of(key.source()), fmt::format("replicas.static.{}", key.str()),
                    unknown_column_text(key.str()));
      good = false;
    }
    if (good && has_name(earlier, replica.name)) {
      draft_.refuse_value(place_of(table.get("name")->source()), "replicas.static.name",
                          fmt::format("{} a second time", in_quotes(replica.name)), "each name once");
      good = false;
    }
    return good ? std::optional(std::move(replica)) : std::nullopt;
  }

  template <class Items>
  void finish_list(size_t setting, const Shape& shape, const toml::node& node, Items items) {
    const size_t count = items.size();
    const std::optional<Value> value = judge(shape, std::move(items));
    if (value) return draft_.put(setting, *value, place_of(node.source()));
    draft_.refuse_value(place_of(node.source()), shape.key, fmt::format("a list of {}", count), allowed_text(shape));
  }

  void refuse(std::string_view key, const Shape& shape, const toml::node& node) {
    draft_.refuse_value(place_of(node.source()), key, found_text(node), allowed_text(shape));
  }

  Draft& draft_;
};

// toml++ says "… cannot redefine existing integer 'count'" for what is set twice.
void refuse_syntax(const toml::parse_error& error, Draft& draft) {
  const Place place = place_of(error.source());
  std::string_view what = error.description();
  const size_t twice = what.find("cannot redefine existing");
  const size_t begin = what.find('\'', twice == std::string_view::npos ? what.size() : twice);
  const size_t end = what.rfind('\'');
  if (begin != std::string_view::npos && end > begin) {
    return draft.refuse_value(place, what.substr(begin + 1, end - begin - 1), "a second time", "once");
  }
  constexpr std::string_view opening = "Error while ";
  if (what.starts_with(opening)) what.remove_prefix(opening.size());
  draft.refuse(place, "", fmt::format("TOML syntax: {}", printable(what)));
}

}  // namespace

void read_file(std::string_view text, Draft& draft) {
  if (text.size() > file_bytes_max) {
    return draft.refuse({Source::file}, "",
                        fmt::format("found more than {0} bytes; allowed: at most {0}", file_bytes_max));
  }
  if (const uint32_t line = DotGuard().first_bad_line(text)) {
    return draft.refuse({Source::file, line, 1}, "", fmt::format("found more than {0} dots outside quotes; allowed: at "
                                                                 "most {0} on a line", dots_on_a_line_max));
  }
  try {
    FileReader(draft).read(toml::parse(text, std::string_view{}));
  } catch (const toml::parse_error& error) {
    refuse_syntax(error, draft);
  }
}

}  // namespace ringmaster::config
