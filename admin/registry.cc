#include "admin/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace ringmaster::admin {

namespace {

bool contains(std::span<const std::string> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string milliseconds_text(uint64_t ns) { return fmt::format("{} ms", ns / 1'000'000); }

}  // namespace

std::string_view name_of(State state) noexcept {
  switch (state) {
    case State::starting: return "starting";
    case State::ready: return "ready";
    case State::failing: return "failing";
    case State::draining: return "draining";
    case State::gone: return "gone";
  }
  return "";
}

State after(State state, Happening happening) noexcept {
  const bool wanted = state == State::starting || state == State::ready || state == State::failing;
  switch (happening) {
    case Happening::start_due: return wanted ? State::starting : state;
    case Happening::risen: return wanted ? State::ready : state;
    case Happening::fallen: return wanted ? State::failing : state;
    case Happening::lost: return wanted ? State::failing : state;
    case Happening::removed: return wanted ? State::draining : state;
    case Happening::ended: return state == State::draining ? State::gone : state;
  }
  return state;
}

Registry::Registry(const RegistrySettings& settings, NameMaker names)
    : settings_(settings), names_(std::move(names)), builder_(settings.table) {}

// --- membership ----------------------------------------------------------------------------------------------------

Verdict Registry::join(std::span<const NewReplica> replicas, bool provisional, uint64_t now_ns) {
  for (size_t i = 0; i < replicas.size(); ++i) {
    const NewReplica& wish = replicas[i];
    if (!valid_name(wish.name)) {
      return std::unexpected(fmt::format("'{}' is not a replica name: {}",
                                         std::string_view(wish.name).substr(0, name_bytes_max + 1), name_form));
    }
    if (wish.weight < 1 || wish.weight > 65535) {
      return std::unexpected(fmt::format("weight {} is not between 1 and 65535", wish.weight));
    }
    const auto same_name = [&](const NewReplica& other) { return other.name == wish.name; };
    if (std::ranges::any_of(replicas.first(i), same_name)) {
      return std::unexpected(fmt::format("'{}' is named twice", wish.name));
    }
    if (find(wish.name)) return std::unexpected(fmt::format("'{}' is in use", wish.name));
  }
  if (replicas.size() > settings_.replicas_max - std::min<size_t>(replicas_.size(), settings_.replicas_max)) {
    return std::unexpected(fmt::format("there are {} replicas, and there may be {} at most", replicas_.size(),
                                       settings_.replicas_max));
  }
  // The builder knows how much room the table has; what has joined before it said no leaves again.
  for (size_t i = 0; i < replicas.size(); ++i) {
    if (builder_.join(replicas[i].name, replicas[i].weight)) continue;
    for (size_t k = 0; k < i; ++k) builder_.leave(replicas[k].name);
    return std::unexpected(fmt::format("the table of {} slots has room for {} replicas, not for {}",
                                       settings_.table.slots, replicas_.size() + i,
                                       replicas_.size() + replicas.size()));
  }
  for (const NewReplica& wish : replicas) join_one(wish, provisional, now_ns);
  return {};
}

void Registry::join_one(const NewReplica& wish, bool provisional, uint64_t now_ns) {
  auto replica = std::make_unique<Replica>();
  replica->name = wish.name;
  replica->number = builder_.number(wish.name).value();
  replica->weight = wish.weight;
  replica->reason = "joined";
  replica->changed_ns = now_ns;
  replica->provisional = provisional;
  replica->warms_up = std::ranges::any_of(replicas_, [](const auto& one) { return one->in_table; });
  replica->start_at_ns = now_ns;
  replica->image = wish.image;
  replica->epoch = wish.epoch;
  replica->adopts = wish.adopts;
  replica->past.resize(settings_.workers);
  table_changed_ = table_changed_ || (settings_.keep_homes && !provisional);
  log_info("replica {}: starting: joined as number {}, weight {}", replica->name, replica->number, replica->weight);
  replicas_.push_back(std::move(replica));
}

void Registry::commit(std::span<const std::string> names, uint64_t now_ns) {
  for (const auto& replica : replicas_) {
    if (!contains(names, replica->name)) continue;
    replica->provisional = false;
    set_in_table(*replica, now_ns);
  }
}

void Registry::roll_back(std::span<const std::string> names, const std::string& reason, uint64_t now_ns) {
  for (const std::string& name : names) leave(name, reason, 0, now_ns);
}

Verdict Registry::remove(std::span<const std::string> names, const std::string& reason,
                         std::optional<uint64_t> drain_ns, uint64_t now_ns) {
  for (size_t i = 0; i < names.size(); ++i) {
    const Replica* replica = find(names[i]);
    if (!replica || replica->provisional) {
      return std::unexpected(
          fmt::format("there is no replica '{}'", std::string_view(names[i]).substr(0, name_bytes_max + 1)));
    }
    if (contains(names.first(i), names[i])) return std::unexpected(fmt::format("'{}' is named twice", names[i]));
  }
  for (const std::string& name : names) leave(name, reason, drain_ns, now_ns);
  return {};
}

Verdict Registry::reweigh(std::span<const NewReplica> wishes) {
  for (size_t i = 0; i < wishes.size(); ++i) {
    const NewReplica& wish = wishes[i];
    const Replica* replica = find(wish.name);
    if (!replica || replica->provisional) {
      return std::unexpected(
          fmt::format("there is no replica '{}'", std::string_view(wish.name).substr(0, name_bytes_max + 1)));
    }
    if (wish.weight < 1 || wish.weight > 65535) {
      return std::unexpected(fmt::format("weight {} is not between 1 and 65535", wish.weight));
    }
    const auto same_name = [&](const NewReplica& other) { return other.name == wish.name; };
    if (std::ranges::any_of(wishes.first(i), same_name)) {
      return std::unexpected(fmt::format("'{}' is named twice", wish.name));
    }
  }
  // One change succeeds or fails as a whole, and is frequent; several are tried on a copy, which costs megabytes.
  std::optional<balance::Builder> copy;
  if (wishes.size() > 1) copy = builder_.clone();
  for (const NewReplica& wish : wishes) {
    if ((copy ? *copy : builder_).set_weight(wish.name, wish.weight)) continue;
    return std::unexpected(
        fmt::format("the table has no room for '{}' with a weight of {}", wish.name, wish.weight));
  }
  if (copy) builder_ = std::move(*copy);
  for (const NewReplica& wish : wishes) {
    const auto place = std::ranges::find_if(replicas_, [&](const auto& one) { return one->name == wish.name; });
    Replica& replica = **place;
    if (replica.weight == wish.weight) continue;
    log_info("replica {}: weight {} -> {}", replica.name, replica.weight, wish.weight);
    replica.weight = wish.weight;
    table_changed_ = table_changed_ || replica.in_table || settings_.keep_homes;
  }
  return {};
}

void Registry::leave(const std::string& name, const std::string& reason, std::optional<uint64_t> drain_ns,
                     uint64_t now_ns) {
  const auto place = std::ranges::find_if(replicas_, [&](const auto& replica) { return replica->name == name; });
  if (place == replicas_.end()) return;
  Replica& replica = **place;
  table_changed_ = table_changed_ || replica.in_table || settings_.keep_homes;
  change(replica, Happening::removed, reason, now_ns);
  builder_.leave(replica.name);
  end_trial(replica, reason, false, now_ns);
  if (replica.life) {
    retire(replica, reason, true, drain_ns, now_ns);
  } else {
    change(replica, Happening::ended, "nothing of it was running", now_ns);
  }
  replicas_.erase(place);
}

std::vector<std::string> Registry::unused_names(size_t count, std::span<const std::string> except) {
  std::vector<std::string> made;
  made.reserve(count);
  while (made.size() < count) {
    made.push_back(names_.make(
        [&](std::string_view name) { return find(name) || contains(except, name) || contains(made, name); }));
  }
  return made;
}

std::vector<std::string> Registry::victims(size_t count, std::span<const std::string> except) {
  std::vector<std::string> candidates;
  for (const auto& replica : replicas_) {
    if (!replica->provisional && !contains(except, replica->name)) candidates.push_back(replica->name);
  }
  ensure(count <= candidates.size());
  // The first steps of a Fisher-Yates shuffle.
  for (size_t i = 0; i < count; ++i) std::swap(candidates[i], candidates[i + names_.below(candidates.size() - i)]);
  candidates.resize(count);
  return candidates;
}

// --- what happened to a life ---------------------------------------------------------------------------------------

void Registry::running(uint64_t id, const SocketAddress& address, int64_t pid, uint64_t now_ns,
                       const std::string& container, const std::string& image) {
  Replica* replica = find_mutable(id);
  if (!replica) return;
  Life& life = *life_of(*replica, id);
  if (life.upstream) return;
  life.upstream = std::make_shared<const proxy::Upstream>(id, replica->name, address, settings_.workers);
  life.pid = pid;
  life.container = container;
  if (!image.empty()) life.image = image;
  std::string told = fmt::format("runs at {}", address.text());
  if (pid >= 0) told += fmt::format(", pid {}", pid);
  if (!container.empty()) told += fmt::format(", container {}", container);
  if (!on_trial(*replica, id)) {
    replica->reason = told;
    replica->changed_ns = now_ns;
  }
  log_info("replica {}: starting: {}, epoch {}", replica->name, told, life.epoch);
}

void Registry::lost(uint64_t id, const std::string& reason, uint64_t now_ns) {
  if (Replica* replica = find_mutable(id)) {
    if (on_trial(*replica, id)) end_trial(*replica, reason, true, now_ns);
    else lose(*replica, reason, true, now_ns);
    return;
  }
  for (Retired& one : retired_) {
    if (one.life.id == id) one.life.dead = true;
  }
}

void Registry::answered(uint64_t id, uint64_t now_ns) {
  Replica* replica = find_mutable(id);
  if (!replica || !life_of(*replica, id)->upstream) return;
  if (on_trial(*replica, id)) {
    if (++replica->trial->answered >= settings_.rise) pass_trial(*replica, now_ns);
    return;
  }
  replica->missed = 0;
  replica->life->silent = false;
  if (replica->state == State::ready && !replica->ejected) return;
  if (++replica->answered < settings_.rise) return;
  if (replica->ejected) {
    if (now_ns - replica->ejected_ns >= settings_.ejection_ns) readmit(*replica, "answers its heartbeat", now_ns);
    return;
  }
  replica->life->ready_ns = now_ns;
  replica->quarantined = false;
  replica->replacing_unwell = false;
  const std::string took = milliseconds_text(now_ns - replica->life->started_ns);
  change(*replica, Happening::risen, fmt::format("answered its heartbeat {} after its start", took), now_ns);
  set_in_table(*replica, now_ns);
}

void Registry::missed(uint64_t id, const std::string& reason, uint64_t now_ns, bool silent) {
  Replica* replica = find_mutable(id);
  if (!replica) return;
  if (on_trial(*replica, id)) {
    replica->trial->answered = 0;
    return;
  }
  replica->answered = 0;
  ++replica->missed;
  // One that we started is given its whole start timeout; one that somebody else runs should be up already.
  const bool up = replica->state == State::ready || replica->state == State::failing ||
                  (replica->state == State::starting && !settings_.starts_replicas);
  if (!up || replica->missed < settings_.fall) return;
  const std::string told = fmt::format("heartbeat: {} ({} of {})", reason, replica->missed, settings_.fall);
  // Out of the table it may be already, ejected: the workers are to hear of it all the same.
  table_changed_ = table_changed_ || (silent && !replica->life->silent);
  replica->life->silent = silent;
  if (may_end_unwell(*replica)) {
    lose(*replica, told, false, now_ns);
  } else if (replica->state != State::failing) {
    change(*replica, Happening::fallen, told, now_ns);
    replica->life->ready_ns = 0;
    replica->ejected = false;
    set_in_table(*replica, now_ns);
  }
}

bool Registry::eject(uint64_t id, http::Cause cause, uint64_t now_ns) {
  Replica* replica = find_mutable(id);
  if (!replica || !replica->in_table || on_trial(*replica, id)) return false;
  const auto in_table = std::ranges::count_if(replicas_, [](const auto& one) { return one->in_table; });
  if (settings_.fail_open && in_table == 1) {
    ++ejections_withheld_;
    return false;
  }
  ejections_.add(cause);
  replica->ejected = true;
  replica->ejected_ns = now_ns;
  replica->answered = 0;
  replica->reason = fmt::format("ejected: {}", http::name_of(cause));
  log_warning("replica {}: {}: {}", replica->name, replica->reason, http::text_of(cause));
  set_in_table(*replica, now_ns);
  return true;
}

void Registry::readmit(Replica& replica, const std::string& reason, uint64_t now_ns) {
  const std::string away = milliseconds_text(now_ns - replica.ejected_ns);
  replica.ejected = false;
  replica.reason = fmt::format("ejected for {}, readmitted: {}", away, reason);
  log_info("replica {}: {}", replica.name, replica.reason);
  set_in_table(replica, now_ns);
}

// Where nobody is left in the table, those who are only ejected are asked again.
void Registry::fail_open(uint64_t now_ns) {
  if (!settings_.fail_open) return;
  if (std::ranges::any_of(replicas_, [](const auto& one) { return one->in_table; })) return;
  for (const auto& replica : replicas_) {
    if (replica->ejected) readmit(*replica, "no other replica is left", now_ns);
  }
}

// Whether a life that does not answer is ended now, or only taken out of the table.
bool Registry::may_end_unwell(const Replica& replica) const noexcept {
  if (!settings_.starts_replicas || paused_ || !able_) return false;
  return std::ranges::none_of(replicas_, [&](const auto& other) {
    return other.get() != &replica && other->replacing_unwell && !other->quarantined && !other->provisional;
  });
}

// The life is over, or no longer wanted because it does not answer: the replica waits for a new one.
void Registry::lose(Replica& replica, const std::string& reason, bool dead, uint64_t now_ns) {
  const uint64_t ready_for_ns = replica.life->ready_ns ? now_ns - replica.life->ready_ns : 0;
  replica.ejected = false;
  change(replica, Happening::lost, reason, now_ns);
  set_in_table(replica, now_ns);
  replica.life->dead = dead;
  replica.replacing_unwell = replica.replacing_unwell || !dead;
  retire(replica, reason, false, std::nullopt, now_ns);
  replica.answered = replica.missed = 0;
  if (replica.provisional) {
    replica.start_at_ns = UINT64_MAX;  // the addition fails as a whole
    return;
  }
  if (replica.trial && !replica.trial->failed) {
    replica.start_at_ns = UINT64_MAX;  // its successor is on its way already
    return;
  }
  const StartBudget::Verdict verdict = replica.budget.death(now_ns, ready_for_ns);
  replica.start_at_ns = now_ns + verdict.delay_ns;
  replica.quarantined = verdict.quarantined;
  if (verdict.quarantined) {
    replica.reason = fmt::format("quarantined for {} s: {}; the last: {}", verdict.delay_ns / StartBudget::second_ns,
                                 verdict.reason, reason);
    log_warning("replica {}: failing: {}", replica.name, replica.reason);
  }
  if (settings_.respawn_name == config::RespawnName::random) replace_by_stranger(replica, now_ns);
}

// respawn_name = random: a new name, and with it a new number and new slots, takes over; what is left of the old one
// has been retired. The budget goes over too, or a crash loop would never be seen.
void Registry::replace_by_stranger(Replica& replica, uint64_t now_ns) {
  const NewReplica stranger{unused_names(1, {}).front(), replica.weight, replica.image};
  if (!builder_.join(stranger.name, stranger.weight)) return;  // a full table: better the old name than none
  builder_.leave(replica.name);
  change(replica, Happening::removed, fmt::format("replaced by {}", stranger.name), now_ns);
  change(replica, Happening::ended, "its last life is over", now_ns);
  join_one(stranger, false, now_ns);
  Replica& successor = *replicas_.back();
  successor.reason = fmt::format("takes the place of {}: {}", replica.name, replica.reason);
  successor.budget = replica.budget;
  successor.start_at_ns = replica.start_at_ns;
  successor.quarantined = replica.quarantined;
  successor.replacing_unwell = replica.replacing_unwell;
  if (successor.quarantined) successor.state = State::failing;
  std::erase_if(replicas_, [&](const auto& one) { return one.get() == &replica; });
}

void Registry::ended(uint64_t id, uint64_t now_ns) {
  const auto place = std::ranges::find_if(retired_, [&](const Retired& one) { return one.life.id == id; });
  if (place == retired_.end()) return;
  const Life& life = place->life;
  const std::string took = milliseconds_text(now_ns - place->retired_ns);
  if (place->removed) {
    log_info("replica {}: {} -> {}: ended after {}", life.name, name_of(State::draining),
             name_of(after(State::draining, Happening::ended)), took);
  } else {
    log_info("replica {}: what was left of epoch {} ended after {}", life.name, life.epoch, took);
  }
  for (const auto& replica : replicas_) {
    if (replica->name != life.name || replica->number != life.number || !life.upstream) continue;
    add(replica->past, *life.upstream);
    for (Totals& past : replica->past) past.in_flight = past.waiting = past.connections = 0;
  }
  if (static_cast<size_t>(place - retired_.begin()) < retired_taken_) --retired_taken_;
  retired_.erase(place);
}

// --- what is to be done --------------------------------------------------------------------------------------------

std::vector<Life> Registry::take_starts(uint64_t now_ns) {
  std::vector<Life> starts;
  if (!healing_) return starts;
  for (size_t i = 0; i < replicas_.size() && starts.size() < starts_at_once; ++i) {
    Replica& replica = *replicas_[i];
    if (too_slow(replica, now_ns)) {
      lose(replica, fmt::format("not ready within {}", milliseconds_text(settings_.start_timeout_ns)), false, now_ns);
      --i;  // it may have been replaced by another; look at this place again
      continue;
    }
    if (std::optional<Life> life = begin_life(replica, now_ns)) starts.push_back(std::move(*life));
  }
  return starts;
}

bool Registry::too_slow(const Replica& replica, uint64_t now_ns) const noexcept {
  return settings_.starts_replicas && !paused_ && replica.life && replica.state == State::starting &&
         now_ns - replica.life->started_ns >= settings_.start_timeout_ns;
}

bool Registry::start_due(const Replica& replica, uint64_t now_ns) const noexcept {
  if (replica.life || now_ns < replica.start_at_ns) return false;
  // What an operator or an earlier run has begun is no healing.
  return !paused_ || replica.provisional || !replica.adopts.empty() || replica.epoch == 0;
}

// The replica's own next life or that of its trial, whichever is due; an overdue trial fails.
std::optional<Life> Registry::begin_life(Replica& replica, uint64_t now_ns) {
  Trial* trial = replica.trial && !replica.trial->failed ? &*replica.trial : nullptr;
  if (trial && trial->life && now_ns - trial->life->started_ns >= settings_.start_timeout_ns) {
    const std::string limit = milliseconds_text(settings_.start_timeout_ns);
    end_trial(replica, fmt::format("not ready within {}", limit), false, now_ns);
    trial = nullptr;
  }
  const bool for_trial = trial && !trial->life;
  if (!for_trial && !start_due(replica, now_ns)) return std::nullopt;
  Life life;
  life.id = ++last_life_;
  life.name = replica.name;
  life.number = replica.number;
  life.started_ns = now_ns;
  life.image = for_trial ? trial->image : replica.image;
  if (for_trial) {
    life.epoch = ++replica.epoch;
    trial->life = life;
    return life;
  }
  life.adopts = std::exchange(replica.adopts, {});
  // A life that goes on has its number already.
  life.epoch = life.adopts.empty() ? ++replica.epoch : replica.epoch;
  if (replica.state != State::starting) change(replica, Happening::start_due, "a new life begins", now_ns);
  replica.life = life;
  return life;
}

uint64_t Registry::next_ns() const noexcept {
  uint64_t next = UINT64_MAX;
  if (!healing_) return next;
  for (const auto& replica : replicas_) {
    if (!replica->life) {
      if (start_due(*replica, replica->start_at_ns)) next = std::min(next, replica->start_at_ns);
    } else if (replica->state == State::starting && settings_.starts_replicas && !paused_) {
      next = std::min(next, replica->life->started_ns + settings_.start_timeout_ns);
    }
    if (replica->trial && !replica->trial->failed) {
      next = std::min(next, replica->trial->life ? replica->trial->life->started_ns + settings_.start_timeout_ns : 0);
    }
  }
  return next;
}

std::unique_ptr<proxy::RouteTable> Registry::take_table(uint64_t now_ns) {
  if (table_changed_) fail_open(now_ns);
  if (!std::exchange(table_changed_, false)) return nullptr;
  auto table = std::make_unique<proxy::RouteTable>();
  table->table = builder_.build();
  // Both are in joining order.
  size_t place = 0;
  for (const std::string& name : table->table.members()) {
    while (replicas_[place]->name != name) ensure(++place < replicas_.size());
    ensure(replicas_[place]->life && replicas_[place]->life->upstream);
    table->upstreams.push_back(replicas_[place]->life->upstream);
    table->serving_ns.push_back(replicas_[place]->serving_ns);
    table->entries.push_back(replicas_[place]->entries);
  }
  const auto add_silent = [&](const Life& life) {
    if (life.silent && !life.dead) table->silent.push_back(life.id);
  };
  for (const auto& replica : replicas_) {
    if (replica->life && !replica->in_table) add_silent(*replica->life);
  }
  for (const Retired& one : retired_) add_silent(one.life);
  if (settings_.keep_homes) table->homes = homes();
  return table;
}

std::shared_ptr<const balance::Table> Registry::homes() const {
  balance::Builder builder = builder_.clone();
  for (const auto& replica : replicas_) {
    if (!replica->provisional) builder.set_ready(replica->name, true);
  }
  return std::make_shared<const balance::Table>(builder.build());
}

std::vector<Retired> Registry::take_retired() {
  ensure(!table_changed_);  // a life is drained only after the table without it is in force
  std::vector<Retired> taken(retired_.begin() + static_cast<ptrdiff_t>(retired_taken_), retired_.end());
  retired_taken_ = retired_.size();
  return taken;
}

void Registry::retire_all(const std::string& reason, uint64_t now_ns) {
  healing_ = false;
  while (!replicas_.empty()) leave(std::string(replicas_.front()->name), reason, 0, now_ns);
}

// --- one replica ---------------------------------------------------------------------------------------------------

void Registry::change(Replica& replica, Happening happening, const std::string& reason, uint64_t now_ns) {
  const State before = replica.state;
  replica.state = after(before, happening);
  replica.reason = reason;
  replica.changed_ns = now_ns;
  if (replica.state == before) return;
  const LogLevel level = replica.state == State::failing ? LogLevel::warning : LogLevel::info;
  const std::string_view now = name_of(replica.state);
  log_line(level, fmt::format("replica {}: {} -> {}: {}", replica.name, name_of(before), now, reason));
}

// The first replicas of all begin together, with nobody who could serve for them meanwhile.
void Registry::set_in_table(Replica& replica, uint64_t now_ns) {
  const bool wanted = replica.state == State::ready && !replica.provisional && !replica.ejected;
  if (wanted == replica.in_table) return;
  replica.in_table = wanted;
  if (wanted) {
    replica.serving_ns = replica.warms_up ? now_ns : 0;
    replica.warms_up = true;
    ++replica.entries;
  }
  builder_.set_ready(replica.name, wanted);
  table_changed_ = true;
}

void Registry::retire(Replica& replica, const std::string& reason, bool removed, std::optional<uint64_t> drain_ns,
                      uint64_t now_ns) {
  retired_.push_back({std::move(*replica.life), reason, now_ns, drain_ns, removed});
  replica.life.reset();
}

// --- what there is -------------------------------------------------------------------------------------------------

const Replica* Registry::find(std::string_view name) const noexcept {
  const auto place = std::ranges::find_if(replicas_, [&](const auto& replica) { return replica->name == name; });
  return place == replicas_.end() ? nullptr : place->get();
}

const Replica* Registry::find_life(uint64_t id) const noexcept {
  const auto place = std::ranges::find_if(replicas_, [&](const auto& replica) {
    return on_trial(*replica, id) || (replica->life && replica->life->id == id);
  });
  return place == replicas_.end() ? nullptr : place->get();
}

Replica* Registry::find_mutable(uint64_t id) noexcept { return const_cast<Replica*>(find_life(id)); }
Replica* Registry::find_mutable(std::string_view name) noexcept { return const_cast<Replica*>(find(name)); }

bool Registry::on_trial(const Replica& replica, uint64_t id) noexcept {
  return replica.trial && replica.trial->life && replica.trial->life->id == id;
}

// One of the two that it has.
Life* Registry::life_of(Replica& replica, uint64_t id) noexcept {
  return on_trial(replica, id) ? &*replica.trial->life : &*replica.life;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> all;
  for (const auto& replica : replicas_) {
    if (!replica->provisional) all.push_back(replica->name);
  }
  return all;
}

size_t Registry::members() const noexcept {
  const auto provisional = std::ranges::count_if(replicas_, [](const auto& replica) { return replica->provisional; });
  return replicas_.size() - static_cast<size_t>(provisional);
}

TotalsByWorker Registry::totals(const Replica& replica) const {
  TotalsByWorker all = replica.past;
  if (replica.life && replica.life->upstream) add(all, *replica.life->upstream);
  if (replica.trial && replica.trial->life && replica.trial->life->upstream) add(all, *replica.trial->life->upstream);
  for (const Retired& one : retired_) {
    if (one.life.name == replica.name && one.life.number == replica.number && one.life.upstream) {
      add(all, *one.life.upstream);
    }
  }
  return all;
}

}  // namespace ringmaster::admin
