#include "balance/movement.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace ringmaster::balance {
namespace {

constexpr double circle = 4294967296.0;   // ketama's ring: 2^32

// For each member of `before`, its index in `after`: the names decide. Members that have gone get numbers beyond all
// indexes, so that they are nobody's.
std::vector<uint32_t> places_of(const Table& before, const Table& after) {
  std::unordered_map<std::string_view, uint32_t> by_name;
  for (size_t i = 0; i < after.members().size(); ++i) by_name.emplace(after.members()[i], static_cast<uint32_t>(i));
  std::vector<uint32_t> places(before.members().size());
  for (size_t i = 0; i < places.size(); ++i) {
    const auto found = by_name.find(before.members()[i]);
    places[i] = found == by_name.end() ? no_member + 1u : found->second;
  }
  return places;
}

// Compares owners across two tables.
class Owners {
 public:
  Owners(const Table& before, const Table& after) : before_(before), after_(after), places_(places_of(before, after)) {}
  bool differ(uint32_t slot_before, uint32_t slot_after) const noexcept {
    const uint16_t was = before_.owner(slot_before);
    return (was == no_member ? uint32_t{no_member} : places_[was]) != after_.owner(slot_after);
  }

 private:
  const Table& before_;
  const Table& after_;
  std::vector<uint32_t> places_;
};

// The arc of hashes that a point serves: those after the point before it, round the ring.
double arc(std::span<const uint32_t> points, size_t slot) noexcept {
  if (slot > 0) return static_cast<double>(points[slot] - points[slot - 1]);
  return circle - static_cast<double>(points.back()) + static_cast<double>(points.front());
}

// Both rings' points in one ascending order: between two of them neither owner changes.
double moved_arcs(const Table& before, const Table& after, const Owners& owners) {
  std::vector<uint32_t> points(before.points().size() + after.points().size());
  std::ranges::merge(before.points(), after.points(), points.begin());
  double moved = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    if (i > 0 && points[i] == points[i - 1]) continue;
    if (owners.differ(before.slot_at(points[i]), after.slot_at(points[i]))) moved += arc(points, i);
  }
  return moved / circle;
}

}  // namespace

std::vector<double> key_shares(const Table& table) {
  std::vector<double> shares(table.members().size(), 0);
  const bool arcs = !table.points().empty();
  for (uint32_t slot = 0; slot < table.slots(); ++slot) {
    const uint16_t owner = table.owner(slot);
    if (owner != no_member) shares[owner] += arcs ? arc(table.points(), slot) : 1;
  }
  for (double& share : shares) share /= arcs ? circle : table.slots();
  return shares;
}

std::vector<uint64_t> sampled_keys(const Table& table, std::span<const uint32_t> positions) {
  std::vector<uint64_t> counts(table.members().size(), 0);
  for (const uint32_t position : positions) {
    if (const uint16_t owner = table.owner(table.slot_at(position)); owner != no_member) ++counts[owner];
  }
  return counts;
}

Movement movement(const Table& before, const Table& after, std::span<const uint32_t> positions) {
  const bool arcs = before.settings().kind == TableKind::ketama;
  ensure(before.settings().kind == after.settings().kind && (arcs || before.slots() == after.slots()));
  const Owners owners(before, after);
  Movement result;
  if (arcs) {
    result.keys = moved_arcs(before, after, owners);
  } else {
    uint32_t moved = 0;
    for (uint32_t slot = 0; slot < before.slots(); ++slot) moved += owners.differ(slot, slot) ? 1 : 0;
    result.keys = static_cast<double>(moved) / before.slots();
  }
  for (const uint32_t position : positions) {
    result.samples += owners.differ(before.slot_at(position), after.slot_at(position)) ? 1 : 0;
  }
  return result;
}

double max_over_mean(std::span<const double> shares) noexcept {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  return sum > 0 ? *std::ranges::max_element(shares) * static_cast<double>(shares.size()) / sum : 0;
}

}  // namespace ringmaster::balance
