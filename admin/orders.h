// What an operator asks for, read from a JSON body or a query, and checked as far as that can be done without knowing
// the replicas.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::admin {

// {"n": 4, "hostnames": ["S5", "S4"]}: the assignment's way to add and to remove.
struct CountOrder {
  uint64_t n = 0;
  std::vector<std::string> hostnames;   // at most n; the others are chosen for them
};

// {"name": "S5", "weight": 2}: the native way; both may be missing.
struct ReplicaOrder {
  std::optional<std::string> name;
  uint32_t weight = 1;
};

// {"weight": 3}: another weight for the replica that the path names.
struct WeightOrder {
  uint32_t weight = 1;
};

// {"image": "web:2"}, or nothing: new lives for all replicas.
struct RollOrder {
  std::optional<std::string> image;
};

struct WeightedName {
  std::string name;
  uint32_t weight = 1;
};

// {"add": [{"name": "S5", "weight": 2}], "remove": ["S1"], "weights": {"S2": 3}}: a change to be thought through. Each
// of the three may be missing.
struct PlanOrder {
  std::vector<WeightedName> add;
  std::vector<std::string> remove;
  std::vector<WeightedName> weights;
};

inline constexpr std::string_view too_many_names_to_add =
    "<Error> Length of hostname list is more than newly added instances";
inline constexpr std::string_view too_many_names_to_remove =
    "<Error> Length of hostname list is more than removable instances";

// The error is the whole message for the client. Members that are not known are passed over by the first, and refused
// by the others.
std::expected<CountOrder, std::string> read_count_order(std::string_view body, std::string_view too_many_names);
std::expected<ReplicaOrder, std::string> read_replica_order(std::string_view body);
std::expected<WeightOrder, std::string> read_weight_order(std::string_view body);
std::expected<RollOrder, std::string> read_roll_order(std::string_view body);   // may be empty
std::expected<PlanOrder, std::string> read_plan_order(std::string_view body);

// ?drain=5s: how long a replica that is to leave may take; nullopt: not said.
std::expected<std::optional<std::chrono::milliseconds>, std::string> read_drain(std::string_view query);

}  // namespace ringmaster::admin
