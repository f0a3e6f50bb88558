// What the state of the replicas makes of one more request: who would serve it now, and why. The workers' own decision
// (balance/decide.h), asked for the whole process instead of one worker.
//
// So it is the workers' answer where one of them has all the traffic, and close to it where they share it: each holds
// the bound, and counts hot keys, for its own exchanges; a replica is taken for full, or for out of sight, where it is
// so for all of them. What only workers know is left out: whose turn it is of those that share a hot key. Pure.
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

// Slow start, of a replica that warms up.
struct Warmth {
  double taken_over = 0;           // of its slots, so far
  uint64_t this_slot_in_ns = 0;    // 0: it has taken this one over
};

struct Candidate {
  std::string name;
  balance::Standing standing = balance::Standing::open;
  uint64_t in_flight = 0, waiting = 0;
  uint32_t blind = 0;              // workers that have lost sight of it
  uint64_t allowed = 0;            // with one more in flight; 0: there is no bound
  std::optional<Warmth> warmth;    // none: it does not warm up (any more)
};

// What a worker's sketch says of the key (balance/hot_keys.h).
struct Heat {
  std::optional<double> share;     // of its latest traffic; none: it has met too little
  bool hot = false;
};

struct Judgement {
  bool by_chance = false;          // a draw or a policy decides; nothing of what follows is filled in then
  balance::Verdict verdict = balance::Verdict::nobody;
  std::optional<std::string> serves;
  std::vector<std::string> sharers;   // hot_key: one of these serves, by loads and turns of the worker's own
  uint64_t in_flight = 0;          // of all replicas
  std::vector<Candidate> order;    // the owner, then the fall-backs; empty without a key
  std::vector<Heat> heat;          // by worker; empty where hot keys are like others, or there is no key
};

// `explanation` was made by route.lookup().
Judgement judge(const Explanation& explanation, const proxy::RouteTable& route, const config::Settings& settings,
                const proxy::Control& control, uint64_t now_ns);
// The same for a table of which nothing is known: every replica is ready, and nothing is under way.
Judgement judge_idle(const Explanation& explanation, const balance::Table& table, const config::Settings& settings);

// As JSON: {"source":…,"key":…,"hash":…,"slot":…,"owner":…,"fallbacks":[…],"sticky":{…},"table":…,"slots":…,
// "verdict":…,"serves":…}, and of a running proxy, whose table has an epoch: "epoch", "in_flight", "order", "hot_key".
std::string explanation_json(const Explanation& explanation, const config::Settings& settings,
                             const balance::Table& table, const Judgement& judgement, std::optional<uint64_t> epoch);

}  // namespace ringmaster::admin
