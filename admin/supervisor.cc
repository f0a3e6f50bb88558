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
  join_first_replicas();
  settle();  // publishes the first table, empty as it is, and starts the replicas
  tasks_.spawn(heartbeat_.run(scope_));
  tasks_.spawn(listen_to_workers());
  tasks_.spawn(settle_when_changed());
  co_await tasks_.join();
}

void Supervisor::join_first_replicas() {
  std::vector<NewReplica> first;
  if (runtime_.starts_replicas()) {
    for (uint32_t i = 1; i <= settings_.replicas.count; ++i) first.push_back({fmt::format("Server{}", i), 1});
  } else {
    for (const auto& replica : settings_.replicas.static_list) first.push_back({replica.name, replica.weight});
  }
  if (const Verdict joined = registry_.join(first, false, monotonic_ns()); !joined) {
    // The settings were checked; what is left is a table that is too small for them. Serve with what there is: none.
    log_error("replicas: {}", joined.error());
  }
}

Task<void> Supervisor::settle_when_changed() {
  while (!scope_.cancelled()) {
    async::Patience patience;
    patience.deadline_ns = registry_.next_ns();
    patience.scope = &scope_;
    co_await changed_.wait(patience);
    co_await loop_.turn();  // all that has happened by now is settled together
    settle();
  }
}

void Supervisor::settle() {
  changed_.reset();
  const std::vector<Life> starts = registry_.take_starts(monotonic_ns());
  if (auto table = registry_.take_table(monotonic_ns())) control_.publish(std::move(table));
  for (Retired& retired : registry_.take_retired()) {
    heartbeat_.forget(retired.life.id);
    const uint64_t id = retired.life.id;
    const milliseconds grace = retired.removed ? stop_grace : unwell_grace;
    leaving_.emplace(id, std::make_unique<Leaving>(loop_, grace));
    tasks_.spawn(let_go(std::move(retired)));
  }
  for (const Life& life : starts) {
    StartOrder order;
    order.id = life.id;
    order.name = life.name;
    order.number = life.number;
    order.epoch = life.epoch;
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
  runtime_.end(id, leaving.grace);
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

Task<Outcome<Names>> Supervisor::add(CountOrder order, uint32_t weight) {
  const async::Mutex::Guard turn = co_await orders_.lock();
  if (ending_) co_return refuse(Refused::Kind::ending, "ringmaster is ending");
  if (!runtime_.starts_replicas()) {
    co_return refuse(Refused::Kind::conflict, "the replicas are static: somebody else starts them");
  }
  const uint64_t most = registry_.settings().replicas_max, have = registry_.replicas().size();
  if (order.n > most - std::min(have, most)) {
    co_return refuse(Refused::Kind::wrong,
                     fmt::format("there are {} replicas, and there may be {} at most", have, most));
  }
  Names names = std::move(order.hostnames);
  const Names made = registry_.unused_names(static_cast<size_t>(order.n) - names.size(), names);
  names.insert(names.end(), made.begin(), made.end());
  std::vector<NewReplica> wishes;
  for (const std::string& name : names) wishes.push_back({name, weight});
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
  registry_.retire_all("ringmaster is ending", monotonic_ns());
  draining_.cancel();
  settle_now();
  for (const auto& [id, leaving] : leaving_) {
    leaving->grace = std::min(leaving->grace, grace);
    runtime_.end(id, leaving->grace);
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
    runtime_.end(id, milliseconds(0));
  }
}

bool Supervisor::table_has_replicas() const noexcept {
  const proxy::RouteTable* table = control_.published();
  return table && !table->upstreams.empty();
}

// --- what happens ----------------------------------------------------------------------------------------------------

void Supervisor::on_running(uint64_t id, const SocketAddress& address, int64_t pid) {
  if (!registry_.find_life(id)) return;
  registry_.running(id, address, pid, monotonic_ns());
  heartbeat_.watch(id, address);
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

void Supervisor::on_answered(uint64_t id) {
  const Replica* replica = registry_.find_life(id);
  const State before = replica ? replica->state : State::gone;
  const bool was_in_table = replica && replica->in_table;
  registry_.answered(id, monotonic_ns());
  replica = registry_.find_life(id);
  if (replica && (replica->state != before || replica->in_table != was_in_table)) changed_.set();
}

void Supervisor::on_missed(uint64_t id, const std::string& reason) {
  registry_.missed(id, reason, monotonic_ns());
  changed_.set();
}

}  // namespace ringmaster::admin
