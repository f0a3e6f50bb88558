// From a request to the replica that serves it: this worker's view of the table in force.
//
// The table names upstreams; the worker keeps a pool of connections for each and goes from a member's index to its pool
// by one array read. A pool outlives its table for as long as a connection of it does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

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

  // The slot of the request's key, or of a random six-digit number where it has none. nullopt: no table yet.
  std::optional<uint32_t> slot_for(const http::RequestHead& head, std::string_view client_ip) noexcept;
  // The owner of the slot, or the first of its fall-backs that has not been tried and is in sight. Where every untried
  // one is out of sight, the first of them all the same: a request that fails is no worse than one refused unheard; but
  // not where ejection.fail_open is off. nullptr: none is left.
  UpstreamPool* pick(uint32_t slot, const Tried& tried) noexcept;
  // In drop-in mode: the admin's listener for the assignment's paths, where this request is one of them.
  UpstreamPool* drop_in_api(const http::RequestHead& head) noexcept;

 private:
  // false: there was no memory for all of it. What there is serves, and the next loop tries again.
  bool adopt(const RouteTable& table) noexcept;
  UpstreamPool* pool_for(const UpstreamPtr& upstream) noexcept;
  uint32_t slot_of(std::string_view key) noexcept;

  Parts& parts_;
  Control& control_;
  const uint32_t worker_;
  std::unique_ptr<UpstreamPool> api_;
  std::unordered_map<uint64_t, std::unique_ptr<UpstreamPool>> pools_;  // by upstream id
  std::vector<UpstreamPool*> by_member_;   // nullptr: there was no memory for it
  const RouteTable* table_ = nullptr;
  uint64_t epoch_ = 0;
  bool some_retired_ = false;
};

}  // namespace ringmaster::proxy
