// The rendezvous table of few members: all of them run in every slot, so that every change touches all slots.
//
// Of each racer its numbers are kept, one for each slot: what the race's hashing gives, before the weight; and its
// times, which are these divided by the weight. Of each slot the order of all racers is kept. Then nothing is hashed
// but the numbers of a racer not met before:
//   - other weight: new times; its new place in a slot is the count of those before it, and it is moved there from its
//     old one;
//   - one comes: the same, but for the old place; one leaves: the others move up.
// That is one pass over the slots for each change, in loops that the compiler makes vectors of (lanes.h), and what it
// writes is the table: nothing is copied to show it. The quotients are those of race.h, and ties are decided by names
// as there, so the order is exactly that of the race.
//
// The numbers of the last two racers gone are kept: a replica that is respawned, or that misses a heartbeat, is back
// soon. Memory for each slot: 5 bytes for each racer, 4 more where its weight is not 1, 4 for each of the two.
//
// Measured, 65,536 slots, by weights that change one after the other: 0.06 ms for a change of weight among 3, 0.23 ms
// among 10, where hashing the member anew and keeping the slots' times in order took 0.44 and 1.2 ms.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "balance/construction.h"
#include "balance/lanes.h"
#include "balance/race.h"

namespace ringmaster::balance {

class FewRacers {
 public:
  static constexpr size_t racers_max = 16;

  FewRacers(const Race& race, uint32_t slots);
  // The places for these racers: 1..racers_max, ascending by number. Costs a pass over the slots for each difference
  // from the racers of the last call.
  Places places(std::span<const Racer> racers);
  // As new.
  void clear() noexcept;

 private:
  using BySlot = std::shared_ptr<float[]>;   // never changed once written, so that copies of a builder share them
  struct Entrant {
    Racer racer;
    BySlot numbers;
    BySlot times;   // the numbers where its weight is 1
  };
  static constexpr size_t gone_max = 2;
  static constexpr uint8_t nobody = 0xFF;

  void take_out(size_t index);
  void put_in(size_t index, const Racer& racer);
  void reweigh(size_t index, float weight);
  BySlot numbers_of(const Racer& racer);
  void rearrange(uint8_t leaver, uint8_t comer);
  void count_earlier(uint32_t first, uint8_t comer, uint8_t* places) const;
  void renumber(uint8_t from, uint8_t step);
  std::shared_ptr<uint8_t[]> new_order() const;
  // Not a power of two, or all places of a slot would lie in the same few lines of the caches.
  uint32_t order_stride() const noexcept { return stride_ + lanes; }
  Places show() const;

  Race race_;
  uint32_t slots_;
  uint32_t stride_;                  // slots_ rounded up to lanes
  std::vector<Entrant> entrants_;    // ascending by number
  std::vector<Entrant> gone_;        // the last one first
  // Place p of slot s is at p x order_stride() + s: an index into entrants_. The last table shares it, so it is not
  // written to from then on.
  std::shared_ptr<uint8_t[]> order_;
};

}  // namespace ringmaster::balance
