#include "admin/supervisor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"

namespace ringmaster::admin {

using async::Task;
using std::chrono::milliseconds;
using Names = std::vector<std::string>;

namespace {

std::unexpected<Refused> refuse(Refused::Kind kind, std::string message) {
  return std::unexpected(Refused{kind, std::move(message)});
}

// For the runtime to end what it has, beyond the replicas' own grace, when the program ends.
constexpr milliseconds last_call_time{10'000};

uint64_t count_ns(std::chrono::nanoseconds time) { return static_cast<uint64_t>(time.count()); }

}  // namespace

// A life on its way out, from the table to its end.
struct Supervisor::Leaving {
  Leaving(async::Loop& loop, milliseconds grace_) : ended(loop), grace(grace_) {}
  async::Event ended;       // the runtime has said so
  milliseconds grace;
};

Supervisor::Supervisor(async::Loop& loop, proxy::Control& control, const config::Settings& settings, Runtime& runtime,
                       const RegistrySettings& registry)
    : loop_(loop),
      control_(control),
      settings_(settings),
      runtime_(runtime),
      registry_(registry),
      heartbeat_(loop, settings.heartbeat, *this),
      changed_(loop),
      progress_(loop),
      orders_(loop),
      tasks_(loop) {
  runtime_.set_listener(*this);
}

Supervisor::~Supervisor() = default;

// --- the life of it all --------------------------------------------------------------------------------------------

Task<void> Supervisor::run() {
  tasks_.spawn(runtime_.run(scope_));
  tasks_.spawn(heartbeat_.run(scope_));
  tasks_.spawn(listen_to_workers());
  settle();  // the first table, empty as it is
  std::vector<Found> found = co_await runtime_.find(adding_);
  if (!ending_) join_first_replicas(std::move(found));
  settle();
  tasks_.spawn(settle_when_changed());
  co_await tasks_.join();
}

void Supervisor::join_first_replicas(std::vector<Found> found) {
  std::vector<NewReplica> first;
  // What the last roll of an earlier run has brought to all.
  if (!found.empty()) image_ = found.front().image;
  if (std::ranges::any_of(found, [&](const Found& one) { return one.image != image_; })) image_.clear();
  for (Found& one : found) {
    first.push_back({one.name, one.weight, std::move(one.image), one.epoch, std::move(one.adopts)});
  }
  if (runtime_.starts_replicas()) {
    for (uint32_t i = 1; first.size() < settings_.replicas.count; ++i) {
      const std::string name = fmt::format("Server{}", i);
      const auto same = [&](const NewReplica& other) { return other.name == name; };
      if (std::ranges::none_of(first, same)) first.push_back({name, 1, image_});
    }
  } else {
    for (const auto& replica : settings_.replicas.static_list) first.push_back({replica.name, replica.weight});
  }
  if (const Verdict joined = registry_.join(first, false, monotonic_ns()); !joined) {
    // The settings were checked; what is left is a table that is too small for them. Serve with what there is: none.
    log_error("replicas: {}", joined.error());
  }
  joined_ = true;
}

Task<void> Supervisor::settle_when_changed() {
  while (!scope_.cancelled()) {
    async::Patience patience;
    // What is due cannot be done while the runtime is not able to: on_condition() says when it is.
    if (runtime_.condition().able) patience.deadline_ns = registry_.next_ns();
    patience.scope = &scope_;
    co_await changed_.wait(patience);
    co_await loop_.turn();  // all that has happened by now is settled together
    settle();
  }
}

void Supervisor::settle() {
  changed_.reset();
  std::vector<Life> starts;
  if (runtime_.condition().able) starts = registry_.take_starts(monotonic_ns());
  if (auto table = registry_.take_table(monotonic_ns())) control_.publish(std::move(table));
  for (Retired& retired : registry_.take_retired()) {
    heartbeat_.forget(retired.life.id);
    const uint64_t id = retired.life.id;
    const milliseconds grace = retired.removed ? stop_grace : unwell_grace;
    leaving_.emplace(id, std::make_unique<Leaving>(loop_, grace));
    tasks_.spawn(let_go(std::move(retired)));
  }
  for (Life& life : starts) {
    StartOrder order;
    order.id = life.id;
    order.name = life.name;
    order.number = life.number;
    order.epoch = life.epoch;
    order.image = std::move(life.image);
    order.adopts = std::move(life.adopts);
    if (const Replica* replica = registry_.find_life(life.id)) order.weight = replica->weight;
    runtime_.start(order);
  }
  tell_progress();
}

// Within an order; what is due later has changed, too.
void Supervisor::settle_now() {
  settle();
  changed_.set();
}

void Supervisor::tell_progress() noexcept {
  progress_.set();
  progress_.reset();
}

// A life that is in no table any more: wait until no worker has a connection to it, or for as long as it may take.
Task<void> Supervisor::let_go(Retired retired) {
  const uint64_t id = retired.life.id;
  Leaving& leaving = *leaving_.at(id);
  const uint64_t deadline_ns = monotonic_ns() + retired.drain_ns.value_or(count_ns(settings_.timeouts.drain));
  while (retired.life.upstream && !control_.released(*retired.life.upstream)) {
    if (monotonic_ns() >= deadline_ns) {
      log_warning("replica {}: not drained in time: what is still under way is cut off", retired.life.name);
      break;
    }
    // Workers let go of a replica one connection at a time and tell nobody: look.
    if (!co_await loop_.sleep(milliseconds(5), &draining_)) break;
  }
  if (kept_.contains(id)) runtime_.keep(id);
  else runtime_.end(id, leaving.grace);
  async::Patience forever;
  async::CancelScope never;
  forever.scope = &never;
  co_await leaving.ended.wait(forever);
  registry_.ended(id, monotonic_ns());
  leaving_.erase(id);
  tell_progress();
}

Task<void> Supervisor::listen_to_workers() {
  async::Patience patience;
  patience.scope = &scope_;
  while (!scope_.cancelled()) {
    const Result<void> readable = co_await loop_.readable(control_.admin_event(), patience);
    if (!readable) continue;
    uint64_t count;
    [[maybe_unused]] const ssize_t got = ::read(control_.admin_event(), &count, sizeof count);
    control_.take_troubles([this](const proxy::Trouble& trouble) {
      if (!registry_.find_life(trouble.upstream_id)) return;
      heartbeat_.nudge(trouble.upstream_id);
      if (trouble.ejected && registry_.eject(trouble.upstream_id, trouble.cause, monotonic_ns())) changed_.set();
    });
    tell_progress();
  }
}

// --- orders ----------------------------------------------------------------------------------------------------------

// Why nothing can be started now, whatever it is.
std::optional<Refused> Supervisor::objection_to_starts() const {
  if (ending_) return Refused{Refused::Kind::ending, "ringmaster is ending"};
  if (!runtime_.starts_replicas()) {
    return Refused{Refused::Kind::conflict, "the replicas are static: somebody else starts them"};
  }
  const Condition condition = runtime_.condition();
  if (!condition.able) return Refused{Refused::Kind::failed, "nothing can be started now: " + condition.text};
  if (!joined_) return Refused{Refused::Kind::failed, "it is not known yet which replicas there are"};
  return std::nullopt;
}

Task<Outcome<Names>> Supervisor::add(CountOrder order, uint32_t weight) {
  const async::Mutex::Guard turn = co_await orders_.lock();
  if (auto objection = objection_to_starts()) co_return std::unexpected(*std::move(objection));
  const uint64_t most = registry_.settings().replicas_max, have = registry_.replicas().size();
  if (order.n > most - std::min(have, most)) {
    co_return refuse(Refused::Kind::wrong,
                     fmt::format("there are {} replicas, and there may be {} at most", have, most));
  }
  Names names = std::move(order.hostnames);
  const Names made = registry_.unused_names(static_cast<size_t>(order.n) - names.size(), names);
  names.insert(names.end(), made.begin(), made.end());
  std::vector<NewReplica> wishes;
  for (const std::string& name : names) wishes.push_back({name, weight, image_});
  co_return co_await start_together(std::move(wishes));
}

// They are provisional until the last of them is ready; then all of them enter the table at once.
Task<Outcome<Names>> Supervisor::start_together(std::vector<NewReplica> wishes) {
  Names names;
  for (const NewReplica& wish : wishes) names.push_back(wish.name);
  const uint64_t deadline_ns = monotonic_ns() + registry_.settings().start_timeout_ns;
  if (const Verdict joined = registry_.join(wishes, true, monotonic_ns()); !joined) {
    const bool taken = std::ranges::any_of(names, [&](const auto& name) { return registry_.find(name) != nullptr; });
    co_return refuse(taken ? Refused::Kind::conflict : Refused::Kind::wrong, joined.error());
  }
  settle_now();
  std::string failure;
  for (;;) {
    size_t ready = 0;
    for (const std::string& name : names) {
      const Replica* replica = registry_.find(name);
      ready += replica->state == State::ready;
      if (replica->state == State::failing) failure = fmt::format("'{}' did not start: {}", name, replica->reason);
    }
    if (!failure.empty() || ready == names.size()) break;
    async::Patience patience;
    patience.deadline_ns = deadline_ns;
    patience.scope = &adding_;
    if (co_await progress_.wait(patience)) continue;
    failure = fmt::format("{} of {} were not ready in time", names.size() - ready, names.size());
    if (ending_) failure = "ringmaster is ending";
  }
  if (!failure.empty()) {
    registry_.roll_back(names, fmt::format("rolled back: {}", failure), monotonic_ns());
    settle_now();
    co_return refuse(ending_ ? Refused::Kind::ending : Refused::Kind::failed, failure);
  }
  registry_.commit(names, monotonic_ns());
  settle_now();
  co_return names;
}

Task<Outcome<Names>> Supervisor::remove(CountOrder order, std::optional<milliseconds> drain) {
  const async::Mutex::Guard turn = co_await orders_.lock();
  if (ending_) co_return refuse(Refused::Kind::ending, "ringmaster is ending");
  if (order.n > registry_.members()) {
    co_return refuse(Refused::Kind::wrong,
                     fmt::format("n is {}, but there are only {} replicas", order.n, registry_.members()));
  }
  Names names = std::move(order.hostnames);
  for (const std::string& name : names) {
    if (registry_.find(name)) continue;
    const std::string quoted = name.substr(0, name_bytes_max + 1);
    co_return refuse(Refused::Kind::unknown, fmt::format("there is no replica '{}'", quoted));
  }
  std::optional<uint64_t> drain_ns;
  if (drain) drain_ns = count_ns(*drain);
  Names victims = names;
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
    co_return refuse(Refused::Kind::wrong, fmt::format("'{}' is named twice", *twice));
  }
  const Names chosen = registry_.victims(static_cast<size_t>(order.n) - victims.size(), victims);
  victims.insert(victims.end(), chosen.begin(), chosen.end());
  const Verdict removed = registry_.remove(victims, "removed by an operator", drain_ns, monotonic_ns());
  if (!removed) co_return refuse(Refused::Kind::wrong, removed.error());
  settle_now();
  co_return victims;
}

Outcome<void> Supervisor::reweigh(const std::vector<NewReplica>& wishes) {
  if (ending_) return refuse(Refused::Kind::ending, "ringmaster is ending");
  const auto unknown = [&](const NewReplica& wish) {
    const Replica* replica = registry_.find(wish.name);
    return !replica || replica->provisional;
  };
  const bool all_known = std::ranges::none_of(wishes, unknown);
  if (const Verdict done = registry_.reweigh(wishes); !done) {
    return refuse(all_known ? Refused::Kind::wrong : Refused::Kind::unknown, done.error());
  }
  settle();  // and not settle_now(): of what is due later nothing has changed
  return {};
}

Task<Outcome<Names>> Supervisor::roll(std::optional<std::string> image) {
  const async::Mutex::Guard turn = co_await orders_.lock();
  if (auto objection = objection_to_starts()) co_return std::unexpected(*std::move(objection));
  if (image && !runtime_.has_images()) {
    co_return refuse(Refused::Kind::conflict, "replicas of this runtime are not made from images");
  }
  const std::string chosen = image.value_or("");
  Names done;
  for (const std::string& name : registry_.names()) {
    if (!done.empty()) co_await warmth_of(done.back());
    if (const std::string failure = co_await replace(name, chosen); !failure.empty()) {
      co_return refuse(ending_ ? Refused::Kind::ending : Refused::Kind::failed,
                       fmt::format("'{}' keeps its old life, {} had been replaced before it: {}", name, done.size(),
                                   failure));
    }
    done.push_back(name);
  }
  image_ = chosen;
  log_info("rolled: {} replicas have a new life{}", done.size(), image ? fmt::format(" from {}", *image) : "");
  co_return done;
}

// Until slow start is over for it: those that serve its slots meanwhile should not be new themselves.
Task<void> Supervisor::warmth_of(std::string name) {
  const Replica* replica = registry_.find(name);
  if (!replica || replica->serving_ns == 0 || settings_.routing.affinity == "strict") co_return;
  const auto span = std::chrono::duration_cast<std::chrono::nanoseconds>(settings_.routing.slow_start);
  async::Patience patience;
  patience.scope = &adding_;
  patience.deadline_ns = replica->serving_ns + static_cast<uint64_t>(span.count());
  while (!ending_ && monotonic_ns() < patience.deadline_ns) co_await progress_.wait(patience);
}

// One new life beside the old one, until it has taken over and the old one has ended; or why not.
Task<std::string> Supervisor::replace(std::string name, std::string image) {
  if (const Verdict begun = registry_.begin_trial(name, image, monotonic_ns()); !begun) co_return begun.error();
  settle_now();
  async::Patience patience;
  patience.scope = &adding_;
  // The registry's own timeout ends a life that is not ready in time; this is for one that does not even begin.
  patience.deadline_ns = monotonic_ns() + 2 * registry_.settings().start_timeout_ns;
  while (registry_.trial_of(name) == TrialState::under_way) {
    if (!co_await progress_.wait(patience)) break;
  }
  std::string failure;
  if (ending_) failure = "ringmaster is ending";
  else if (registry_.trial_of(name) == TrialState::failed) failure = registry_.find(name)->trial->reason;
  else if (registry_.trial_of(name) == TrialState::under_way) failure = "its new life did not begin in time";
  registry_.forget_trial(name, monotonic_ns());
  settle_now();
  patience.deadline_ns = UINT64_MAX;
  const auto old_is_there = [&] {
    return std::ranges::any_of(registry_.retired(), [&](const Retired& one) { return one.life.name == name; });
  };
  while (old_is_there() && !ending_) co_await progress_.wait(patience);
  co_return failure;
}

Outcome<void> Supervisor::set_paused(bool paused) {
  if (ending_) return refuse(Refused::Kind::ending, "ringmaster is ending");
  if (!runtime_.starts_replicas()) {
    return refuse(Refused::Kind::conflict, "the replicas are static: somebody else heals them");
  }
  if (registry_.paused() != paused) log_info("healing {}", paused ? "is paused" : "goes on");
  registry_.set_paused(paused);
  settle_now();
  return {};
}

// --- the end ---------------------------------------------------------------------------------------------------------

void Supervisor::stop_healing() {
  ending_ = true;
  registry_.stop_healing();
  adding_.cancel();
}

Task<void> Supervisor::stop(milliseconds grace) {
  stop_healing();
  {
    // An addition under way rolls back first.
    const async::Mutex::Guard turn = co_await orders_.lock();
  }
  if (settings_.replicas.on_exit == config::OnExit::keep) {
    for (const auto& replica : registry_.replicas()) {
      if (replica->life) kept_.insert(replica->life->id);
    }
  }
  runtime_.last_call(grace + last_call_time);
  registry_.retire_all("ringmaster is ending", monotonic_ns());
  draining_.cancel();
  settle_now();
  for (const auto& [id, leaving] : leaving_) {
    leaving->grace = std::min(leaving->grace, grace);
    if (!kept_.contains(id)) runtime_.end(id, leaving->grace);
  }
  async::CancelScope never;
  async::Patience forever;
  forever.scope = &never;
  while (!leaving_.empty()) co_await progress_.wait(forever);
  scope_.cancel();
}

void Supervisor::hurry() {
  for (const auto& [id, leaving] : leaving_) {
    leaving->grace = milliseconds(0);
    if (!kept_.contains(id)) runtime_.end(id, milliseconds(0));
  }
}

bool Supervisor::table_has_replicas() const noexcept {
  const proxy::RouteTable* table = control_.published();
  return table && !table->upstreams.empty();
}

bool Supervisor::has_started() const noexcept {
  return joined_ && std::ranges::none_of(registry_.replicas(), [](const auto& replica) {
    return replica->state == State::starting && replica->epoch <= 1;
  });
}

// --- what happens ----------------------------------------------------------------------------------------------------

void Supervisor::on_running(uint64_t id, const Place& place) {
  if (!registry_.find_life(id)) return;
  registry_.running(id, place.address, place.pid, monotonic_ns(), place.container, place.image);
  heartbeat_.watch(id, place.address);
  changed_.set();
}

void Supervisor::on_not_started(uint64_t id, const std::string& reason) {
  registry_.lost(id, "did not start: " + reason, monotonic_ns());
  changed_.set();
}

void Supervisor::on_died(uint64_t id, const std::string& reason) {
  registry_.lost(id, reason, monotonic_ns());
  changed_.set();
}

void Supervisor::on_ended(uint64_t id) {
  const auto place = leaving_.find(id);
  if (place != leaving_.end()) place->second->ended.set();
}

void Supervisor::on_suspicion(uint64_t id, const std::string& reason) {
  const Replica* replica = registry_.find_life(id);
  if (!replica) return;
  log_info("replica {}: {}", replica->name, reason);
  heartbeat_.nudge(id);
}

void Supervisor::on_condition() {
  registry_.set_able(runtime_.condition().able);
  changed_.set();
  tell_progress();
}

void Supervisor::on_answered(uint64_t id) {
  const Replica* replica = registry_.find_life(id);
  const State before = replica ? replica->state : State::gone;
  const bool was_in_table = replica && replica->in_table;
  const bool trial = replica && replica->trial;
  registry_.answered(id, monotonic_ns());
  replica = registry_.find_life(id);
  if (replica && (replica->state != before || replica->in_table != was_in_table || trial)) changed_.set();
}

void Supervisor::on_missed(uint64_t id, const std::string& reason, bool silent) {
  registry_.missed(id, reason, monotonic_ns(), silent);
  changed_.set();
}

}  // namespace ringmaster::admin
