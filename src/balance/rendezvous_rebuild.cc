// The rendezvous table of many members from nothing.
#include <algorithm>
#include <bit>
#include <numeric>

#include "balance/rendezvous.h"

namespace ringmaster::balance {
namespace {

// An arrival in one word that sorts as arrivals do: the time (a positive float sorts as its bits do), then the
// member's rank by name. 48 bits.
uint64_t arrival(float time, uint16_t rank) noexcept { return uint64_t{std::bit_cast<uint32_t>(time)} << 16 | rank; }
float time_of(uint64_t arrival) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(arrival >> 16)); }
uint16_t rank_of(uint64_t arrival) noexcept { return static_cast<uint16_t>(arrival); }

// The arrivals in each slot, in any order; of a full slot those that cannot count are dropped.
class Arrivals {
 public:
  Arrivals(uint32_t slots, uint32_t wanted)
      : wanted_(wanted), counts_(slots, 0), cells_(std::make_unique_for_overwrite<uint64_t[]>(size_t{slots} * room)) {}

  void put(uint32_t slot, uint64_t arrival) noexcept {
    uint8_t& count = counts_[slot];
    uint64_t* const first = cells_.get() + size_t{slot} * room;
    if (count == room) {
      std::sort(first, first + room);
      count = static_cast<uint8_t>(wanted_);
    }
    first[count++] = arrival;
  }
  uint32_t count(uint32_t slot) const noexcept { return counts_[slot]; }
  // The earliest ones in order, at most `wanted`.
  std::span<const uint64_t> earliest(uint32_t slot) noexcept {
    uint64_t* const first = cells_.get() + size_t{slot} * room;
    const uint32_t count = counts_[slot];
    for (uint32_t i = 1; i < count; ++i) {   // about thirteen: too few for anything cleverer
      const uint64_t moving = first[i];
      uint32_t at = i;
      for (; at > 0 && first[at - 1] > moving; --at) first[at] = first[at - 1];
      first[at] = moving;
    }
    return {first, std::min(count, wanted_)};
  }

 private:
  static constexpr uint32_t room = 24;
  uint32_t wanted_;
  std::vector<uint8_t> counts_;
  std::unique_ptr<uint64_t[]> cells_;
};

}  // namespace

// Runs all racers to a common time, and on by steps for the slots that have met fewer than a table shows. A slot's
// arrivals are complete up to the time at which it was closed, and so are the earliest of them.
void Rendezvous::run_forward(std::vector<Racer> racers) {
  racers_ = std::move(racers);
  std::vector<uint16_t> by_rank(racers_.size());
  std::iota(by_rank.begin(), by_rank.end(), uint16_t{0});
  std::ranges::sort(by_rank, [&](uint16_t a, uint16_t b) { return racers_[a].precedes(racers_[b]); });
  const double weight = std::accumulate(racers_.begin(), racers_.end(), 0.0,
                                        [](double sum, const Racer& racer) { return sum + racer.weight; });

  Arrivals arrivals(slots_, kept_max + 1);   // one more, to know until when they are complete
  std::vector<uint8_t> closed(race_.strata(), 0);
  std::fill(closed.begin() + slots_, closed.end(), uint8_t{1});   // strata that belong to no slot
  std::vector<uint32_t> next_stratum(racers_.size(), 0);
  known_until_.resize(stride_, never);
  auto time_limit = static_cast<float>(13 / weight);
  for (bool all_closed = false; !all_closed; time_limit *= 1.25f) {
    for (size_t rank = 0; rank < by_rank.size(); ++rank) {
      const Racer& racer = racers_[by_rank[rank]];
      uint32_t stratum = next_stratum[rank];
      const uint32_t end = race_.end_stratum(racer, time_limit);
      for (; stratum < end; ++stratum) {
        if (stratum + 1 == end && race_.time(racer, stratum) > time_limit) break;
        const uint32_t slot = race_.slot(racer, stratum);
        if (closed[slot] == 0) arrivals.put(slot, arrival(race_.time(racer, stratum), static_cast<uint16_t>(rank)));
      }
      next_stratum[rank] = stratum;
    }
    all_closed = true;
    for (uint32_t slot = 0; slot < slots_; ++slot) {
      if (closed[slot] != 0) continue;
      known_until_[slot] = time_limit;
      closed[slot] = arrivals.count(slot) >= shown_max ? 1 : 0;
      all_closed &= closed[slot] != 0;
    }
  }

  times_.resize(size_t{kept_max} * stride_, never);
  members_.resize(size_t{kept_max} * stride_, no_member);
  for (uint32_t slot = 0; slot < slots_; ++slot) {
    const auto earliest = arrivals.earliest(slot);
    for (uint32_t place = 0; place < kept_max; ++place) {
      const bool met = place < earliest.size();
      time_at(place, slot) = met ? time_of(earliest[place]) : never;
      member_at(place, slot) = met ? by_rank[rank_of(earliest[place])] : no_member;
    }
    if (earliest.size() > kept_max) known_until_[slot] = std::min(known_until_[slot], time_of(earliest[kept_max]));
  }
  note_horizon();
}

}  // namespace ringmaster::balance
