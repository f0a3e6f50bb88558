// The router's second half: which replica of a slot's order takes a request, and who may stop waiting.

#include <array>

#include "proxy/exchange.h"
#include "proxy/router.h"

namespace ringmaster::proxy {

using balance::Standing;
using balance::Verdict;

Placement Router::place(const Ask& ask) noexcept {
  if (!lookup_ || seats_.empty()) return {};
  // The table may have changed since the slot was found; its number of slots may have too.
  const uint32_t slot = ask.slot % lookup_->slots();
  if (plain_) [[likely]] {
    const uint16_t owner = lookup_->owner(slot);
    if (owner == balance::no_member) return {};
    UpstreamPool* const pool = seats_[owner];
    if (pool && pool->usable(parts_.now()) && pool->has_room(ask.fresh) && !ask.tried.has(pool->upstream().id)) {
      return {Verdict::owner, pool};
    }
  }
  return place_in_order(ask, slot);
}

Placement Router::place_in_order(const Ask& ask, uint32_t slot) noexcept {
  std::array<uint16_t, balance::fallbacks_max + 1> order;
  order[0] = lookup_->owner(slot);
  if (order[0] == balance::no_member) return {};
  const size_t count = 1 + lookup_->fallbacks(slot, std::span(order).subspan(1));
  Standing first = Standing::open;
  const balance::Affinity affinity = parts_.settings.affinity;
  const balance::Choice choice = balance::choose(affinity, count, [&](size_t place) {
    const Standing standing = this->standing(seats_[order[place]], ask);
    if (place == 0) first = standing;
    return standing;
  });
  const bool unsatisfied = choice.verdict >= Verdict::last_resort && affinity != balance::Affinity::strict;
  const bool must_wait = affinity == balance::Affinity::fail_over && choice.verdict >= Verdict::queued &&
                         choice.verdict != Verdict::nobody;
  if (unsatisfied && !must_wait && seats_.size() > count) {
    if (const Placement found = place_beyond(ask, slot, first); found.pool) return found;
  }
  const bool names_one = balance::serves(choice.verdict) || balance::waits(choice.verdict);
  return {choice.verdict, names_one ? seats_[order[choice.place]] : nullptr};
}

// A table lists a few fall-backs for each slot. Where none of them is open, the other members are asked, from a place
// on that the slot determines, so that such a key has one replica, too. With a bound, the share of members at theirs
// is below 1 / factor: then one is found after a few.
Placement Router::place_beyond(const Ask& ask, uint32_t slot, Standing owner) noexcept {
  const size_t members = seats_.size();
  const size_t begin = static_cast<size_t>((slot * uint64_t{0x9E3779B97F4A7C15} >> 32) * members >> 32);
  for (size_t i = 0; i < members; ++i) {
    UpstreamPool* const pool = seats_[begin + i < members ? begin + i : begin + i - members];
    if (standing(pool, ask) == Standing::open) return {balance::passed_over(owner), pool};
  }
  return {};
}

Standing Router::standing(UpstreamPool* pool, const Ask& ask) noexcept {
  if (!pool) return Standing::absent;
  if (ask.tried.has(pool->upstream().id)) return Standing::tried;
  if (!pool->usable(parts_.now())) return parts_.settings.fail_open ? Standing::down : Standing::absent;
  if (!pool->has_room(ask.fresh)) return pool->queue_has_room() ? Standing::full : Standing::crowded;
  if (!within_bound(*pool)) return Standing::over;
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
