// The rendezvous table of few members: all of them run in every slot, so that every change touches all slots.
//
// A pass over the slots beside busy workers costs what it reads and writes: the memory has left the caches since the
// last one, and displaces what the workers have there. So of each racer only a 16-bit logarithm of its numbers is kept
// for each slot: of what the race's hashing gives, before the weight. Its times are the numbers divided by the weight,
// their logarithms these less that of the weight: another weight changes nothing that is kept, and hashes nothing.
//
// Where two logarithms are too close to say which time is earlier (one slot in 2,000 for each pair, lanes.h), the times
// themselves are computed and compared, equal ones by names, as in race.h: the order is exactly that of the race.
//
//   - Up to four racers: a slot's order is one byte, two bits a place, made anew from all pairs by one pass that reads
//     nothing else. For three that is 384 KB read and 64 KB written (65,536 slots).
//   - More: a byte a place. The order is kept, and a change is one pass for each racer concerned: its new place in a
//     slot is the count of those before it, and it is moved there from its old one. One that comes has no old place;
//     where one leaves the others move up.
//
// The loops are such as the compiler makes vectors of (lanes.h), and what they write is the table: nothing is copied to
// show it. The logarithms of the last two racers gone are kept: a replica that is respawned, or that misses a
// heartbeat, is back soon. Memory for each slot: 2 bytes for each racer and for each of the two; the order.
//
// Measured, 65,536 slots, warm: 0.04 ms for a change of weight among 3, 0.25 ms among 10.
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
  // The places for these racers: 1..racers_max, ascending by number. Costs a pass over the slots, or among more than
  // four one for each difference from the racers of the last call.
  Places places(std::span<const Racer> racers);
  // As new.
  void clear() noexcept;

 private:
  using Logarithms = std::shared_ptr<int16_t[]>;   // by slot; not changed once written: copies of a builder share them
  struct Entrant {
    Racer racer;
    Logarithms logs;
    double log_weight;
  };
  static constexpr size_t gone_max = 2;
  static constexpr size_t packed_max = 4;
  static constexpr uint8_t nobody = 0xFF;

  void begin_anew();
  void take_out(size_t index);
  void put_in(size_t index, const Racer& racer);
  Entrant entered(const Racer& racer);
  void reweigh(size_t index, float weight);
  Logarithms logarithms_of(const Racer& racer);

  bool is_earlier(uint32_t slot, size_t one, size_t other) const noexcept;
  int16_t handicap(size_t one, size_t other) const noexcept;

  Places packed() const;
  template <size_t racers>
  void pack(uint8_t* cells) const;
  uint8_t exact_cell(uint32_t slot) const noexcept;

  void rearrange(uint8_t leaver, uint8_t comer);
  void find_places(uint32_t first, uint8_t comer, uint8_t* places) const;
  uint8_t exact_place(uint32_t slot, uint8_t comer) const noexcept;
  void renumber(uint8_t from, uint8_t step);
  std::shared_ptr<uint8_t[]> new_order() const;
  Places show() const;

  // Not a power of two, or all places of a slot would lie in the same few lines of the caches.
  uint32_t order_stride() const noexcept { return stride_ + lanes; }

  Race race_;
  uint32_t slots_;
  uint32_t stride_;                  // slots_ rounded up to lanes
  std::vector<Entrant> entrants_;    // ascending by number
  std::vector<Entrant> gone_;        // the last one first
  // Of more than four: place p of slot s is at p x order_stride() + s, an index into entrants_. The last table shares
  // it, so it is not written to from then on.
  std::shared_ptr<uint8_t[]> order_;
};

}  // namespace ringmaster::balance
