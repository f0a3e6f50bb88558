#include "admin/orders.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "config/forms.h"
#include "config/value.h"

namespace ringmaster::admin {

namespace {

using Json = nlohmann::json;

// Without exceptions. The parser is not recursive: depth costs memory only, and the body's size is bounded.
std::expected<Json, std::string> read_object(std::string_view body) {
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) return std::unexpected("<Error> The body is not JSON");
  if (!json.is_object()) return std::unexpected("<Error> The body is not a JSON object");
  return json;
}

std::expected<uint64_t, std::string> read_n(const Json& json) {
  const auto n = json.find("n");
  if (n == json.end()) return std::unexpected("<Error> n, the number of instances, is missing");
  if (!n->is_number_integer()) return std::unexpected("<Error> n must be a whole number");
  if (!n->is_number_unsigned() || n->get<uint64_t>() == 0) return std::unexpected("<Error> n must be greater than 0");
  return n->get<uint64_t>();
}

std::expected<std::vector<std::string>, std::string> read_names(const Json& json) {
  std::vector<std::string> names;
  const auto list = json.find("hostnames");
  if (list == json.end()) return names;
  if (!list->is_array()) return std::unexpected("<Error> hostnames must be a list of names");
  for (const Json& name : *list) {
    if (!name.is_string()) return std::unexpected("<Error> hostnames must be a list of names");
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::expected<uint32_t, std::string> read_weight(const Json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 || value.get<uint64_t>() > 65535) {
    return std::unexpected("<Error> weight must be a whole number from 1 to 65535");
  }
  return value.get<uint32_t>();
}

std::expected<WeightedName, std::string> read_weighted_name(const Json& value) {
  if (!value.is_object()) return std::unexpected("<Error> add must be a list of objects with name and weight");
  WeightedName wish;
  for (const auto& [key, member] : value.items()) {
    if (key == "name" && member.is_string()) {
      wish.name = member.get<std::string>();
    } else if (key == "weight") {
      const auto weight = read_weight(member);
      if (!weight) return std::unexpected(weight.error());
      wish.weight = *weight;
    } else {
      return std::unexpected(fmt::format("<Error> '{}' in add: name, which is text, and weight are known there", key));
    }
  }
  if (wish.name.empty()) return std::unexpected("<Error> each of add must have a name");
  return wish;
}

std::expected<void, std::string> read_plan_part(const std::string& key, const Json& value, PlanOrder& order) {
  if (key == "add") {
    if (!value.is_array()) return std::unexpected("<Error> add must be a list of objects with name and weight");
    for (const Json& one : value) {
      auto wish = read_weighted_name(one);
      if (!wish) return std::unexpected(wish.error());
      order.add.push_back(std::move(*wish));
    }
  } else if (key == "remove") {
    const bool names = value.is_array() && std::ranges::all_of(value, [](const Json& one) { return one.is_string(); });
    if (!names) return std::unexpected("<Error> remove must be a list of names");
    order.remove = value.get<std::vector<std::string>>();
  } else if (key == "weights") {
    if (!value.is_object()) return std::unexpected("<Error> weights must be an object: names and their weights");
    for (const auto& [name, one] : value.items()) {
      const auto weight = read_weight(one);
      if (!weight) return std::unexpected(weight.error());
      order.weights.push_back({name, *weight});
    }
  } else {
    return std::unexpected(fmt::format("<Error> '{}' is not known here: add, remove and weights are", key));
  }
  return {};
}

}  // namespace

std::expected<CountOrder, std::string> read_count_order(std::string_view body, std::string_view too_many_names) {
  const auto json = read_object(body);
  if (!json) return std::unexpected(json.error());
  const auto n = read_n(*json);
  if (!n) return std::unexpected(n.error());
  auto names = read_names(*json);
  if (!names) return std::unexpected(names.error());
  if (names->size() > *n) return std::unexpected(std::string(too_many_names));
  return CountOrder{*n, std::move(*names)};
}

std::expected<ReplicaOrder, std::string> read_replica_order(std::string_view body) {
  const auto json = read_object(body);
  if (!json) return std::unexpected(json.error());
  ReplicaOrder order;
  for (const auto& [key, value] : json->items()) {
    if (key == "name") {
      if (!value.is_string()) return std::unexpected("<Error> name must be text");
      order.name = value.get<std::string>();
    } else if (key == "weight") {
      const auto weight = read_weight(value);
      if (!weight) return std::unexpected(weight.error());
      order.weight = *weight;
    } else {
      return std::unexpected(fmt::format("<Error> '{}' is not known here: name and weight are", key));
    }
  }
  return order;
}

std::expected<WeightOrder, std::string> read_weight_order(std::string_view body) {
  const auto json = read_object(body);
  if (!json) return std::unexpected(json.error());
  for (const auto& [key, value] : json->items()) {
    if (key != "weight") return std::unexpected(fmt::format("<Error> '{}' is not known here: weight is", key));
  }
  const auto given = json->find("weight");
  if (given == json->end()) return std::unexpected("<Error> weight, a whole number from 1 to 65535, is missing");
  const auto weight = read_weight(*given);
  if (!weight) return std::unexpected(weight.error());
  return WeightOrder{*weight};
}

std::expected<RollOrder, std::string> read_roll_order(std::string_view body) {
  RollOrder order;
  if (body.empty()) return order;
  const auto json = read_object(body);
  if (!json) return std::unexpected(json.error());
  for (const auto& [key, value] : json->items()) {
    if (key != "image") return std::unexpected(fmt::format("<Error> '{}' is not known here: image is", key));
    if (!value.is_string() || !config::is_image(value.get_ref<const std::string&>())) {
      return std::unexpected("<Error> image must be an image's name, such as \"web:2\"");
    }
    order.image = value.get<std::string>();
  }
  return order;
}

std::expected<PlanOrder, std::string> read_plan_order(std::string_view body) {
  const auto json = read_object(body);
  if (!json) return std::unexpected(json.error());
  PlanOrder order;
  for (const auto& [key, value] : json->items()) {
    if (auto part = read_plan_part(key, value, order); !part) return std::unexpected(part.error());
  }
  constexpr size_t names_max = 2000;
  if (order.add.size() + order.remove.size() + order.weights.size() > names_max) {
    return std::unexpected(fmt::format("<Error> a plan has at most {} names", names_max));
  }
  return order;
}

std::expected<std::optional<std::chrono::milliseconds>, std::string> read_drain(std::string_view query) {
  constexpr std::string_view name = "drain=";
  constexpr int64_t ms_max = 24 * 3600 * 1000;
  if (query.empty()) return std::nullopt;
  if (!query.starts_with(name) || query.contains('&')) {
    return std::unexpected(fmt::format("<Error> '{}' is not known here: drain is, once", query.substr(0, 100)));
  }
  const auto given_ms = config::amount(config::Kind::duration, query.substr(name.size()));
  if (!given_ms || *given_ms > ms_max) {
    return std::unexpected("<Error> drain must be a duration of at most 24h, such as 500ms, 5s or 0");
  }
  return std::chrono::milliseconds(*given_ms);
}

}  // namespace ringmaster::admin
