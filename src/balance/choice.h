// Which replica of a slot's order serves a request: the decision by itself, as pure functions. The worker that routes
// and the admin thread that explains ask the same ones.
//
// A slot has an order: its owner, then its fall-backs. Each of them stands in some way towards the request at hand
// (Standing); choose() goes through the order once and says who serves, who is waited for, or why nobody does.
//
// Bounded loads: V. Mirrokni, M. Thorup and M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018. With
// m exchanges in flight, the new one included, a replica of weight w among weights that sum to W may hold at most
// ceil(factor x m x w / W) of them. The allowances sum to more than m, so that somebody is always below theirs; the
// first in the slot's order who is takes the request. As everywhere in practice, the bound is held when an exchange
// begins: none is moved when others end.
//
// Across workers. Each of k workers knows its own exchanges and holds the bound for them: load_i <= ceil(a_i), where
// a_i = factor x m_i x w / W is not rounded. The sum of k ceilings is below the sum of the a_i and k, hence at most
// ceil(sum of a_i) + k - 1 = ceil(factor x m x w / W) + k - 1. So while no exchange ends, the bound holds for the whole
// process with an error of at most workers - 1 exchanges for each replica, and with none where all traffic meets one
// worker. When exchanges end, the totals sink under those that have begun: a replica may then hold more than the bound
// of that moment, with one worker as with many, until some of its own end. It is given no further one meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmaster::balance {

// prefer: a replica that is full or above its bound is passed over, and one that is down.
// strict: the owner and nobody else; full, it is waited for, and gone, its return is.
// fail_over: one that is down is passed over, a full one is waited for.
enum class Affinity : uint8_t { prefer, strict, fail_over };
std::string_view name_of(Affinity affinity) noexcept;
std::optional<Affinity> affinity(std::string_view name) noexcept;

// How a replica stands towards one request.
enum class Standing : uint8_t {
  open,      // it can be given the request now
  over,      // the same, but it would hold more than the bound allows
  warming,   // the same, but it has not taken this slot over yet (slow start)
  full,      // every connection that it may have is busy; its queue has room
  crowded,   // nor has its queue room
  down,      // it has failed others a moment ago, and may be asked where nobody else is left
  tried,     // it has failed this very request
  absent,    // it is not to be asked at all (strict: the owner may not be ready)
};

// What became of it: the first ones serve, by the replica at Choice::place; then those that wait; then refusals.
enum class Verdict : uint8_t {
  owner,         // the first in the order
  sticky,        // the one that the request's cookie names
  hot_key,       // one of the first few in the order, because the key is hot
  over_bound,    // a fall-back: those before it are above their bound
  over_capacity, // a fall-back: those before it are full
  slow_start,    // a fall-back: those before it are warming up
  failed_over,   // a fall-back: those before it are down, or have failed this request
  last_resort,   // nobody is as they should be; this one is the least bad
  queued,        // waits for the replica at `place` to have room
  held,          // strict: waits for the owner to come back
  full,          // nobody has room, and no queue has
  nobody,        // the order is empty, or everybody in it has failed this request
};
inline constexpr size_t verdicts = static_cast<size_t>(Verdict::nobody) + 1;
std::string_view name_of(Verdict verdict) noexcept;
constexpr bool serves(Verdict verdict) noexcept { return verdict <= Verdict::last_resort; }
constexpr bool waits(Verdict verdict) noexcept { return verdict == Verdict::queued || verdict == Verdict::held; }

struct Choice {
  Verdict verdict = Verdict::nobody;
  size_t place = 0;    // in the order; means something where serves(verdict) or queued
};

// standing_of(place) for places 0 to count - 1, each asked once at most, in ascending order.
template <class StandingOf>
constexpr Choice choose(Affinity affinity, size_t count, StandingOf standing_of);

// Why a fall-back serves, by how the first in the order stands.
constexpr Verdict passed_over(Standing first) noexcept {
  switch (first) {
    case Standing::over: return Verdict::over_bound;
    case Standing::full:
    case Standing::crowded: return Verdict::over_capacity;
    case Standing::warming: return Verdict::slow_start;
    default: return Verdict::failed_over;
  }
}

// Whether a replica of `weight` that holds `load` may take one more, where `total` are in flight on all replicas,
// whose weights sum to `weights`. `factor_hundredths`: 125 is 1.25; from 100 to 10,000. No product overflows for fewer
// than 2^24 exchanges and weights that sum to at most weight_max x members_max.
constexpr bool within_bound(uint32_t factor_hundredths, uint64_t load, uint64_t weight, uint64_t total,
                            uint64_t weights) noexcept {
  // load + 1 <= ceil(x) exactly where load < x.
  return load * 100 * weights < (total + 1) * factor_hundredths * weight;
}
// The most that it may hold with `total` in flight, the newest included: ceil(factor x total x weight / weights).
constexpr uint64_t bound_of(uint32_t factor_hundredths, uint64_t weight, uint64_t total, uint64_t weights) noexcept {
  const uint64_t below = weights * 100;
  return below == 0 ? 0 : (total * factor_hundredths * weight + below - 1) / below;
}

