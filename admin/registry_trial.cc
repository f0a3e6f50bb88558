// Trials: a second life beside a replica's own, for replacing one that is well. See registry.h.
#include <fmt/format.h>

#include <algorithm>

#include "admin/registry.h"
#include "base/log.h"

namespace ringmaster::admin {

Verdict Registry::begin_trial(std::string_view name, const std::string& image, uint64_t) {
  Replica* replica = find_mutable(name);
  if (!replica || replica->provisional) return std::unexpected(fmt::format("there is no replica '{}'", name));
  if (trial_of(name) == TrialState::under_way) {
    return std::unexpected(fmt::format("'{}' is being replaced already", name));
  }
  replica->trial.emplace().image = image;
  return {};
}

TrialState Registry::trial_of(std::string_view name) const noexcept {
  const Replica* replica = find(name);
  if (!replica || !replica->trial) return TrialState::none;
  return replica->trial->failed ? TrialState::failed : TrialState::under_way;
}

void Registry::forget_trial(std::string_view name, uint64_t now_ns) {
  Replica* replica = find_mutable(name);
  if (!replica) return;
  end_trial(*replica, "given up", false, now_ns);
  replica->trial.reset();
}

// Retires its life; the replica goes on as it was, or with a new life of its own where the old one has died meanwhile.
void Registry::end_trial(Replica& replica, const std::string& reason, bool dead, uint64_t now_ns) {
  if (!replica.trial || replica.trial->failed) return;
  replica.trial->failed = true;
  replica.trial->reason = reason;
  log_info("replica {}: the life on trial is over: {}", replica.name, reason);
  if (replica.trial->life) {
    replica.trial->life->dead = dead;
    retired_.push_back({std::move(*replica.trial->life), reason, now_ns, 0, false});
    replica.trial->life.reset();
  }
  if (!replica.life) replica.start_at_ns = now_ns;
}

// The life on trial is ready: it takes the place of the replica's own. It is as cold as any that comes, so that it is
// warmed up where others can serve meanwhile.
void Registry::pass_trial(Replica& replica, uint64_t now_ns) {
  const bool has_served = replica.in_table;
  if (replica.life) retire(replica, "replaced by a new life that is ready", false, std::nullopt, now_ns);
  replica.life = std::move(replica.trial->life);
  replica.life->ready_ns = now_ns;
  replica.image = replica.trial->image;
  replica.trial.reset();
  replica.answered = settings_.rise;
  replica.missed = 0;
  replica.quarantined = replica.replacing_unwell = replica.ejected = false;
  change(replica, Happening::risen, fmt::format("epoch {} took over", replica.life->epoch), now_ns);
  log_info("replica {}: ready: {}", replica.name, replica.reason);
  set_in_table(replica, now_ns);
  if (has_served) {
    const auto in_table = std::ranges::count_if(replicas_, [](const auto& one) { return one->in_table; });
    replica.serving_ns = in_table > 1 ? now_ns : 0;
  }
  table_changed_ = true;
}

}  // namespace ringmaster::admin
