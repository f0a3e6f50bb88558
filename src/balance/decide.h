// Who serves a request for a slot: the order in which replicas are asked, and the choice among them (choice.h). One
// function for the worker that routes and for the admin thread that explains; each calls it with what it knows.
//
// The order is the replica that a sticky cookie names, where one does; then the slot's owner and its fall-backs. Of a
// hot key the best of the first few goes in front, unless a cookie names one.
//
// A table lists a few fall-backs for each slot (fallbacks_max). Where none of them is open, the other members are
// asked, from a place on that the slot determines, so that such a key has one replica, too. With a bound the share of
// members at theirs is below 1 / factor: then one is found after a few, and the bound is kept with any number of
// replicas.
//
// A client that sticks goes back to its replica as soon as that is back: slow start is about slots, and a session that
// went to and fro while they are taken over would be worse off than one that meets a cold replica.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "balance/choice.h"
#include "balance/table.h"

namespace ringmaster::balance {

struct Wanted {
  uint32_t slot = 0;             // of the table
  uint16_t named = no_member;    // by the request's sticky cookie
  uint32_t sharers = 1;          // so many of the slot's order share its key: more than one where it is hot
};

struct Decision {
  Verdict verdict = Verdict::nobody;
  uint16_t member = no_member;   // who serves or is waited for
};

// standing_of(member) is asked a few times for one member at most; better(a, b), of two that are open: whether a hot
// key's request is better given to a. Neither may change what the other says. Allocates nothing.
template <class StandingOf, class Better>
Decision decide(const Table& table, Affinity affinity, const Wanted& wanted, StandingOf standing_of, Better better);

namespace detail {

// Brings the best of the first few to the front.
template <class StandingOf, class Better>
void spread_heat(std::span<uint16_t> order, uint32_t sharers, StandingOf standing_of, Better better) {
  const size_t few = std::min<size_t>(sharers, order.size());
  size_t best = few;
  for (size_t place = 0; place < few; ++place) {
    if (standing_of(order[place]) != Standing::open) continue;
    if (best == few || better(order[place], order[best])) best = place;
  }
  if (best < few) std::rotate(order.begin(), order.begin() + best, order.begin() + best + 1);
}

template <class StandingOf>
uint16_t first_open(uint32_t slot, size_t members, StandingOf standing_of) {
  const size_t begin = static_cast<size_t>((slot * uint64_t{0x9E3779B97F4A7C15} >> 32) * members >> 32);
  for (size_t i = 0; i < members; ++i) {
    const auto member = static_cast<uint16_t>(begin + i < members ? begin + i : begin + i - members);
    if (standing_of(member) == Standing::open) return member;
  }
  return no_member;
}

// Whether a member that is not in the order may do better than what choose() has found in it.
constexpr bool may_look_beyond(Affinity affinity, Verdict verdict) noexcept {
  if (affinity == Affinity::strict || verdict < Verdict::last_resort) return false;
  const bool must_wait = affinity == Affinity::fail_over && (verdict == Verdict::queued || verdict == Verdict::full);
  return !must_wait;
}

}  // namespace detail

template <class StandingOf, class Better>
Decision decide(const Table& table, Affinity affinity, const Wanted& wanted, StandingOf standing_of, Better better) {
  const uint16_t owner = table.owner(wanted.slot);
  if (owner == no_member) return {};
  const bool sticks = wanted.named != no_member;
  std::array<uint16_t, fallbacks_max + 2> order;
  size_t count = 0;
  if (sticks) order[count++] = wanted.named;
  order[count] = owner;
  count += 1 + table.fallbacks(wanted.slot, std::span(order).subspan(count + 1));
  if (!sticks && wanted.sharers > 1) {
    detail::spread_heat(std::span(order).first(count), wanted.sharers, standing_of, better);
  }
  Standing first = Standing::open;
  Choice choice = choose(affinity, count, [&](size_t place) {
    Standing standing = standing_of(order[place]);
    if (sticks && place == 0 && standing == Standing::warming) standing = Standing::open;
    if (place == 0) first = standing;
    return standing;
  });
  const size_t members = table.members().size();
  if (detail::may_look_beyond(affinity, choice.verdict) && members > count) {
    const uint16_t found = detail::first_open(wanted.slot, members, standing_of);
    if (found != no_member) return {passed_over(first), found};
  }
  if (choice.verdict == Verdict::owner && sticks) choice.verdict = Verdict::sticky;
  if (choice.verdict == Verdict::owner && order[0] != owner) choice.verdict = Verdict::hot_key;
  const bool names_one = serves(choice.verdict) || waits(choice.verdict);
  return {choice.verdict, names_one ? order[choice.place] : no_member};
}

}  // namespace ringmaster::balance
