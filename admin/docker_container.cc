// The life of one container: created, started, found, and in the end stopped and removed.
#include "admin/docker_container.h"

#include <fmt/format.h>

#include "base/log.h"

namespace ringmaster::admin {

using async::Task;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds again_first{250}, again_longest{5'000};

FromEngine<void> without_body(const FromEngine<std::string>& answer) {
  if (!answer) return std::unexpected(answer.error());
  return {};
}

}  // namespace

void DockerRuntime::start(const StartOrder& order) {
  auto container = std::make_shared<Container>(loop_, order);
  container->id = order.adopts;
  to_adopt_.erase(order.adopts);
  containers_.emplace(order.id, container);
  loop_.spawn(live(container));
}

Task<void> DockerRuntime::live(ContainerPtr container) {
  const uint64_t life = container->order.id;
  const FromEngine<Place> place = co_await bring_up(*container);
  if (!container->to_end.is_set()) {
    if (place) {
      container->running = true;
      listener_->on_running(life, *place);
    } else {
      listener_->on_not_started(life, place.error().text);
    }
  }
  async::CancelScope never;
  async::Patience forever;
  forever.scope = &never;
  co_await container->to_end.wait(forever);
  if (!container->keep) co_await take_down(container);
  container->stopped.set();
  containers_.erase(life);
  listener_->on_ended(life);
}

// --- up --------------------------------------------------------------------------------------------------------------

Task<FromEngine<Place>> DockerRuntime::bring_up(Container& container) {
  if (container.id.empty()) {
    const FromEngine<void> created = co_await create(container);
    if (!created) co_return std::unexpected(created.error());
    const FromEngine<std::string> started = co_await engine_.call(
        "POST", fmt::format("/containers/{}/start", container.id), "", engine_work_time);
    if (!started) co_return std::unexpected(started.error());
  }
  const FromEngine<ContainerFacts> facts = co_await inspect(container.id);
  if (!facts) co_return std::unexpected(facts.error());
  if (container.dead) co_return std::unexpected(EngineFailure{0, container.death});
  if (!facts->running) {
    container.dead = container.by_itself = true;
    co_return std::unexpected(EngineFailure{0, facts->ending});
  }
  co_return place_of(container, *facts);
}

Task<FromEngine<void>> DockerRuntime::create(Container& container) {
  FromEngine<void> created = co_await create_once(container);
  // Docker says it with a status of its own, Podman with words.
  const bool taken = !created && (created.error().status == 409 ||
                                  created.error().text.find("is already in use by") != std::string::npos);
  if (!taken) co_return created;
  // The name is taken. By one of ours, where an answer to an earlier question was lost: it is nobody's, remove it.
  const FromEngine<ContainerFacts> other = co_await inspect(container.name);
  if (!other || !is_ours(*other) || find_id(other->id)) co_return created;
  const auto removed = co_await engine_.call("DELETE", fmt::format("/containers/{}?force=1&v=1", other->id), "",
                                             engine_work_time);
  if (!removed) co_return std::unexpected(removed.error());
  created = co_await create_once(container);
  co_return created;
}

Task<FromEngine<void>> DockerRuntime::create_once(Container& container) {
  // Podman reads the file itself, where it runs.
  const std::string& seccomp = podman_ ? settings_.seccomp_file : seccomp_;
  const ContainerPlan plan{settings_, container.order, publish_, seccomp, extra_};
  container.asked_for = true;
  const FromEngine<std::string> body = co_await engine_.call(
      "POST", "/containers/create?name=" + percent_encoded(container.name), create_body(plan), engine_work_time);
  if (!body) co_return std::unexpected(body.error());
  Read<std::string> id = read_id(*body);
  if (!id) co_return std::unexpected(EngineFailure{0, id.error()});
  container.id = std::move(*id);
  co_return FromEngine<void>();
}

Task<FromEngine<ContainerFacts>> DockerRuntime::inspect(std::string id_or_name) {
  const FromEngine<std::string> body = co_await engine_.call(
      "GET", fmt::format("/containers/{}/json", percent_encoded(id_or_name)), "", engine_answer_time);
  if (!body) co_return std::unexpected(body.error());
  Read<ContainerFacts> facts = read_container(*body, settings_.network, settings_.port);
  if (!facts) co_return std::unexpected(EngineFailure{0, facts.error()});
  co_return std::move(*facts);
}

FromEngine<Place> DockerRuntime::place_of(const Container& container, const ContainerFacts& facts) const {
  Place place;
  place.container = container.name;
  if (facts.marks) place.image = facts.marks->image;
  if (publish_) {
    if (facts.published_port == 0) {
      return std::unexpected(EngineFailure{0, fmt::format("its port {} is not published", settings_.port)});
    }
    place.address = SocketAddress::loopback(facts.published_port);
    return place;
  }
  const Result<SocketAddress> address = SocketAddress::parse(fmt::format("{}:{}", facts.address, settings_.port));
  if (!address) {
    return std::unexpected(EngineFailure{0, fmt::format("it has no address on the network '{}'", settings_.network)});
  }
  place.address = *address;
  return place;
}

// --- down ------------------------------------------------------------------------------------------------------------

void DockerRuntime::end(uint64_t id, milliseconds grace) {
  const auto place = containers_.find(id);
  if (place == containers_.end()) return;
  const ContainerPtr container = place->second;
  if (container->to_end.is_set()) {
    if (grace < container->grace) loop_.spawn(kill_later(container, grace));
    container->grace = std::min(container->grace, grace);
    return;
  }
  container->grace = grace;
  container->to_end.set();
}

void DockerRuntime::keep(uint64_t id) {
  const auto place = containers_.find(id);
  if (place == containers_.end()) return;
  Container& container = *place->second;
  // One that is not up is nothing to come back to.
  container.keep = container.running && !container.dead;
  end(id, milliseconds(0));
}

Task<void> DockerRuntime::take_down(ContainerPtr container) {
  if (container->id.empty() && !container->asked_for) co_return;
  milliseconds pause = again_first;
  for (bool told = false;; pause = std::min(2 * pause, again_longest)) {
    const FromEngine<void> removed = co_await stop_and_remove(*container);
    if (removed) co_return;
    if (ending_ && (removed.error().unreachable() || calls_.cancelled())) {
      log_warning("docker: container {} is left as it is, the next start finds it: {}", container->name,
                  removed.error().text);
      co_return;
    }
    if (!std::exchange(told, true)) log_warning("docker: container {}: {}", container->name, removed.error().text);
    co_await loop_.sleep(pause, &calls_);
  }
}

Task<FromEngine<void>> DockerRuntime::stop_and_remove(Container& container) {
  if (container.id.empty()) {
    // The answer to its creation was lost: it may be there all the same.
    const FromEngine<ContainerFacts> facts = co_await inspect(container.name);
    if (!facts && facts.error().status == 404) co_return FromEngine<void>();
    if (!facts) co_return std::unexpected(facts.error());
    if (!is_ours(*facts) || find_id(facts->id)) co_return FromEngine<void>();
    container.id = facts->id;
  }
  if (!container.dead) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(container.grace);
    const auto stopped = co_await engine_.call(
        "POST", fmt::format("/containers/{}/stop?t={}", container.id, seconds.count()), "", seconds + engine_work_time);
    if (!stopped && stopped.error().status == 404) co_return FromEngine<void>();
    if (!stopped && stopped.error().unreachable()) co_return std::unexpected(stopped.error());
  }
  container.stopped.set();
  if (container.by_itself) co_await tell_last_words(container);
  const FromEngine<std::string> removed = co_await engine_.call(
      "DELETE", fmt::format("/containers/{}?force=1&v=1", container.id), "", engine_work_time);
  // Gone already, or going by somebody else's hand.
  if (!removed && (removed.error().status == 404 || removed.error().status == 409)) co_return FromEngine<void>();
  co_return without_body(removed);
}

// With the container goes its log, and so what it may have said of why it ended.
Task<void> DockerRuntime::tell_last_words(const Container& container) {
  const FromEngine<std::string> body = co_await engine_.call(
      "GET", fmt::format("/containers/{}/logs?stdout=1&stderr=1&tail=3", container.id), "", engine_answer_time);
  const std::string words = body ? read_last_words(*body) : std::string();
  if (!words.empty()) log_info("docker: container {} said last: {}", container.name, words);
}

Task<void> DockerRuntime::kill_later(ContainerPtr container, milliseconds grace) {
  co_await container->stopped.wait(loop_.within(grace, &calls_));
  if (container->stopped.is_set() || container->id.empty()) co_return;
  // Where it fails the stop that is under way has its own force.
  (void)co_await engine_.call("POST", fmt::format("/containers/{}/kill", container->id), "", engine_answer_time);
}

}  // namespace ringmaster::admin
