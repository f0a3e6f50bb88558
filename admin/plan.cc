#include "admin/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "admin/names.h"
#include "balance/movement.h"

namespace ringmaster::admin {

namespace {

std::unexpected<Refused> refuse(Refused::Kind kind, std::string message) {
  return std::unexpected(Refused{kind, std::move(message)});
}

bool is_member(const Registry& registry, std::string_view name) {
  const Replica* replica = registry.find(name);
  return replica && !replica->provisional;
}

// Each name once in the whole order, known or unknown as it must be.
Outcome<void> check_names(const PlanOrder& order, const Registry& registry) {
  std::vector<std::string_view> named;
  const auto once = [&](std::string_view name) {
    const bool first = std::ranges::find(named, name) == named.end();
    named.push_back(name);
    return first;
  };
  for (const WeightedName& wish : order.add) {
    if (!valid_name(wish.name)) {
      return refuse(Refused::Kind::wrong, fmt::format("'{}' is not a replica name: {}",
                                                      wish.name.substr(0, name_bytes_max + 1), name_form));
    }
    if (registry.find(wish.name)) return refuse(Refused::Kind::conflict, fmt::format("'{}' is in use", wish.name));
    if (!once(wish.name)) return refuse(Refused::Kind::wrong, fmt::format("'{}' is named twice", wish.name));
  }
  const auto check_member = [&](const std::string& name) -> Outcome<void> {
    if (!is_member(registry, name)) {
      return refuse(Refused::Kind::unknown,
                    fmt::format("there is no replica '{}'", name.substr(0, name_bytes_max + 1)));
    }
    if (!once(name)) return refuse(Refused::Kind::wrong, fmt::format("'{}' is named twice", name));
    return {};
  };
  for (const std::string& name : order.remove) {
    if (auto checked = check_member(name); !checked) return checked;
  }
  for (const WeightedName& wish : order.weights) {
    if (auto checked = check_member(wish.name); !checked) return checked;
  }
  return {};
}

// As the orders would do it: those that leave make room for those that come.
Outcome<balance::Table> table_after(const PlanOrder& order, const Registry& registry) {
  balance::Builder builder = registry.sketch();
  for (const std::string& name : order.remove) builder.leave(name);
  for (const WeightedName& wish : order.weights) {
    if (builder.set_weight(wish.name, wish.weight)) continue;
    return refuse(Refused::Kind::wrong,
                  fmt::format("the table has no room for '{}' with a weight of {}", wish.name, wish.weight));
  }
  for (const WeightedName& wish : order.add) {
    if (!builder.join(wish.name, wish.weight)) {
      return refuse(Refused::Kind::wrong, fmt::format("the table has no room for '{}'", wish.name));
    }
    builder.set_ready(wish.name, true);
  }
  return builder.build();
}

double share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double fairness(const balance::Table& table) {
  const std::vector<double> shares = balance::key_shares(table);
  const double weights = std::accumulate(table.weights().begin(), table.weights().end(), 0.0);
  double most = 0;
  for (size_t i = 0; i < shares.size(); ++i) most = std::max(most, shares[i] * weights / table.weights()[i]);
  return most;
}

std::vector<Share> shares_of(const balance::Table& before, const balance::Table& after, const Traffic& traffic) {
  std::vector<Share> shares;
  std::unordered_map<std::string, size_t> places;
  const auto share = [&](const std::string& name) -> Share& {
    const auto [place, fresh] = places.emplace(name, shares.size());
    if (fresh) shares.push_back({.name = name});
    return shares[place->second];
  };
  const std::vector<double> keys_before = balance::key_shares(before), keys_after = balance::key_shares(after);
  const auto met_before = balance::sampled_keys(before, traffic.positions);
  const auto met_after = balance::sampled_keys(after, traffic.positions);
  for (size_t i = 0; i < before.members().size(); ++i) {
    Share& one = share(before.members()[i]);
    one.keys_before = keys_before[i];
    one.traffic_before = share_of(met_before[i], traffic.positions.size());
  }
  for (size_t i = 0; i < after.members().size(); ++i) {
    Share& one = share(after.members()[i]);
    one.weight = after.weights()[i];
    one.keys_after = keys_after[i];
    one.traffic_after = share_of(met_after[i], traffic.positions.size());
  }
  return shares;
}

}  // namespace

// All workers have the density of the one that has met most keys for each of its samples; of the others, evenly chosen
// ones are left out.
Traffic traffic_of(const proxy::Control& control) {
  Traffic traffic;
  double density = 1;
  for (uint32_t worker = 0; worker < control.workers(); ++worker) {
    const proxy::KeySample& sample = control.meters(worker).keys;
    const uint64_t kept = std::min<uint64_t>(sample.seen(), proxy::KeySample::size);
    traffic.keys += sample.seen();
    if (sample.seen() > 0) density = std::min(density, share_of(kept, sample.seen()));
  }
  for (uint32_t worker = 0; worker < control.workers(); ++worker) {
    const proxy::KeySample& sample = control.meters(worker).keys;
    const std::vector<uint32_t> positions = sample.positions();
    const long dense = std::lround(density * static_cast<double>(sample.seen()));
    const auto wanted = std::min(positions.size(), static_cast<size_t>(dense));
    for (size_t i = 0; i < wanted; ++i) traffic.positions.push_back(positions[i * positions.size() / wanted]);
  }
  return traffic;
}

Outcome<Plan> make_plan(const PlanOrder& order, const Registry& registry, const proxy::RouteTable& route,
                        const Traffic& traffic) {
  if (auto checked = check_names(order, registry); !checked) return std::unexpected(checked.error());
  const auto after = table_after(order, registry);
  if (!after) return std::unexpected(after.error());
  const balance::Table& before = route.table;
  const balance::Movement moved = balance::movement(before, *after, traffic.positions);
  Plan plan;
  plan.epoch = route.epoch;
  plan.keys_moved = moved.keys;
  plan.samples = traffic.positions.size();
  plan.traffic_moved = share_of(moved.samples, plan.samples);
  if (plan.samples > 0) {
    plan.traffic_error = std::sqrt(plan.traffic_moved * (1 - plan.traffic_moved) / static_cast<double>(plan.samples));
  }
  plan.shares = shares_of(before, *after, traffic);
  plan.max_over_mean_before = fairness(before);
  plan.max_over_mean_after = fairness(*after);
  return plan;
}

Skew measure_skew(const Registry& registry, const proxy::RouteTable& route, const proxy::RouteTable* previous,
                  const Traffic& traffic) {
  const balance::Table& table = route.table;
  Skew skew;
  skew.epoch = route.epoch;
  if (previous) skew.keys_moved = balance::movement(previous->table, table).keys;
  skew.samples = traffic.positions.size();
  const auto weights = std::accumulate(table.weights().begin(), table.weights().end(), uint64_t{0});
  const std::vector<double> keys = balance::key_shares(table);
  const std::vector<uint64_t> met = balance::sampled_keys(table, traffic.positions);
  std::vector<Totals> totals;
  for (const std::string& name : table.members()) {
    const Replica* replica = registry.find(name);
    totals.push_back(replica ? sum(registry.totals(*replica)) : Totals{});
    skew.requests += totals.back().requests;
    skew.in_flight += totals.back().in_flight;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    skew.loads.push_back({.name = table.members()[i],
                          .weight = table.weights()[i],
                          .fair = share_of(table.weights()[i], weights),
                          .keys = keys[i],
                          .traffic = share_of(met[i], skew.samples),
                          .requests = share_of(totals[i].requests, skew.requests),
                          .in_flight = share_of(totals[i].in_flight, skew.in_flight)});
  }
  return skew;
}

double max_over_fair(const std::vector<Load>& loads, double Load::*share) noexcept {
  double most = 0;
  for (const Load& load : loads) most = std::max(most, load.*share / load.fair);
  return most;
}

}  // namespace ringmaster::admin
