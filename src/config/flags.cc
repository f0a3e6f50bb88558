// Flags: --KEY VALUE, --KEY=VALUE. Their own small reader instead of CLI11: the table already says each flag's type,
// bounds and default, CLI11 would hold a second copy of all that, its messages do not say what is allowed, and its
// exit codes are its own. What remains is the splitting below.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "config/draft.h"

namespace ringmaster::config {

namespace {

constexpr std::string_view dashes = "--";

// name=r1,address=127.0.0.1:9001,weight=2 in any order.
std::optional<StaticReplica> read_replica(std::string_view text) {
  StaticReplica replica = default_replica();
  std::vector<std::string_view> given;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto all = replica_columns();
    const auto column = std::ranges::find(all, part.substr(0, equals), [](const auto& c) { return c.shape.key; });
    if (column == all.end() || std::ranges::count(given, column->shape.key) > 0) return std::nullopt;
    const std::optional<Value> value = read_plain(column->shape, part.substr(equals + 1));
    if (!value) return std::nullopt;
    column->set(column->shape, replica, *value);
    given.push_back(column->shape.key);
  }
  if (replica.name.empty() || replica.address.empty()) return std::nullopt;
  return replica;
}

// All values that one key was given, in order.
class FlagReader {
 public:
  FlagReader(const Shape& shape, size_t setting, Draft& draft) : shape_(shape), setting_(setting), draft_(draft) {}

  void read(std::span<const std::string_view> values) {
    if (is_list(shape_.kind)) return read_list(values);
    if (shape_.kind == Kind::replicas) return read_replicas(values);
    if (values.size() > 1) return draft_.refuse_value(place, shape_.key, "a second time", "once");
    const std::optional<Value> value = read_plain(shape_, values.front());
    if (!value) return refuse(values.front());
    draft_.put(setting_, *value, place);
  }

 private:
  static constexpr Place place{Source::flag};

  void read_list(std::span<const std::string_view> values) {
    std::vector<std::string> items;
    if (!empties(values)) {
      for (const std::string_view value : values) {
        if (!judge_item(shape_, value)) return refuse(value);
        items.emplace_back(value);
      }
    }
    finish(std::move(items));
  }

  void read_replicas(std::span<const std::string_view> values) {
    std::vector<StaticReplica> replicas;
    if (!empties(values)) {
      for (const std::string_view value : values) {
        std::optional<StaticReplica> replica = read_replica(value);
        if (!replica || has_name(replicas, replica->name)) {
          return draft_.refuse_value(place, shape_.key, quoted_short(value), fmt::format("{}, each name once",
                                                                                         shape_.placeholder));
        }
        replicas.push_back(*std::move(replica));
      }
    }
    finish(std::move(replicas));
  }

  static bool empties(std::span<const std::string_view> values) { return values.size() == 1 && values.front().empty(); }

  template <class Items>
  void finish(Items items) {
    const size_t count = items.size();
    const std::optional<Value> value = judge(shape_, std::move(items));
    if (value) return draft_.put(setting_, *value, place);
    draft_.refuse_value(place, shape_.key, fmt::format("a list of {}", count), allowed_text(shape_));
  }

  void refuse(std::string_view value) {
    draft_.refuse_value(place, shape_.key, quoted_short(value), allowed_text(shape_));
  }

  const Shape& shape_;
  size_t setting_;
  Draft& draft_;
};

Problem flag_problem(std::string_view key, std::string_view what) {
  return {fmt::format("--{}: {}", shown_key(key), what), true};
}

std::string no_value_text(const Shape& shape) { return "found no value; allowed: " + allowed_text(shape); }

}  // namespace

Flags read_flags(std::span<const std::string> arguments) {
  Flags flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (!argument.starts_with(dashes)) {
      flags.problems.push_back({fmt::format("found {}; allowed: --SETTING VALUE", quoted_short(argument)), true});
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string_view key = argument.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    const std::optional<size_t> setting = find_setting(key);
    const bool boolean = setting && settings_table()[*setting].shape.kind == Kind::boolean;
    const bool has_next = i + 1 < arguments.size();
    const bool next_is_flag = has_next && arguments[i + 1].starts_with(dashes);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = argument.substr(equals + 1);
    else if (boolean && (!has_next || next_is_flag)) value = "true";   // it may be left out
    else if (has_next && (setting || !next_is_flag)) value = arguments[++i];

    if (!setting) flags.problems.push_back(flag_problem(key, unknown_text(key, dashes)));
    else if (value) flags.list.push_back({std::string(key), std::string(*value)});
    else flags.problems.push_back(flag_problem(key, no_value_text(settings_table()[*setting].shape)));
  }
  return flags;
}

void apply_flags(std::span<const Flag> flags, Draft& draft) {
  std::map<std::string_view, std::vector<std::string_view>> values;
  for (const Flag& flag : flags) values[flag.key].push_back(flag.value);
  for (const auto& [key, list] : values) {
    const std::optional<size_t> setting = find_setting(key);
    if (!setting) {
      draft.refuse({Source::flag}, key, unknown_text(key, dashes));
      continue;
    }
    FlagReader(settings_table()[*setting].shape, *setting, draft).read(list);
  }
}

}  // namespace ringmaster::config
