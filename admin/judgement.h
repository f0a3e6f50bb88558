// What routing.affinity and routing.balance_factor would say of one more request for a slot, by the loads of now: the
// workers' own decision (balance/choice.h), asked for the whole process instead of one worker.
//
// So it is the workers' answer where one of them has all the traffic, and close to it where they share it: each holds
// the bound for its own exchanges. What only workers know is left out: that one of them has lost sight of a replica, or
// has all of its connections to it in use. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "admin/explain.h"
#include "balance/choice.h"
#include "config/settings.h"
#include "proxy/control.h"

namespace ringmaster::admin {

struct Candidate {
  std::string name;
  balance::Standing standing = balance::Standing::open;
  uint64_t in_flight = 0;
  uint64_t allowed = 0;            // with one more in flight; 0: there is no bound
};

struct Judgement {
  balance::Verdict verdict = balance::Verdict::nobody;
  std::optional<std::string> serves;
  uint64_t in_flight = 0;          // of all replicas
  std::vector<Candidate> order;    // the owner, then the fall-backs
};

// The table in which requests are looked up: with strict affinity the one of all members, ready or not.
const balance::Table& lookup_of(const proxy::RouteTable& route) noexcept;
Judgement judge(const Explanation& explanation, const proxy::RouteTable& route, const config::Settings& settings);

// What only a running proxy knows.
struct Live {
  uint64_t epoch = 0;
  const Judgement& judgement;
};

// As JSON: {"source":…,"key":…,"hash":…,"slot":…,"owner":…,"fallbacks":[…],"table":…,"slots":…}, and of a live one
// "epoch", "verdict", "serves" and "order".
std::string explanation_json(const Explanation& explanation, const balance::Table& table,
                             const std::optional<Live>& live);

}  // namespace ringmaster::admin
