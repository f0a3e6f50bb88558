// From a request to the replica that serves it: this worker's view of the table in force.
//
// The table names upstreams; the worker keeps a pool of connections for each and goes from a member's index to its pool
// by one array read. A pool outlives its table for as long as a connection of it does.
//
// place() says which replica of the slot's order serves, is waited for, or that none is left: balance/decide.h decides,
// by what this worker knows of each replica (in sight, room, load). Where nothing is set that could change the owner's
// mind, that is one look at the owner.
//
// Exchanges that wait are let in by serve_waiting(), once for each loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "balance/choice.h"
#include "http/head.h"
#include "http/refusal.h"
#include "proxy/control.h"
#include "proxy/parts.h"
#include "proxy/upstream_pool.h"

namespace ringmaster::proxy {

// The replicas that an exchange has tried already, by id.
class Tried {
 public:
  static constexpr uint32_t max = 8;
  void add(uint64_t id) noexcept {
    if (count_ < max) ids_[count_++] = id;
  }
  bool has(uint64_t id) const noexcept {
    for (uint32_t i = 0; i < count_; ++i) {
      if (ids_[i] == id) return true;
    }
    return false;
  }

 private:
  uint64_t ids_[max] = {};
  uint32_t count_ = 0;
};

// Where a request belongs, by what is in its head.
struct Route {
  uint64_t sticky = 0;       // code of the replica that its cookie names; 0: none (proxy/sticky.h)
  uint32_t slot = 0;
  uint16_t key_source = http::RequestKey::no_source;
  bool hot = false;          // its key is
};

// What an exchange wants placed.
struct Ask {
  const Route& route;
  const Tried& tried;
  bool fresh = false;   // on a new connection
};

struct Placement {
  balance::Verdict verdict = balance::Verdict::nobody;
  // The replica that serves or is waited for; held: the owner, where it is in the table; else nullptr.
  UpstreamPool* pool = nullptr;
};

class Router {
 public:
  Router(Parts& parts, Control& control, uint32_t worker, UpstreamPtr drop_in_api) noexcept;
  ~Router();

  // At the begin of each loop: the table that begin_loop() gave, valid until end_loop().
  void use(const RouteTable* table) noexcept;
  // Frees the pools that have left the table and hold no connection any more.
  void forget_empty() noexcept;
  void retire_all() noexcept;
  void cut_all() noexcept;

  // The slot of the request's key, or of a random six-digit number where it has none; without a table of slots, any.
  // Counts the key. nullopt: nobody to route to yet.
  std::optional<Route> route(const http::RequestHead& head, std::string_view client_ip) noexcept;
  // Decides, and changes nothing.
  Placement place(const Ask& ask) noexcept;
  // For a placement that waits(): the exchange's on_room() or place_again() is called in a later loop, or its
  // on_waited_in_vain(), unless it leaves the room before.
  void wait(Exchange& exchange, const Placement& placement) noexcept;
  // Once for each loop, after its completions and timers: lets in those for whom there is room now, and sends those
  // elsewhere whose replica has gone.
  void serve_waiting() noexcept {
    if (!crowded_.empty() || !held_.empty()) serve_those_who_wait();
  }
  // By when the next loop should come for those who wait; UINT64_MAX where nobody does.
  uint64_t wake_ns() const noexcept { return held_.empty() ? UINT64_MAX : held_wake_ns_; }
  void sight_changed() noexcept { weights_in_sight_ = 0; }   // a pool has been ejected
  // An exchange has been given to the replica: whose turn is next depends on it.
  void note_taken(UpstreamPool& pool) noexcept {
    if (takes_turns_) pool.turn().take(present_, pool.weight());
  }
  uint64_t epoch() const noexcept { return epoch_; }
  // Whether a sticky cookie's code is that of a replica of the table.
  bool knows(uint64_t sticky) const noexcept { return member_of(sticky) != balance::no_member; }
  // In drop-in mode: the admin's listener for the assignment's paths, where this request is one of them.
  UpstreamPool* drop_in_api(const http::RequestHead& head) noexcept;

 private:
  // false: there was no memory for all of it. What there is serves, and the next loop tries again.
  bool adopt(const RouteTable& table) noexcept;
  UpstreamPool* pool_for(const UpstreamPtr& upstream) noexcept;
  void list_codes();
  uint16_t member_of(uint64_t sticky) const noexcept;
  uint32_t slot_of(std::string_view key) noexcept;
  void note_heat(std::string_view key, Route& route) noexcept;
  Placement place_in_order(const Ask& ask, uint32_t slot) noexcept;
  Placement place_by_policy(const Ask& ask, uint32_t slot) noexcept;
  UpstreamPool* best_of_two(const Ask& ask, uint32_t slot) noexcept;
  UpstreamPool* best_of_all(const Ask& ask, uint32_t slot) noexcept;
  bool better(UpstreamPool& one, UpstreamPool& other) noexcept;
  balance::Standing standing(UpstreamPool* pool, const Ask& ask, uint32_t slot) noexcept;
  bool within_bound(const UpstreamPool& pool) noexcept;
  uint64_t weights_in_sight() noexcept;
  void serve_those_who_wait() noexcept;
  void let_in(UpstreamPool& pool) noexcept;
  void place_all_again(WaitingRoom& room) noexcept;

  Parts& parts_;
  Control& control_;
  const uint32_t worker_;
  std::unique_ptr<UpstreamPool> api_;
  std::unordered_map<uint64_t, std::unique_ptr<UpstreamPool>> pools_;  // by upstream id
  std::vector<UpstreamPool*> seats_;           // by member of lookup_; nullptr: not ready (strict), or no memory
  const balance::Table* lookup_ = nullptr;     // the table's own, or with strict affinity the one of all members
  uint64_t epoch_ = 0;
  List<UpstreamPool, CrowdedTag> crowded_;     // those at which exchanges wait
  WaitingRoom held_;
  uint64_t held_wake_ns_ = 0;
  uint64_t weights_in_sight_ = 0;              // 0: to be summed
  uint64_t warming_until_ns_ = 0;              // slow start: from then on nobody is
  uint64_t present_ = 0;                       // of the turns
  std::vector<std::pair<uint64_t, uint16_t>> codes_;   // sticky cookies: code and member, ascending
  const bool heeds_heat_;                      // false: hot keys are like others
  const bool takes_turns_;
  bool plain_ = true;                          // a healthy owner with room serves, whatever else there is
  bool some_retired_ = false;
};

}  // namespace ringmaster::proxy
