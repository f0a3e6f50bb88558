// Choosing replicas without a table: round_robin, least_connections and power_of_two. All respect weights and know what
// one worker knows: its own exchanges. So each worker is even by itself, and all together are as even as the kernel
// spreads connections over workers.
//
//   round_robin         whoever's turn is due first (stride scheduling: C. Waldspurger, W. Weihl, 1995): a replica
//                       of weight w is due again after 1 / w. Shares are exact to one exchange. O(replicas)
//   least_connections   the fewest exchanges for its weight; of equals whoever's turn is due first. O(replicas)
//   power_of_two        of two drawn by weight, the one with fewer exchanges for its weight (M. Mitzenmacher, "The
//                       Power of Two Choices in Randomized Load Balancing", 2001). O(1): the draw is the owner of a
//                       random slot of a rendezvous table, which owns slots by weight
//
// They have no keys, and so neither affinity nor a bound on loads.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "balance/table.h"

namespace ringmaster::balance {

enum class Policy : uint8_t { table, round_robin, least_connections, power_of_two };
// "round_robin" and its two sisters, or the name of a table.
std::optional<Policy> policy(std::string_view name) noexcept;
// The table that serves under that name; for the policies without one, rendezvous: members, weights and draws.
std::optional<TableKind> table_kind_under(std::string_view name) noexcept;

// When a replica's turn is due, in fractions of 2^-32 of a turn at weight 1. Times go round after 2^64: compare by
// earlier() only.
struct Turn {
  uint64_t due = 0;

  // It serves now: `present` becomes the time of this turn. Who has been away begins at the present, so that nothing
  // is made up for.
  constexpr void take(uint64_t& present, uint32_t weight) noexcept {
    if (!behind(due, present)) present = due;
    due = present + (uint64_t{1} << 32) / weight;
  }
  // At most that far behind the present does it count.
  constexpr int64_t from(uint64_t present) const noexcept {
    return behind(due, present) ? 0 : static_cast<int64_t>(due - present);
  }

 private:
  static constexpr bool behind(uint64_t time, uint64_t present) noexcept {
    return static_cast<int64_t>(time - present) < 0;
  }
};

// Whether a replica with one exchange more would be less loaded for its weight than another.
constexpr bool less_loaded(uint64_t load, uint32_t weight, uint64_t other_load, uint32_t other_weight) noexcept {
  return (load + 1) * other_weight < (other_load + 1) * weight;
}

}  // namespace ringmaster::balance
