#include "balance/policy.h"

#include <algorithm>
#include <array>

namespace ringmaster::balance {
namespace {

constexpr std::array<std::string_view, 4> policy_names{"", "round_robin", "least_connections", "power_of_two"};

}  // namespace

std::optional<Policy> policy(std::string_view name) noexcept {
  if (table_kind(name)) return Policy::table;
  const auto found = std::find(policy_names.begin() + 1, policy_names.end(), name);
  if (found == policy_names.end()) return std::nullopt;
  return static_cast<Policy>(found - policy_names.begin());
}

std::optional<TableKind> table_kind_under(std::string_view name) noexcept {
  if (const auto kind = table_kind(name)) return kind;
  return policy(name) ? std::optional(TableKind::rendezvous) : std::nullopt;
}

}  // namespace ringmaster::balance
