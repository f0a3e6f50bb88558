// Weighted rendezvous hashing (highest random weight: D. Thaler and C. Ravishankar, "Using Name-Based Mappings to
// Increase Hit Rates", IEEE/ACM ToN 6(1), 1998), laid out as a table. A slot's members are ordered by the times of
// race.h; the first is the owner, the next are the fall-backs.
//
// A time depends on its member's name and weight and on nothing else. Hence, exactly:
//   - the table is a function of the ready members' names and weights, not of the order or the history of joining;
//   - a member that leaves or is not ready moves its own slots only, each to what was its first fall-back;
//   - a member that comes, or gains weight, takes slots and moves none between the others.
//
// Cost. Of up to 16 members all run in every slot: few_racers.h. Of more, for each slot the earliest few are kept, as
// many as a table shows (owner and fall-backs) and some in reserve. From nothing, every member is run forward to a
// common time at which a slot has met 13 members on average, then further for the slots that have met too few:
// O(slots x fall-backs), whatever the members' number, where the plain way costs slots x members. A coming, leaving or
// reweighed member touches the slots where it counts among the first, about slots x kept / members; where that is many
// of them, it is all of them in loops that the compiler makes vectors of (lanes.h). Only when a slot's reserve is used
// up are all members asked for it. Between the two ways there is a gap, so that a member that comes and goes does not
// make the table be built from nothing each time: the one for many goes on down to 13 members.
//
// Memory of many: 6 bytes for each slot and member kept, of which there are 12, and 4 for each slot; a rebuild takes
// 200 more for each slot while it lasts.
#pragma once

#include <cfloat>
#include <memory>
#include <vector>

#include "balance/construction.h"
#include "balance/few_racers.h"
#include "balance/race.h"

namespace ringmaster::balance {

class Rendezvous final : public Construction {
 public:
  explicit Rendezvous(const TableSettings& settings);
  // Readiness and weight are looked at when a table is due, so these have nothing to do.
  Result<void> join(const Member&) override { return {}; }
  void leave(const Member&) override {}
  Result<void> reweigh(const Member&, uint32_t) override { return {}; }
  Places places(std::span<const Member> members) override;
  std::unique_ptr<Construction> clone() const override { return std::make_unique<Rendezvous>(*this); }

 private:
  static constexpr uint32_t shown_max = fallbacks_max + 1;
  static constexpr uint32_t kept_max = 12;
  static constexpr size_t many_min = 13;    // where there have been more than few, down to so many
  static constexpr float never = FLT_MAX;   // later than every time
  static_assert(kept_max > shown_max && many_min > kept_max && many_min <= FewRacers::racers_max);

  float& time_at(uint32_t place, uint32_t slot) noexcept { return times_.data()[size_t{place} * stride_ + slot]; }
  uint16_t& member_at(uint32_t place, uint32_t slot) noexcept {
    return members_.data()[size_t{place} * stride_ + slot];
  }
  bool before(float time, const Racer& racer, float other_time, uint16_t other) const noexcept {
    return time != other_time ? time < other_time : racer.precedes(racers_.data()[other]);
  }

  std::vector<Racer> racers_of(std::span<const Member> members) const;
  void go_on_with(std::vector<Racer> next);
  Places show() const;

  void add(const Racer& racer);
  void reweigh(const Racer& racer);
  void remove(uint16_t index);
  void renumber(uint16_t from, int step);
  void note_horizon();
  bool is_many(uint32_t strata) const noexcept { return strata > race_.strata() / 4; }

  void add_to_slots(uint16_t index);
  void add_to_lanes(uint32_t first, const Racer& racer, uint16_t index);
  void insert(uint32_t slot, float time, const Racer& racer, uint16_t index);
  void remove_from_slots(uint16_t index);
  void remove_from_lanes(uint32_t first, uint16_t index);
  void take_out(uint32_t slot, uint16_t index);

  void run_forward(std::vector<Racer> racers);
  void refill_short_slots();
  void refill(uint32_t slot);

  Race race_;
  uint32_t slots_;
  uint32_t stride_;                  // slots_ rounded up to lanes
  FewRacers few_;
  // All that follows is for many, and empty while there are few.
  std::vector<Racer> racers_;        // the ready members of the last table, ascending by number
  // For each slot the earliest racers in order: place p of slot s is at p x stride_ + s. Places not taken, after those
  // that are, have the time `never` and no_member.
  std::vector<float> times_;
  std::vector<uint16_t> members_;    // indexes into racers_
  // For each slot: every racer that comes before this time is among its places. It is the time of the earliest one that
  // has found no place, or earlier.
  std::vector<float> known_until_;
  float horizon_ = never;            // at or after the latest of known_until_
};

}  // namespace ringmaster::balance
