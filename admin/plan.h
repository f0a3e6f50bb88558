// What a change would do, without doing it; and how evenly the load lies now. Pure: reads the registry, the tables and
// the workers' samples of keys.
//
// A plan is made on a copy of the table's builder, by the calls that the real change makes: so what it says of slots is
// exact, and is what happens when the orders are given (added replicas joining in the plan's order, nobody else
// joining, leaving or failing before). What it says of traffic is estimated from the latest keys (proxy/key_sample.h):
// `error` is one standard error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "admin/orders.h"
#include "admin/registry.h"
#include "admin/supervisor.h"
#include "proxy/control.h"

namespace ringmaster::admin {

// The workers' samples as one: as many of each as its share of all keys asks for.
struct Traffic {
  std::vector<uint32_t> positions;
  uint64_t keys = 0;               // that all workers have met
};
Traffic traffic_of(const proxy::Control& control);

struct Share {
  std::string name;
  uint32_t weight = 0;             // after the change; 0: it is not in the table then
  double keys_before = 0, keys_after = 0;
  double traffic_before = 0, traffic_after = 0;   // 0 where there are no samples
};

struct Plan {
  uint64_t epoch = 0;              // of the table that it starts from
  double keys_moved = 0;           // share of the slots (ketama: of the hashes) that get another owner
  double traffic_moved = 0, traffic_error = 0;
  size_t samples = 0;
  std::vector<Share> shares;       // members of either table: those of now in their order, then those that come
  double max_over_mean_before = 0, max_over_mean_after = 0;   // of the keys' shares against the weights
};
// Refused: names that are unknown, in use or no names, weights, a table without room; nothing is changed anyhow.
Outcome<Plan> make_plan(const PlanOrder& order, const Registry& registry, const proxy::RouteTable& table,
                        const Traffic& traffic);

struct Load {
  std::string name;
  uint32_t weight = 1;
  double fair = 0;                 // its weight's share
  double keys = 0;                 // of the slots
  double traffic = 0;              // of the sampled keys
  double requests = 0;             // of the requests counted since each replica joined, retries included
  double in_flight = 0;            // of the exchanges under way
};
struct Skew {
  uint64_t epoch = 0;
  bool by_key = true;              // false: a policy routes, and what is said of keys and slots means nothing
  double keys_moved = 0;           // by this epoch's table against the one before
  size_t samples = 0;
  uint64_t requests = 0, in_flight = 0;
  std::vector<Load> loads;         // the table's members in their order
};
Skew measure_skew(const Registry& registry, const proxy::RouteTable& table, const proxy::RouteTable* previous,
                  const Traffic& traffic);

// The largest share against its fair one: 1 is perfect; 0 where there is nothing to compare.
double max_over_fair(const std::vector<Load>& loads, double Load::*share) noexcept;

std::string plan_json(const Plan& plan);
std::string skew_json(const Skew& skew);

}  // namespace ringmaster::admin
