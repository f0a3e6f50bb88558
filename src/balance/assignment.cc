#include "balance/assignment.h"

#include <algorithm>

#include "balance/md5.h"

namespace ringmaster::balance {

uint64_t md5_number(std::string_view bytes) noexcept {
  const auto digest = md5(bytes);
  uint64_t number = 0;
  for (size_t i = 8; i < 16; ++i) number = number << 8 | digest[i];
  return number;
}

Assignment::Assignment(const TableSettings& settings)
    : settings_(settings), holders_(settings.slots, 0), free_(settings.slots) {}

uint64_t Assignment::node_hash(const Member& member, uint64_t j) const {
  const uint64_t i = member.number;
  switch (settings_.kind) {
    case TableKind::assignment: return i * i + j * j + 2 * j + 25;
    case TableKind::assignment_printed: return i + j + 2 * j + 25;
    default: return md5_number(member.name + '-' + std::to_string(j));
  }
}

// There is one.
uint32_t Assignment::free_slot(uint64_t hash) const {
  const uint64_t slots = holders_.size();
  const uint64_t home = hash % slots;
  if (settings_.probing == Probing::quadratic) {
    for (uint64_t step = 0; step < slots; ++step) {
      const uint64_t slot = (home + step * step) % slots;
      if (holders_[slot] == 0) return static_cast<uint32_t>(slot);
    }
  }
  uint64_t slot = home;
  while (holders_[slot] != 0) slot = (slot + 1) % slots;
  return static_cast<uint32_t>(slot);
}

Result<void> Assignment::add_nodes(const Member& member, uint64_t first, uint64_t end) {
  if (end - first > free_) return std::unexpected(Error{ErrorKind::full, 0, "place virtual nodes"});
  auto& held = held_[member.number];
  for (uint64_t j = first; j < end; ++j) {
    const uint32_t slot = free_slot(node_hash(member, j));
    holders_[slot] = member.number;
    held.push_back(slot);
    --free_;
  }
  return {};
}

Result<void> Assignment::join(const Member& member) {
  return add_nodes(member, 0, uint64_t{settings_.virtual_nodes} * member.weight);
}

void Assignment::leave(const Member& member) {
  const auto found = held_.find(member.number);
  for (const uint32_t slot : found->second) holders_[slot] = 0;
  free_ += static_cast<uint32_t>(found->second.size());
  held_.erase(found);
}

// More weight adds nodes, less takes the last ones away.
Result<void> Assignment::reweigh(const Member& member, uint32_t weight) {
  auto& held = held_[member.number];
  const uint64_t nodes = uint64_t{settings_.virtual_nodes} * weight;
  if (nodes > held.size()) return add_nodes(member, held.size(), nodes);
  for (; held.size() > nodes; held.pop_back()) {
    holders_[held.back()] = 0;
    ++free_;
  }
  return {};
}

Places Assignment::places(std::span<const Member> members) {
  const std::vector<uint16_t> indexes = ready_indexes(members);
  std::vector<uint16_t> ring(holders_.size(), no_member);
  uint16_t ready = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (indexes[i] == no_member) continue;
    ++ready;
    for (const uint32_t slot : held_.find(members[i].number)->second) ring[slot] = indexes[i];
  }
  return clockwise(ring, ready);
}

}  // namespace ringmaster::balance
