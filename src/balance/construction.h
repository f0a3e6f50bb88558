// What the kinds of table have in common, as the Builder sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "balance/table.h"
#include "base/error.h"

namespace ringmaster::balance {

struct Member {
  uint64_t number = 0;    // from 1 in the order of joining, never used twice
  std::string name;
  uint32_t weight = 1;
  bool ready = false;
};

// Told of every change in its order; asked for the places when a table is due.
class Construction {
 public:
  virtual ~Construction() = default;
  // Error: full; nothing is changed then.
  virtual Result<void> join(const Member& member) = 0;
  virtual void leave(const Member& member) = 0;
  // `member` still has its old weight. Error: full; nothing is changed then.
  virtual Result<void> reweigh(const Member& member, uint32_t weight) = 0;
  // `members` are all that have joined and not left, ascending by number. The cells of the result are indexes among
  // the ready ones. At least one is ready.
  virtual Places places(std::span<const Member> members) = 0;
  virtual std::unique_ptr<Construction> clone() const = 0;
};

// The index of each member among the ready ones; no_member for the others.
std::vector<uint16_t> ready_indexes(std::span<const Member> members);

// For constructions where a key goes clockwise. ring[s] is the member (index among `ready` ready ones) that position s
// belongs to, or no_member. Each position gets the first depth distinct members at or after it, round the ring;
// members that have no position of their own come last, in ascending order. One sweep against the clock with the list
// of the members met last: O(positions x depth), whatever the weights.
Places clockwise(std::span<const uint16_t> ring, uint16_t ready);

}  // namespace ringmaster::balance
