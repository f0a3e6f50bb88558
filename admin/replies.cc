#include "admin/replies.h"

#include <fmt/format.h>

#include <chrono>

#include <nlohmann/json.hpp>

#include "balance/movement.h"
#include "base/utc.h"
#include "config/settings_table.h"

namespace ringmaster::admin {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string message_json(const Json& message, std::string_view status) {
  Json json;
  json["message"] = message;
  json["status"] = status;
  return text_of(json);
}

// Events are remembered by the monotonic clock; people want to know when by theirs.
std::string wall_clock(uint64_t event_ns, uint64_t now_ns) {
  const auto ago = std::chrono::nanoseconds(now_ns > event_ns ? now_ns - event_ns : 0);
  return utc_stamp(std::chrono::system_clock::now() - ago);
}

Json counters_json(const Totals& totals) {
  uint64_t answers = 0;
  for (const uint64_t count : totals.latency) answers += count;
  Json json;
  json["requests"] = totals.requests;
  json["failures"] = totals.failures;
  json["ejections"] = totals.ejections;
  json["in_flight"] = totals.in_flight;
  json["waiting"] = totals.waiting;
  json["connections"] = totals.connections;
  json["answers"] = answers;
  json["latency_mean_us"] = answers ? totals.latency_sum_us / answers : 0;
  return json;
}

void describe_life(Json& json, const Life& life) {
  json["address"] = life.upstream ? Json(life.upstream->address.text()) : Json(nullptr);
  json["pid"] = life.pid >= 0 ? Json(life.pid) : Json(nullptr);
  if (!life.container.empty()) json["container"] = life.container;
  if (!life.image.empty()) json["image"] = life.image;
}

Json describe_end(const Retired& retired, uint64_t now_ns) {
  Json json;
  json["reason"] = retired.reason;
  json["since"] = wall_clock(retired.retired_ns, now_ns);
  json["epoch"] = retired.life.epoch;
  describe_life(json, retired.life);
  return json;
}

Json describe(const Registry& registry, const Replica& replica, uint64_t now_ns) {
  Json json;
  json["name"] = replica.name;
  json["number"] = replica.number;
  json["state"] = name_of(replica.state);
  json["reason"] = replica.reason;
  json["since"] = wall_clock(replica.changed_ns, now_ns);
  json["in_table"] = replica.in_table;
  json["ejected"] = replica.ejected;
  json["quarantined"] = replica.quarantined;
  json["weight"] = replica.weight;
  json["epoch"] = replica.epoch;
  json["restarts"] = replica.epoch > 0 ? replica.epoch - 1 : 0;
  describe_life(json, replica.life ? *replica.life : Life{});
  json["counters"] = counters_json(sum(registry.totals(replica)));
  json["former"] = Json::array();
  for (const Retired& retired : registry.retired()) {
    if (retired.life.name == replica.name && !retired.removed) json["former"].push_back(describe_end(retired, now_ns));
  }
  return json;
}

Json describe_leaving(const Retired& retired, uint64_t now_ns) {
  Json json;
  json["name"] = retired.life.name;
  json["number"] = retired.life.number;
  json["state"] = name_of(State::draining);
  json.update(describe_end(retired, now_ns));
  return json;
}

Json value_json(const config::Shape& shape, const config::Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (shape.kind == config::Kind::factor) return static_cast<double>(*number) / 100;
    return shape.kind == config::Kind::duration ? Json(config::amount_text(shape.kind, *number)) : Json(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return *texts;
  Json list = Json::array();
  for (const config::StaticReplica& replica : std::get<std::vector<config::StaticReplica>>(value)) {
    Json one;
    one["name"] = replica.name;
    one["address"] = replica.address;
    one["weight"] = replica.weight;
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace

std::string failure_json(std::string_view message) { return message_json(message, "failure"); }
std::string success_json(std::string_view message) { return message_json(message, "successful"); }

std::string rep_json(const std::vector<std::string>& names) {
  Json message;
  message["N"] = names.size();
  message["replicas"] = names;
  return message_json(message, "successful");
}

std::string replicas_json(const Registry& registry, const Condition& condition, uint64_t table_epoch,
                          uint64_t now_ns) {
  Json list = Json::array();
  for (const auto& replica : registry.replicas()) list.push_back(describe(registry, *replica, now_ns));
  for (const Retired& retired : registry.retired()) {
    if (retired.removed) list.push_back(describe_leaving(retired, now_ns));
  }
  Json json;
  json["epoch"] = table_epoch;
  json["healing"] = registry.paused() ? "paused" : "on";
  json["runtime"]["able"] = condition.able;
  json["runtime"]["condition"] = condition.text;
  json["replicas"] = std::move(list);
  return text_of(json);
}

std::string replica_json(const Registry& registry, const Replica& replica, uint64_t now_ns) {
  return text_of(describe(registry, replica, now_ns));
}

std::string rolled_json(const std::vector<std::string>& names) {
  Json json;
  json["message"] = "rolled";
  json["rolled"] = names;
  json["status"] = "successful";
  return text_of(json);
}

std::string leaving_json(std::string_view name) {
  Json json;
  json["name"] = name;
  json["state"] = name_of(State::draining);
  return text_of(json);
}

std::string table_json(const balance::Table& table, std::optional<uint64_t> epoch, std::string_view policy) {
  std::vector<uint64_t> slots(table.members().size());
  for (uint32_t slot = 0; slot < table.slots(); ++slot) {
    if (const uint16_t owner = table.owner(slot); owner != balance::no_member) ++slots[owner];
  }
  const std::vector<double> shares = balance::key_shares(table);
  Json replicas = Json::array();
  for (size_t i = 0; i < slots.size(); ++i) {
    Json one;
    one["name"] = table.members()[i];
    one["weight"] = table.weights()[i];
    if (policy.empty()) one["slots"] = slots[i];
    if (policy.empty()) one["share"] = shares[i];
    replicas.push_back(std::move(one));
  }
  Json json;
  json["kind"] = policy.empty() ? balance::name_of(table.settings().kind) : policy;
  if (policy.empty()) json["slots"] = table.slots();
  if (epoch) json["epoch"] = *epoch;
  json["digest"] = fmt::format("{:016x}", table.digest());
  json["replicas"] = std::move(replicas);
  return text_of(json);
}

std::string settings_json(const config::Settings& settings) {
  Json json = Json::object();
  for (const config::Setting& setting : config::settings_table()) {
    const std::string_view key = setting.shape.key;
    json[std::string(config::section_of(key))][std::string(key.substr(config::section_of(key).size() + 1))] =
        value_json(setting.shape, setting.get(setting.shape, settings));
  }
  return text_of(json);
}

}  // namespace ringmaster::admin
