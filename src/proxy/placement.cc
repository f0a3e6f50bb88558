// The router's second half: which replica of a slot's order takes a request, and who may stop waiting.

#include <algorithm>

#include "balance/decide.h"
#include "proxy/exchange.h"
#include "proxy/router.h"

namespace ringmaster::proxy {

using balance::Standing;
using balance::Verdict;

Placement Router::place(const Ask& ask) noexcept {
  if (!lookup_ || seats_.empty()) return {};
  // The table may have changed since the slot was found; its number of slots may have too.
  const uint32_t slot = ask.route.slot % lookup_->slots();
  if (plain_ && ask.route.sticky == 0 && !ask.route.hot) [[likely]] {
    const uint16_t owner = lookup_->owner(slot);
    if (owner == balance::no_member) return {};
    UpstreamPool* const pool = seats_[owner];
    if (pool && pool->usable(parts_.now()) && pool->has_room(ask.fresh) && !ask.tried.has(pool->upstream().id)) {
      return {Verdict::owner, pool};
    }
  }
  return parts_.settings.policy == balance::Policy::table ? place_in_order(ask, slot) : place_by_policy(ask, slot);
}

// balance/decide.h has the order and the choice.
Placement Router::place_in_order(const Ask& ask, uint32_t slot) noexcept {
  const balance::Wanted wanted{.slot = slot,
                               .named = member_of(ask.route.sticky),
                               .sharers = ask.route.hot ? parts_.settings.hot_key_replicas : 1};
  const balance::Decision decision = balance::decide(
      *lookup_, parts_.settings.affinity, wanted,
      [&](uint16_t member) { return standing(seats_[member], ask, slot); },
      [&](uint16_t one, uint16_t other) { return better(*seats_[one], *seats_[other]); });
  return {decision.verdict, decision.member == balance::no_member ? nullptr : seats_[decision.member]};
}

// The one with fewer exchanges for its weight; of equals, the one whose turn comes first.
bool Router::better(UpstreamPool& one, UpstreamPool& other) noexcept {
  const int64_t one_waits = one.turn().from(present_), other_waits = other.turn().from(present_);
  if (parts_.settings.policy == balance::Policy::round_robin) return one_waits < other_waits;
  if (balance::less_loaded(one.in_flight(), one.weight(), other.in_flight(), other.weight())) return true;
  if (balance::less_loaded(other.in_flight(), other.weight(), one.in_flight(), one.weight())) return false;
  return one_waits < other_waits;
}

Placement Router::place_by_policy(const Ask& ask, uint32_t slot) noexcept {
  if (const uint16_t named = member_of(ask.route.sticky); named != balance::no_member) {
    const Standing standing = this->standing(seats_[named], ask, slot);
    // Slow start does not keep a client from its replica: see balance/decide.h.
    if (standing == Standing::open || standing == Standing::warming) return {Verdict::sticky, seats_[named]};
  }
  UpstreamPool* best = nullptr;
  if (parts_.settings.policy == balance::Policy::power_of_two) best = best_of_two(ask, slot);
  if (!best) best = best_of_all(ask, slot);
  if (best) return {Verdict::owner, best};
  // Nobody is open: a few of them, from a random one on, are looked at for the least bad.
  const size_t count = std::min(seats_.size(), balance::fallbacks_max + 1);
  const size_t begin = slot % seats_.size();
  const auto at = [&](size_t place) { return seats_[(begin + place) % seats_.size()]; };
  const balance::Choice choice = balance::choose(balance::Affinity::prefer, count,
                                                 [&](size_t place) { return standing(at(place), ask, slot); });
  const bool names_one = balance::serves(choice.verdict) || choice.verdict == Verdict::queued;
  return {choice.verdict, names_one ? at(choice.place) : nullptr};
}

// The owners of two random slots: a slot's owner is drawn by weight.
UpstreamPool* Router::best_of_two(const Ask& ask, uint32_t slot) noexcept {
  constexpr int draws_max = 8;   // enough to meet a second one, unless nearly all weight is with the first
  UpstreamPool* first = nullptr;
  for (int i = 0; i < draws_max; ++i) {
    const uint16_t member = lookup_->owner(i == 0 ? slot : parts_.random.below(lookup_->slots()));
    if (member == balance::no_member) return nullptr;
    UpstreamPool* const pool = seats_[member];
    if (pool == first || standing(pool, ask, slot) != Standing::open) continue;
    if (first) return better(*pool, *first) ? pool : first;
    first = pool;
  }
  return first;
}

UpstreamPool* Router::best_of_all(const Ask& ask, uint32_t slot) noexcept {
  UpstreamPool* best = nullptr;
  for (UpstreamPool* pool : seats_) {
    if (standing(pool, ask, slot) == Standing::open && (!best || better(*pool, *best))) best = pool;
  }
  return best;
}

Standing Router::standing(UpstreamPool* pool, const Ask& ask, uint32_t slot) noexcept {
  if (!pool) return Standing::absent;
  if (ask.tried.has(pool->upstream().id)) return Standing::tried;
  if (!pool->usable(parts_.now())) return parts_.settings.fail_open ? Standing::down : Standing::absent;
  if (!pool->has_room(ask.fresh)) return pool->queue_has_room() ? Standing::full : Standing::crowded;
  if (!within_bound(*pool)) return Standing::over;
  if (parts_.now() < warming_until_ns_ && pool->warming(slot)) return Standing::warming;
  return Standing::open;
}

bool Router::within_bound(const UpstreamPool& pool) noexcept {
  const uint32_t factor = parts_.settings.balance_factor;
  return factor == 0 || balance::within_bound(factor, pool.in_flight(), pool.weight(), parts_.in_flight,
                                              weights_in_sight());
}

// Of the replicas that can take anything at all: the others' share falls to them. Summed once for each loop, and once
// more when one goes out of sight.
uint64_t Router::weights_in_sight() noexcept {
  if (weights_in_sight_ != 0) return weights_in_sight_;
  const uint64_t now = parts_.now();
  for (const UpstreamPool* pool : seats_) {
    if (pool && pool->usable(now)) weights_in_sight_ += pool->weight();
  }
  return weights_in_sight_;
}

// --- those who wait -------------------------------------------------------------------------------------------------

void Router::wait(Exchange& exchange, const Placement& placement) noexcept {
  if (placement.verdict == Verdict::queued) {
    placement.pool->waiting().add(exchange);
    if (!placement.pool->linked()) crowded_.push_back(*placement.pool);
    return;
  }
  // An owner that is gone comes back by a table. One that has failed this request, or too many others, is asked again
  // after a while, if there is no table that says something else of it.
  uint64_t wake_ns = UINT64_MAX;
  if (placement.pool) {
    wake_ns = std::max(placement.pool->usable_from_ns(), parts_.now() + parts_.settings.ejection_ns);
  }
  held_wake_ns_ = held_.empty() ? wake_ns : std::min(held_wake_ns_, wake_ns);
  held_.add(exchange);
}

void Router::serve_those_who_wait() noexcept {
  if (!held_.empty() && parts_.now() >= held_wake_ns_) {
    held_wake_ns_ = UINT64_MAX;
    place_all_again(held_);
  }
  UpstreamPool* next = nullptr;
  for (UpstreamPool* pool = crowded_.front(); pool; pool = next) {
    const bool gone = pool->retired() || !pool->usable(parts_.now());
    if (gone) place_all_again(pool->waiting());
    else let_in(*pool);
    next = crowded_.after(*pool);
    if (pool->waiting().empty()) pool->unlink();
  }
}

// The first whom the bound keeps out looks elsewhere; where nobody else is better, it waits on, and those behind it do.
void Router::let_in(UpstreamPool& pool) noexcept {
  while (pool.has_connection(false)) {
    Exchange* exchange = pool.waiting().take();
    if (!exchange) return;
    if (within_bound(pool)) {
      exchange->on_room(pool);
      continue;
    }
    exchange->place_again(false);
    if (exchange->room == &pool.waiting()) return;
  }
}

// Each once: some may come back to the room's end.
void Router::place_all_again(WaitingRoom& room) noexcept {
  for (uint32_t left = room.length(); left > 0; --left) {
    Exchange* exchange = room.take();
    if (!exchange) return;
    exchange->place_again(&room == &held_);
  }
}

}  // namespace ringmaster::proxy