// Slow start: a replica takes its slots over one after the other, evenly over `span_ns` from the moment at which it
// became ready. This is how long after that moment it takes over this slot: a function of both, so that every worker
// says the same, and that each slot goes over once and stays. `identity`: a hash of the replica's name.
constexpr uint64_t takes_over_after_ns(uint32_t slot, uint64_t identity, uint64_t span_ns) noexcept {
  uint64_t z = identity + (uint64_t{slot} + 1) * 0x9E3779B97F4A7C15;   // SplitMix64's steps
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  const uint64_t rank = (z ^ z >> 31) >> 40;   // 24 bits: spans up to 12 days do not overflow
  return rank * (span_ns >> 8) >> 16;
}

// Whether a replica that has served since then (0: always) still has slots to take over.
constexpr bool warms_up(uint64_t serving_ns, uint64_t now_ns, uint64_t span_ns) noexcept {
  return serving_ns != 0 && now_ns < serving_ns + span_ns;
}

// How long it is until such a replica takes over this slot; 0: it has.
constexpr uint64_t takes_over_in_ns(uint32_t slot, uint64_t identity, uint64_t serving_ns, uint64_t now_ns,
                                    uint64_t span_ns) noexcept {
  if (!warms_up(serving_ns, now_ns, span_ns)) return 0;
  const uint64_t elapsed_ns = now_ns > serving_ns ? now_ns - serving_ns : 0;
  const uint64_t after_ns = takes_over_after_ns(slot, identity, span_ns);
  return after_ns > elapsed_ns ? after_ns - elapsed_ns : 0;
}

// A worker's share of a limit for the whole process: they sum to the limit exactly. Where there are more workers than
// the limit allows, each has one all the same, so that every worker can serve. 0 stays 0: no limit.
constexpr uint32_t share_of(uint32_t limit, uint32_t workers, uint32_t worker) noexcept {
  if (limit == 0) return 0;
  const uint32_t share = limit / workers + (worker < limit % workers ? 1 : 0);
  return share == 0 ? 1 : share;
}

// --- choose(), in full -----------------------------------------------------------------------------------------------

namespace detail {

// strict: one replica, whatever it takes.
constexpr Choice choose_strict(Standing owner) noexcept {
  switch (owner) {
    case Standing::full: return {Verdict::queued, 0};
    case Standing::crowded: return {Verdict::full, 0};
    case Standing::down:
    case Standing::tried:
    case Standing::absent: return {Verdict::held, 0};
    default: return {Verdict::owner, 0};
  }
}

}  // namespace detail

// What is best where nobody is open: one that is warming has room; a queue keeps the bound and the limit; the bound
// yields only to a refusal; and one that was down a moment ago may be up again. A request that fails is no worse than
// one refused unheard.
template <class StandingOf>
constexpr Choice choose(Affinity affinity, size_t count, StandingOf standing_of) {
  if (count == 0) return {};
  Standing first = standing_of(size_t{0});
  if (affinity == Affinity::strict) return detail::choose_strict(first);
  constexpr size_t none = SIZE_MAX;
  size_t met[] = {none, none, none, none, none, none, none, none};   // by Standing
  for (size_t place = 0; place < count; ++place) {
    const Standing standing = place == 0 ? first : standing_of(place);
    if (standing == Standing::open) return {place == 0 ? Verdict::owner : passed_over(first), place};
    size_t& seen = met[static_cast<size_t>(standing)];
    if (seen == none) seen = place;
    // fail_over goes past those that are down, and past nobody else.
    const bool has_to_wait = standing == Standing::full || standing == Standing::crowded;
    if (affinity == Affinity::fail_over && has_to_wait) break;
  }
  const auto at = [&](Standing standing) { return met[static_cast<size_t>(standing)]; };
  if (at(Standing::warming) != none) return {Verdict::last_resort, at(Standing::warming)};
  if (at(Standing::full) != none) return {Verdict::queued, at(Standing::full)};
  if (at(Standing::over) != none) return {Verdict::last_resort, at(Standing::over)};
  if (at(Standing::crowded) != none) return {Verdict::full, at(Standing::crowded)};
  if (at(Standing::down) != none) return {Verdict::last_resort, at(Standing::down)};
  return {};
}

}  // namespace ringmaster::balance
