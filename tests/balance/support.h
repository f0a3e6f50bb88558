// What the tests of balance share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "balance/table.h"

namespace ringmaster::balance {

inline constexpr std::array<TableKind, 6> all_kinds{TableKind::rendezvous, TableKind::maglev,
                                                    TableKind::ketama,     TableKind::assignment,
                                                    TableKind::assignment_printed, TableKind::md5};

inline TableSettings settings_for(TableKind kind) { return {.kind = kind, .slots = 0}; }

inline std::string name_number(size_t i) { return std::string("S").append(std::to_string(i)); }

inline void join_ready(Builder& builder, const std::string& name, uint32_t weight = 1) {
  ASSERT_TRUE(builder.join(name, weight));
  builder.set_ready(name, true);
}

// S1..Sn, all ready.
inline Builder builder_of(const TableSettings& settings, size_t members) {
  Builder builder(settings);
  for (size_t i = 1; i <= members; ++i) join_ready(builder, name_number(i));
  return builder;
}

// The names that a slot goes to, the owner first.
inline std::vector<std::string> names_at(const Table& table, uint32_t slot) {
  std::vector<std::string> names;
  if (table.owner(slot) == no_member) return names;
  names.push_back(table.members()[table.owner(slot)]);
  std::array<uint16_t, fallbacks_max> fallbacks;
  const size_t count = table.fallbacks(slot, fallbacks);
  for (size_t i = 0; i < count; ++i) names.push_back(table.members()[fallbacks[i]]);
  return names;
}

inline const std::string& owner_name(const Table& table, uint32_t slot) { return table.members()[table.owner(slot)]; }

inline std::vector<uint32_t> slots_owned(const Table& table) {
  std::vector<uint32_t> counts(table.members().size(), 0);
  for (uint32_t slot = 0; slot < table.slots(); ++slot) ++counts[table.owner(slot)];
  return counts;
}

inline std::vector<std::string> without(std::vector<std::string> names, const std::string& name) {
  std::erase(names, name);
  return names;
}

}  // namespace ringmaster::balance
