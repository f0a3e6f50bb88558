// Maglev hashing: D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4.
//
// Each member has a permutation of the slots (offset + k x skip, modulo a prime); members take turns, and whose turn it
// is takes the first slot of its permutation that is still free. The paper leaves weights to "altering the relative
// frequency of the backends' turns": here a member's k-th turn comes in round ceil(k x heaviest weight / its weight),
// and within a round turns go by the hash of the name. So the layout depends on names and weights alone.
//
// Offset and skip are the halves of the 128-bit XXH3 of the name. Balance: shares are within one turn of exact where
// the turns go on to the end. Movement: a leaving member's slots go to the others, and a few per cent of the others'
// slots move between them (that is the paper's bargain; rendezvous.h does without). A member that merely is not ready
// keeps its place in the layout, and its slots alone are served by the next ready members clockwise, which are random
// with respect to it: flapping health moves no key of another. Cost: a build when members or weights have changed takes
// O(slots x (log slots + log members)), otherwise O(slots).
#pragma once

#include "balance/construction.h"

namespace ringmaster::balance {

bool is_prime(uint32_t number) noexcept;

class Maglev final : public Construction {
 public:
  explicit Maglev(const TableSettings& settings) : slots_(settings.slots) {}
  Result<void> join(const Member& member) override;
  void leave(const Member& member) override;
  Result<void> reweigh(const Member& member, uint32_t weight) override;
  Places places(std::span<const Member> members) override;
  std::unique_ptr<Construction> clone() const override { return std::make_unique<Maglev>(*this); }

 private:
  void lay_out(std::span<const Member> members);

  uint32_t slots_;
  std::vector<uint16_t> layout_;   // for each slot an index into the members that have joined
  bool stale_ = true;
};

}  // namespace ringmaster::balance
