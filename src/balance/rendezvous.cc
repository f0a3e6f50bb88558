#include "balance/rendezvous.h"

#include <algorithm>

#include "balance/lanes.h"

namespace ringmaster::balance {

Rendezvous::Rendezvous(const TableSettings& settings)
    : race_(settings.slots), slots_(settings.slots), stride_((settings.slots + lanes - 1) / lanes * lanes),
      few_(race_, slots_) {}

Places Rendezvous::places(std::span<const Member> members) {
  std::vector<Racer> next = racers_of(members);
  if (next.size() <= FewRacers::racers_max && (racers_.empty() || next.size() < many_min)) {
    racers_ = {};
    times_ = {};
    members_ = {};
    known_until_ = {};
    return few_.places(next);
  }
  if (racers_.empty()) {
    few_.clear();
    run_forward(std::move(next));
  } else {
    go_on_with(std::move(next));
  }
  return show();
}

std::vector<Racer> Rendezvous::racers_of(std::span<const Member> members) const {
  std::vector<Racer> racers;
  size_t known = 0;
  for (const Member& member : members) {
    if (!member.ready) continue;
    while (known < racers_.size() && racers_[known].number < member.number) ++known;
    const bool listed = known < racers_.size() && racers_[known].number == member.number;
    const bool same = listed && racers_[known].weight == static_cast<float>(member.weight);
    racers.push_back(same ? racers_[known] : race_.enter(member.number, member.name, member.weight));
  }
  return racers;
}

// Brings the slots up to date with the racers, by the differences or, where these are many, from nothing.
void Rendezvous::go_on_with(std::vector<Racer> next) {
  std::vector<uint16_t> gone;     // ascending indexes into racers_
  std::vector<Racer> come, reweighed;
  size_t old = 0;
  const auto skip_to = [&](uint64_t number) {
    for (; old < racers_.size() && racers_[old].number < number; ++old) gone.push_back(static_cast<uint16_t>(old));
  };
  for (const Racer& racer : next) {
    skip_to(racer.number);
    const bool listed = old < racers_.size() && racers_[old].number == racer.number;
    if (!listed) come.push_back(racer);
    else if (racers_[old++].weight != racer.weight) reweighed.push_back(racer);
  }
  skip_to(UINT64_MAX);

  // Measured: a rebuild costs as much as a few dozen changes.
  if (gone.size() + come.size() + 2 * reweighed.size() > 32) return run_forward(std::move(next));
  if (gone.empty() && come.empty() && reweighed.empty()) return;
  for (size_t i = gone.size(); i-- > 0;) remove(gone[i]);
  for (const Racer& racer : reweighed) reweigh(racer);
  for (const Racer& racer : come) add(racer);
  refill_short_slots();
}

Places Rendezvous::show() const {
  Places places;
  places.slots = places.stride = slots_;
  places.depth = shown_max;
  places.members.resize(size_t{places.depth} * slots_);
  for (uint32_t place = 0; place < places.depth; ++place) {
    std::copy_n(members_.data() + size_t{place} * stride_, slots_, places.members.data() + size_t{place} * slots_);
  }
  return places;
}

// --- the lists -------------------------------------------------------------------------------------------------------

// Indexes from `from` on are moved by one.
void Rendezvous::renumber(uint16_t from, int step) {
  for (size_t first = 0; first < members_.size(); first += lanes) {
    move_members(members_.data() + first, from, static_cast<uint16_t>(step), no_member);
  }
}

void Rendezvous::note_horizon() { horizon_ = *std::max_element(known_until_.begin(), known_until_.begin() + slots_); }

// --- a member comes --------------------------------------------------------------------------------------------------

void Rendezvous::add(const Racer& racer) {
  const auto place = std::ranges::upper_bound(racers_, racer.number, {}, &Racer::number);
  const auto index = static_cast<uint16_t>(place - racers_.begin());
  if (index < racers_.size()) renumber(index, +1);
  racers_.insert(place, racer);
  add_to_slots(index);
}

void Rendezvous::reweigh(const Racer& racer) {
  const auto place = std::ranges::lower_bound(racers_, racer.number, {}, &Racer::number);
  const auto index = static_cast<uint16_t>(place - racers_.begin());
  remove_from_slots(index);
  *place = racer;
  add_to_slots(index);
}

void Rendezvous::add_to_slots(uint16_t index) {
  const Racer racer = racers_[index];
  const uint32_t end = race_.end_stratum(racer, horizon_);
  if (is_many(end)) {
    for (uint32_t first = 0; first < stride_; first += lanes) add_to_lanes(first, racer, index);
    return;
  }
  for (uint32_t stratum = 0; stratum < end; ++stratum) {
    const uint32_t slot = race_.slot(racer, stratum);
    if (slot < slots_) insert(slot, race_.time(racer, stratum), racer, index);
  }
}

void Rendezvous::insert(uint32_t slot, float time, const Racer& racer, uint16_t index) {
  if (time >= known_until_[slot]) {
    // Among equals the names decide, and not all of these are at hand.
    for (uint32_t place = 0; place < kept_max; ++place) {
      if (time_at(place, slot) == time) return refill(slot);
    }
    return;
  }
  uint32_t place = 0;
  while (place < kept_max && !before(time, racer, time_at(place, slot), member_at(place, slot))) ++place;
  const uint32_t last = kept_max - 1;
  known_until_[slot] = std::min(known_until_[slot], std::max(time, time_at(last, slot)));
  if (place > last) return;
  for (uint32_t at = last; at > place; --at) {
    time_at(at, slot) = time_at(at - 1, slot);
    member_at(at, slot) = member_at(at - 1, slot);
  }
  time_at(place, slot) = time;
  member_at(place, slot) = index;
}

// The same for all slots from first to first + lanes - 1.
void Rendezvous::add_to_lanes(uint32_t first, const Racer& racer, uint16_t index) {
  float times[lanes];
  uint32_t earlier[lanes] = {};
  uint16_t places[lanes];   // where the racer comes in; kept_max where it does not
  race_.times<lanes>(racer, first, times);
  bool equal = false;
  for (uint32_t place = 0; place < kept_max; ++place) equal |= count_earlier(&time_at(place, first), times, earlier);
  if (equal) {   // once in a table or less: the names decide
    for (uint32_t slot = first; slot < std::min(first + lanes, slots_); ++slot) {
      insert(slot, times[slot - first], racer, index);
    }
    return;
  }
  shut_out(times, &known_until_[first], earlier, never, kept_max);
  lower_to_later(&known_until_[first], &time_at(kept_max - 1, first), times);
  narrow(earlier, places);
  for (uint32_t place = kept_max - 1; place > 0; --place) {
    insert_time(&time_at(place, first), &time_at(place - 1, first), times);
    insert_member(&member_at(place, first), &member_at(place - 1, first), places, static_cast<uint16_t>(place), index);
  }
  insert_first(&time_at(0, first), &member_at(0, first), times, places, index);
}

// --- a member goes ---------------------------------------------------------------------------------------------------

void Rendezvous::remove(uint16_t index) {
  remove_from_slots(index);
  racers_.erase(racers_.begin() + index);
  if (index < racers_.size()) renumber(static_cast<uint16_t>(index + 1), -1);
}

void Rendezvous::remove_from_slots(uint16_t index) {
  const Racer racer = racers_[index];
  const uint32_t end = race_.end_stratum(racer, horizon_);
  if (is_many(end)) {
    for (uint32_t first = 0; first < stride_; first += lanes) remove_from_lanes(first, index);
    return;
  }
  for (uint32_t stratum = 0; stratum < end; ++stratum) {
    const uint32_t slot = race_.slot(racer, stratum);
    if (slot < slots_) take_out(slot, index);
  }
}

void Rendezvous::take_out(uint32_t slot, uint16_t index) {
  uint32_t place = 0;
  while (place < kept_max && member_at(place, slot) != index) ++place;
  if (place == kept_max) return;
  for (; place + 1 < kept_max; ++place) {
    time_at(place, slot) = time_at(place + 1, slot);
    member_at(place, slot) = member_at(place + 1, slot);
  }
  time_at(place, slot) = never;
  member_at(place, slot) = no_member;
}

void Rendezvous::remove_from_lanes(uint32_t first, uint16_t index) {
  uint16_t met[lanes] = {}, nobody[lanes];
  uint32_t met_wide[lanes];
  float nevers[lanes];
  std::fill_n(nobody, lanes, no_member);
  std::fill_n(nevers, lanes, never);
  for (uint32_t place = 0; place < kept_max; ++place) {
    const bool last = place + 1 == kept_max;
    remove_member(&member_at(place, first), last ? nobody : &member_at(place + 1, first), met, index);
    widen(met, met_wide);
    remove_time(&time_at(place, first), last ? nevers : &time_at(place + 1, first), met_wide);
  }
}

// --- a slot has too few ----------------------------------------------------------------------------------------------

void Rendezvous::refill_short_slots() {
  constexpr uint32_t last = shown_max - 1;
  for (uint32_t first = 0; first < stride_; first += lanes) {
    if (!any_equal(&time_at(last, first), never)) continue;
    for (uint32_t slot = first; slot < std::min(first + lanes, slots_); ++slot) {
      if (time_at(last, slot) == never) refill(slot);
    }
  }
}

void Rendezvous::refill(uint32_t slot) {
  uint32_t taken = 0;
  float earliest_out = never;
  for (size_t i = 0; i < racers_.size(); ++i) {
    const Racer& racer = racers_[i];
    const float time = race_.time(racer, race_.stratum(racer, slot));
    uint32_t place = taken;
    while (place > 0 && before(time, racer, time_at(place - 1, slot), member_at(place - 1, slot))) --place;
    if (taken == kept_max) {
      earliest_out = std::min(earliest_out, std::max(time, time_at(taken - 1, slot)));
      if (place == taken) continue;
    } else {
      ++taken;
    }
    for (uint32_t at = taken - 1; at > place; --at) {
      time_at(at, slot) = time_at(at - 1, slot);
      member_at(at, slot) = member_at(at - 1, slot);
    }
    time_at(place, slot) = time;
    member_at(place, slot) = static_cast<uint16_t>(i);
  }
  known_until_[slot] = earliest_out;
  horizon_ = std::max(horizon_, earliest_out);
}

}  // namespace ringmaster::balance
