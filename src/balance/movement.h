// What a table means for its members, and what one that follows another moves.
//
// A share is a part of the key space, from 0 to 1: slots by their number, in ketama the arcs before the points by their
// length. It is the part of the keys wherever these are hashed evenly. The formulas of the assignment are not even (H
// reaches 87 of 512 slots): there a share of slots says little about keys, and a sample of the traffic says more.
//
// Pure; each costs one pass over the slots (a table of 65,536: a tenth of a millisecond) and allocates what it returns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "balance/table.h"

namespace ringmaster::balance {

// Of members(), in their order.
std::vector<double> key_shares(const Table& table);

// How many of the samples, positions in tables of the same settings, belong to each member.
std::vector<uint64_t> sampled_keys(const Table& table, std::span<const uint32_t> positions);

struct Movement {
  double keys = 0;          // share of the key space that has another owner now
  uint64_t samples = 0;     // of the positions, how many have
};
// Owners are the same where their names are; a slot without one counts as a member of its own. Both tables must have
// the same settings.
Movement movement(const Table& before, const Table& after, std::span<const uint32_t> positions = {});

// The largest against the mean: 1 is perfect. 0 where there is nothing to compare.
double max_over_mean(std::span<const double> shares) noexcept;

}  // namespace ringmaster::balance
