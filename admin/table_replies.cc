// The JSON of plans, skews and explanations.
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "admin/judgement.h"
#include "admin/plan.h"

namespace ringmaster::admin {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Six digits behind the point: the shares of 65,536 slots differ in the fifth.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

double share_of(double share) { return rounded(std::min(1.0, share)); }

Json warmth_json(const Warmth& warmth) {
  Json json;
  json["taken_over"] = share_of(warmth.taken_over);
  json["this_slot_in_ms"] = (warmth.this_slot_in_ns + 999'999) / 1'000'000;
  return json;
}

// What only a running proxy has: loads, replicas that warm up, hot keys.
void describe_live(Json& json, const Judgement& judged, const config::Settings& settings) {
  json["in_flight"] = judged.in_flight;
  json["order"] = Json::array();
  for (const Candidate& one : judged.order) {
    Json shown;
    shown["name"] = one.name;
    shown["ready"] = one.standing != balance::Standing::absent || one.blind > 0;
    shown["ejected_by"] = one.blind;
    shown["in_flight"] = one.in_flight;
    shown["waiting"] = one.waiting;
    shown["bound"] = one.allowed > 0 ? Json(one.allowed) : Json(nullptr);
    shown["slow_start"] = one.warmth ? warmth_json(*one.warmth) : Json(nullptr);
    json["order"].push_back(std::move(shown));
  }
  if (judged.heat.empty()) return;
  Json workers = Json::array();
  for (const Heat& heat : judged.heat) {
    Json one;
    one["share"] = heat.share ? Json(share_of(*heat.share)) : Json(nullptr);
    one["hot"] = heat.hot;
    workers.push_back(std::move(one));
  }
  json["hot_key"]["above"] = settings.routing.hot_key_share / 100.0;
  json["hot_key"]["replicas"] = settings.routing.hot_key_replicas;
  json["hot_key"]["workers"] = std::move(workers);
}

}  // namespace

std::string plan_json(const Plan& plan) {
  Json replicas = Json::array();
  for (const Share& share : plan.shares) {
    Json one;
    one["name"] = share.name;
    one["weight"] = share.weight;
    one["keys_before"] = rounded(share.keys_before);
    one["keys_after"] = rounded(share.keys_after);
    one["traffic_before"] = rounded(share.traffic_before);
    one["traffic_after"] = rounded(share.traffic_after);
    replicas.push_back(std::move(one));
  }
  Json json;
  json["epoch"] = plan.epoch;
  json["keys_moved"] = rounded(plan.keys_moved);
  json["traffic_moved"] = rounded(plan.traffic_moved);
  json["traffic_error"] = rounded(plan.traffic_error);
  json["samples"] = plan.samples;
  json["max_over_mean"]["before"] = rounded(plan.max_over_mean_before);
  json["max_over_mean"]["after"] = rounded(plan.max_over_mean_after);
  json["replicas"] = std::move(replicas);
  return text_of(json);
}

std::string skew_json(const Skew& skew) {
  const auto of_keys = [&](double share) { return skew.by_key ? Json(rounded(share)) : Json(nullptr); };
  Json replicas = Json::array();
  for (const Load& load : skew.loads) {
    Json one;
    one["name"] = load.name;
    one["weight"] = load.weight;
    one["fair_share"] = rounded(load.fair);
    one["key_share"] = of_keys(load.keys);
    one["traffic_share"] = of_keys(load.traffic);
    one["request_share"] = rounded(load.requests);
    one["in_flight_share"] = rounded(load.in_flight);
    replicas.push_back(std::move(one));
  }
  Json most;
  most["keys"] = of_keys(max_over_fair(skew.loads, &Load::keys));
  most["traffic"] = of_keys(max_over_fair(skew.loads, &Load::traffic));
  most["requests"] = rounded(max_over_fair(skew.loads, &Load::requests));
  most["in_flight"] = rounded(max_over_fair(skew.loads, &Load::in_flight));
  Json json;
  json["epoch"] = skew.epoch;
  json["keys_moved_by_epoch"] = of_keys(skew.keys_moved);
  json["samples"] = skew.samples;
  json["requests"] = skew.requests;
  json["in_flight"] = skew.in_flight;
  json["max_over_mean"] = std::move(most);
  json["replicas"] = std::move(replicas);
  return text_of(json);
}

std::string explanation_json(const Explanation& found, const config::Settings& settings, const balance::Table& table,
                             const Judgement& judged, std::optional<uint64_t> epoch) {
  Json json;
  json["source"] = found.source;
  json["key"] = found.random ? Json(nullptr) : Json(found.key);
  if (!found.random) {
    json["hash"] = fmt::format("{}", found.hash);   // as text: many readers of JSON have 53 bits for a number
    json["slot"] = found.slot;
    json["owner"] = found.owner ? Json(*found.owner) : Json(nullptr);
    json["fallbacks"] = found.fallbacks;
  }
  if (found.sticky) {
    json["sticky"]["cookie"] = settings.routing.sticky_cookie;
    json["sticky"]["state"] = name_of(*found.sticky);
    json["sticky"]["names"] = found.sticky_replica.empty() ? Json(nullptr) : Json(found.sticky_replica);
  }
  json["table"] = routes_by_key(settings) ? balance::name_of(table.settings().kind) : settings.routing.table;
  if (routes_by_key(settings)) json["slots"] = table.slots();
  if (epoch) json["epoch"] = *epoch;
  if (judged.by_chance) return text_of(json);
  json["verdict"] = balance::name_of(judged.verdict);
  json["serves"] = judged.serves ? Json(*judged.serves) : Json(nullptr);
  if (!judged.sharers.empty()) json["serves_one_of"] = judged.sharers;
  if (epoch) describe_live(json, judged, settings);
  return text_of(json);
}

}  // namespace ringmaster::admin
