// The assignment's three tables: `assignment`, `assignment-printed`, `md5`. A ring of slots with virtual nodes in it.
//
//   assignment           H(i) = i^2 + 2i + 17     node j of member i at i^2 + j^2 + 2j + 25
//   assignment-printed   H(i) = i + 2i + 17       node j of member i at i + j + 2j + 25 (superscripts lost in print)
//   md5                  MD5 of the key           MD5 of the member's name, "-", and j in decimal, e.g. "S5-0"
//
// All modulo the slots, in unsigned 64-bit arithmetic; of an MD5 the last eight bytes, big-endian, which for a power of
// two is the same as the whole digest read as one number. i counts from 1 in the order of joining, j from 0. A member
// of weight w has w times as many nodes. A taken slot is probed past, linearly (h + 1, h + 2, ...) or quadratically
// (h + 1, h + 4, h + 9, ...); where the squares, which do not visit every slot, find none free, linearly after all.
//
// Where a node lies therefore depends on who was there before it. So the layout is kept: a member that leaves frees
// exactly the slots that it holds, and nobody is probed again. A member that is not ready holds its slots all the same;
// a key that meets one goes on clockwise to the next slot of a ready member, which is also the order of the fall-backs.
//
// Balance is what the formulas give (max/mean 2.5 at three members: H reaches 87 of 512 slots, and a member's nine
// nodes lie within 81): they are here because a drop-in must agree, not because they are good. A leaving member moves
// its own keys only. A build costs O(slots).
#pragma once

#include <unordered_map>
#include <vector>

#include "balance/construction.h"

namespace ringmaster::balance {

// The request hash of the two formulas, before the modulo. kind is one of the two.
constexpr uint64_t assignment_hash(TableKind kind, uint64_t i) noexcept {
  return kind == TableKind::assignment ? i * i + 2 * i + 17 : i + 2 * i + 17;
}
// The last eight bytes of the MD5, as a big-endian number.
uint64_t md5_number(std::string_view bytes) noexcept;

class Assignment final : public Construction {
 public:
  explicit Assignment(const TableSettings& settings);
  Result<void> join(const Member& member) override;
  void leave(const Member& member) override;
  Result<void> reweigh(const Member& member, uint32_t weight) override;
  Places places(std::span<const Member> members) override;
  std::unique_ptr<Construction> clone() const override { return std::make_unique<Assignment>(*this); }

 private:
  uint64_t node_hash(const Member& member, uint64_t j) const;
  Result<void> add_nodes(const Member& member, uint64_t first, uint64_t end);
  uint32_t free_slot(uint64_t hash) const;

  TableSettings settings_;
  std::vector<uint64_t> holders_;                                  // for each slot a member's number; 0: free
  std::unordered_map<uint64_t, std::vector<uint32_t>> held_;       // by number: the slot of each node, by j
  uint32_t free_;
};

}  // namespace ringmaster::balance
