#include "balance/rendezvous.h"

#include <algorithm>

#include "balance/lanes.h"

namespace ringmaster::balance {

Rendezvous::Rendezvous(const TableSettings& settings)
    : race_(settings.slots), slots_(settings.slots), stride_((settings.slots + lanes - 1) / lanes * lanes),
      known_until_(stride_, never) {}

// Brings the slots up to date with the members, by the differences or, where these are many, from nothing.
Places Rendezvous::places(std::span<const Member> members) {
  std::vector<Racer> next;
  std::vector<Gone> gone;         // by ascending index into racers_
  std::vector<uint32_t> come;     // indexes into next
  size_t old = 0;
  const auto skip_to = [&](uint64_t number) {
    for (; old < racers_.size() && racers_[old].number < number; ++old) {
      if (racers_[old].shown) gone.push_back({static_cast<uint16_t>(old), false});
    }
  };
  for (const Member& member : members) {
    if (!member.ready) continue;
    skip_to(member.number);
    const bool listed = old < racers_.size() && racers_[old].number == member.number;
    if (listed && racers_[old].weight == static_cast<float>(member.weight)) {
      racers_[old].shown = true;
      next.push_back(racers_[old++]);
      continue;
    }
    if (listed) gone.push_back({static_cast<uint16_t>(old++), true});
    come.push_back(static_cast<uint32_t>(next.size()));
    next.push_back(race_.enter(member.number, member.name, member.weight));
  }
  skip_to(UINT64_MAX);

  // Measured: with many members a rebuild costs as much as a few dozen changes; with few, it is the adding of each.
  const size_t changes_max = next.size() > kept_max ? 32 : next.size();
  if (gone.size() + come.size() > changes_max) {
    rebuild(std::move(next));
  } else if (!gone.empty() || !come.empty()) {
    for (size_t i = gone.size(); i-- > 0;) let_go(gone[i]);
    for (const uint32_t index : come) take_in(next[index]);
    forget_hidden(hidden_max);
    refill_short_slots();
  }
  return show();
}

Places Rendezvous::show() {
  const size_t hidden = hidden_count();
  Places places;
  places.slots = slots_;
  places.depth = static_cast<uint32_t>(std::min<size_t>(shown_max, racers_.size() - hidden));
  places.members.resize(size_t{places.depth} * slots_);
  for (uint32_t first = 0; hidden > 0 && first < slots_; first += lanes) show_without_hidden(first, places);
  for (uint32_t place = 0; hidden == 0 && place < places.depth; ++place) {
    std::copy_n(&member_at(place, 0), slots_, places.members.data() + size_t{place} * slots_);
  }
  return places;
}

void Rendezvous::show_without_hidden(uint32_t first, Places& places) const {
  uint16_t copy[kept_max + 1][lanes];
  for (uint32_t place = 0; place < provided_; ++place) {
    std::copy_n(members_.data() + size_t{place} * stride_ + first, lanes, copy[place]);
  }
  std::fill_n(copy[provided_], lanes, no_member);
  for (size_t index = racers_.size(); index-- > 0;) {
    if (racers_[index].shown) continue;
    const auto member = static_cast<uint16_t>(index);
    uint16_t met[lanes] = {};
    for (uint32_t place = 0; place < provided_; ++place) {
      remove_member(copy[place], copy[place + 1], met, member);
      move_members(copy[place], static_cast<uint16_t>(index + 1), static_cast<uint16_t>(-1), no_member);
    }
  }
  const uint32_t count = std::min(lanes, slots_ - first);
  for (uint32_t place = 0; place < places.depth; ++place) {
    std::copy_n(copy[place], count, places.members.data() + size_t{place} * slots_ + first);
  }
}

// --- hidden racers ---------------------------------------------------------------------------------------------------
// A member that goes is often back soon: a replica that is respawned, or that misses a heartbeat. At the table sizes
// where a change touches all slots, because every slot keeps every racer, the last ones gone stay in the slots and are
// left out of what is shown. Their return costs nothing then, and their going less.

size_t Rendezvous::hidden_count() const {
  return static_cast<size_t>(std::ranges::count(racers_, false, &Racer::shown));
}

void Rendezvous::let_go(Gone gone) {
  if (horizon_ == never && !gone.reweighed) racers_[gone.index].shown = false;
  else remove(gone.index);
}

void Rendezvous::forget_hidden(size_t but) {
  for (size_t hidden = hidden_count(); hidden > but; --hidden) {
    remove(static_cast<uint16_t>(std::ranges::find(racers_, false, &Racer::shown) - racers_.begin()));
  }
}

void Rendezvous::take_in(const Racer& racer) {
  const auto same = [&](const Racer& other) {
    return !other.shown && !other.precedes(racer) && !racer.precedes(other) && other.weight == racer.weight;
  };
  const auto after = [&] { return std::ranges::upper_bound(racers_, racer.number, {}, &Racer::number); };
  const auto hidden = std::ranges::find_if(racers_, same);
  if (hidden == racers_.end()) {
    forget_hidden(0);   // it is their replacement, in all likelihood; and they would cost it time
    return add(racer, static_cast<uint16_t>(after() - racers_.begin()));
  }
  // It has a new number: it joins as the last.
  const auto to = after();
  const auto from_index = static_cast<uint16_t>(hidden - racers_.begin());
  const auto to_index = static_cast<uint16_t>(to - racers_.begin() - 1);
  *hidden = racer;
  std::rotate(hidden, hidden + 1, to);
  for (size_t first = 0; first < members_.size(); first += lanes) {
    rotate_members(members_.data() + first, from_index, to_index);
  }
}

// --- the lists -------------------------------------------------------------------------------------------------------

// Indexes from `from` on are moved by one.
void Rendezvous::renumber(uint16_t from, int step) {
  for (size_t first = 0; first < members_.size(); first += lanes) {
    move_members(members_.data() + first, from, static_cast<uint16_t>(step), no_member);
  }
}

void Rendezvous::provide_places(size_t places) {
  provided_ = static_cast<uint32_t>(std::clamp<size_t>(places, provided_, kept_max));
  times_.resize(size_t{provided_} * stride_, never);
  members_.resize(size_t{provided_} * stride_, no_member);
}

void Rendezvous::note_horizon() { horizon_ = *std::max_element(known_until_.begin(), known_until_.begin() + slots_); }

// --- a member comes --------------------------------------------------------------------------------------------------

void Rendezvous::add(const Racer& racer, uint16_t index) {
  if (index < racers_.size()) renumber(index, +1);
  racers_.insert(racers_.begin() + index, racer);
  provide_places(racers_.size());
  const uint32_t end = race_.end_stratum(racer, horizon_);
  if (is_many(end)) {
    for (uint32_t first = 0; first < stride_; first += lanes) add_to_lanes(first, racer, index);
    if (horizon_ == never && racers_.size() > kept_max) note_horizon();
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
    for (uint32_t place = 0; place < provided_; ++place) {
      if (time_at(place, slot) == time) return refill(slot);
    }
    return;
  }
  uint32_t place = 0;
  while (place < provided_ && !before(time, racer, time_at(place, slot), member_at(place, slot))) ++place;
  const uint32_t last = provided_ - 1;
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
  uint16_t places[lanes];   // where the racer comes in; provided_ where it does not
  race_.times<lanes>(racer, first, times);
  bool equal = false;
  for (uint32_t place = 0; place < provided_; ++place) equal |= count_earlier(&time_at(place, first), times, earlier);
  if (equal) {   // once in a table or less: the names decide
    for (uint32_t slot = first; slot < std::min(first + lanes, slots_); ++slot) {
      insert(slot, times[slot - first], racer, index);
    }
    return;
  }
  shut_out(times, &known_until_[first], earlier, never, provided_);
  lower_to_later(&known_until_[first], &time_at(provided_ - 1, first), times);
  narrow(earlier, places);
  for (uint32_t place = provided_ - 1; place > 0; --place) {
    insert_time(&time_at(place, first), &time_at(place - 1, first), times);
    insert_member(&member_at(place, first), &member_at(place - 1, first), places, static_cast<uint16_t>(place), index);
  }
  insert_first(&time_at(0, first), &member_at(0, first), times, places, index);
}

// --- a member goes ---------------------------------------------------------------------------------------------------

void Rendezvous::remove(uint16_t index) {
  const Racer& racer = racers_[index];
  const uint32_t end = race_.end_stratum(racer, horizon_);
  if (is_many(end)) {
    for (uint32_t first = 0; first < stride_; first += lanes) remove_from_lanes(first, index);
  } else {
    for (uint32_t stratum = 0; stratum < end; ++stratum) {
      const uint32_t slot = race_.slot(racer, stratum);
      if (slot < slots_) take_out(slot, index);
    }
  }
  racers_.erase(racers_.begin() + index);
  if (index < racers_.size()) renumber(static_cast<uint16_t>(index + 1), -1);
}

void Rendezvous::take_out(uint32_t slot, uint16_t index) {
  uint32_t place = 0;
  while (place < provided_ && member_at(place, slot) != index) ++place;
  if (place == provided_) return;
  for (; place + 1 < provided_; ++place) {
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
  for (uint32_t place = 0; place < provided_; ++place) {
    const bool last = place + 1 == provided_;
    remove_member(&member_at(place, first), last ? nobody : &member_at(place + 1, first), met, index);
    widen(met, met_wide);
    remove_time(&time_at(place, first), last ? nevers : &time_at(place + 1, first), met_wide);
  }
}

// --- a slot has too few ----------------------------------------------------------------------------------------------

void Rendezvous::refill_short_slots() {
  const auto last = static_cast<uint32_t>(std::min(shown_max + hidden_count(), racers_.size())) - 1;
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
    if (taken == provided_) {
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
