#include "admin/docker_runtime.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "admin/docker_container.h"
#include "base/fd.h"
#include "base/log.h"

namespace ringmaster::admin {

using async::Task;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds pause_first{250}, pause_longest{2'000};
constexpr milliseconds ping_interval{5'000};
constexpr size_t file_bytes_max = 1 << 20;

// "" where it cannot be read.
std::string read_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string text(file_bytes_max, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

std::string read_json_file(std::string_view setting, const std::string& path) {
  if (path.empty()) return {};
  std::string text = read_file(path);
  if (is_json_object(text)) return text;
  throw StartError(ExitCode::configuration,
                   fmt::format("{}: '{}' cannot be read, or is not a JSON object", setting, path),
                   "give the path of a file that this user can read, of at most 1 MiB");
}

// Two with one instance would take each other's containers for their own. Between processes that share a network
// namespace a socket without a place in the file system tells them apart.
async::Listener lock_instance(const config::Settings::Docker& settings) {
  uint32_t hash = 2166136261u;  // FNV-1a, of the engine's address
  for (const char c : settings.engine) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  const auto address = SocketAddress::parse(fmt::format("unix:@ringmaster-{}-{:08x}", settings.instance, hash));
  Result<async::Listener> listener = async::listen_on(address.value());
  if (listener) return std::move(*listener);
  throw StartError(ExitCode::configuration,
                   fmt::format("docker.instance: another ringmaster runs '{}' on the engine at {}", settings.instance,
                               settings.engine),
                   "end it, or give this one another docker.instance");
}

// Whether the bridge is an interface of this machine: another's, or one in a virtual machine, has another network's id
// in its name, or another address.
bool is_here(const NetworkFacts& network) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return false;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> freed(all, ::freeifaddrs);
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || network.bridge != one->ifa_name) continue;
    char text[INET_ADDRSTRLEN] = {};
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (!::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text)) continue;
    if (std::ranges::find(network.gateways, text) != network.gateways.end()) return true;
  }
  return false;
}

}  // namespace

// What stay_connected() and the task that listens tell each other.
struct DockerRuntime::Listening {
  explicit Listening(async::Loop& loop) : news(loop) {}
  async::Event news;
  bool began = false, over = false;
  std::string why;       // over
};

DockerRuntime::DockerRuntime(async::Loop& loop, const config::Settings::Docker& settings)
    : loop_(loop),
      settings_(settings),
      seccomp_(read_json_file("docker.seccomp_file", settings.seccomp_file)),
      extra_(read_json_file("docker.extra_file", settings.extra_file)),
      own_id_(own_container(read_file("/proc/self/mountinfo")).value_or("")),
      instance_lock_(lock_instance(settings)),
      engine_(loop, SocketAddress::parse(settings.engine).value(), calls_),
      able_(loop) {}

DockerRuntime::~DockerRuntime() { ensure(containers_.empty()); }

// --- the engine, as long as we run -----------------------------------------------------------------------------------

Task<void> DockerRuntime::run(async::CancelScope& scope) {
  scope_ = &scope;
  milliseconds pause = pause_first;
  while (!scope.cancelled()) {
    const bool was_connected = co_await stay_connected(scope);
    pause = was_connected ? pause_first : std::min(2 * pause, pause_longest);
    co_await loop_.sleep(pause, &scope);
  }
  scope_ = nullptr;
}

// false: no connection came about.
Task<bool> DockerRuntime::stay_connected(async::CancelScope& scope) {
  const FromEngine<EngineAbout> about = co_await engine_.greet(scope);
  if (!about) {
    set_condition(false, about.error().text);
    co_return false;
  }
  podman_ = about->podman;
  async::CancelScope talking(scope);
  async::Group tasks(loop_);
  Listening listening(loop_);
  tasks.spawn(listen(listening, talking));
  async::Patience patience;
  patience.scope = &talking;
  co_await listening.news.wait(patience);
  listening.news.reset();

  FromEngine<void> met;
  if (!listening.over) met = co_await choose_reach(talking);
  if (met && !listening.over) met = co_await compare(talking);
  const bool connected = met && !listening.over && !scope.cancelled();
  if (connected) {
    set_condition(true, fmt::format("engine {} at {}, replicas by {}", about->engine, engine_.where(),
                                    publish_ ? "published ports" : "their addresses on " + settings_.network));
  }
  while (met && !listening.over && !scope.cancelled()) {
    co_await listening.news.wait(loop_.within(ping_interval, &talking));
    if (!listening.over && !scope.cancelled()) met = co_await engine_.ping(talking);
  }
  talking.cancel();
  co_await tasks.join();
  if (!scope.cancelled()) set_condition(false, met ? listening.why : met.error().text);
  co_return connected;
}

Task<void> DockerRuntime::listen(Listening& listening, async::CancelScope& scope) {
  const EngineFailure end = co_await engine_.events(
      [&] {
        listening.began = true;
        listening.news.set();
      },
      [this](const EngineEvent& event) { on_event(event); }, scope);
  listening.why = end.text;
  listening.over = true;
  listening.news.set();
}

void DockerRuntime::set_condition(bool able, std::string text) {
  if (condition_.able == able && condition_.text == text) return;
  if (able) log_info("docker: {}", text);
  else log_warning("docker: {}; replicas go on, none is started or stopped meanwhile", text);
  condition_ = {able, std::move(text)};
  if (able) able_.set();
  else able_.reset();
  listener_->on_condition();
}

Task<FromEngine<void>> DockerRuntime::choose_reach(async::CancelScope& scope) {
  publish_ = settings_.reach == config::Reach::published;
  if (settings_.reach != config::Reach::automatic) co_return FromEngine<void>();
  if (own_id_.empty()) co_return co_await look_for_bridge(scope);
  const auto body = co_await engine_.call("GET", fmt::format("/containers/{}/json", own_id_), "", engine_answer_time,
                                          &scope);
  if (!body && body.error().status == 404) co_return co_await look_for_bridge(scope);  // a container of another engine
  if (!body) co_return std::unexpected(body.error());
  const auto self = read_container(*body, settings_.network, settings_.port);
  if (!self) co_return std::unexpected(EngineFailure{0, self.error()});
  if (self->host_network) co_return co_await look_for_bridge(scope);
  publish_ = false;
  if (!self->address.empty()) co_return FromEngine<void>();
  co_return std::unexpected(EngineFailure{
      0, fmt::format("ringmaster's own container '{0}' is not on the network '{1}' (docker network connect {1} {0})",
                     self->name, settings_.network)});
}

// Whether containers on the network can be reached by their addresses from here. Where it cannot be known, by ports.
Task<FromEngine<void>> DockerRuntime::look_for_bridge(async::CancelScope& scope) {
  publish_ = true;
  const FromEngine<std::string> body = co_await engine_.call(
      "GET", "/networks/" + percent_encoded(settings_.network), "", engine_answer_time, &scope);
  if (!body && body.error().unreachable()) co_return std::unexpected(body.error());
  if (!body) co_return FromEngine<void>();
  const Read<NetworkFacts> network = read_network(*body);
  if (!network) co_return std::unexpected(EngineFailure{0, network.error()});
  publish_ = !is_here(*network);
  co_return FromEngine<void>();
}

Task<FromEngine<std::vector<ContainerFacts>>> DockerRuntime::list(async::CancelScope& scope) {
  const FromEngine<std::string> body = co_await engine_.call(
      "GET", "/containers/json" + list_query(settings_.instance), "", engine_answer_time, &scope);
  if (!body) co_return std::unexpected(body.error());
  Read<std::vector<ContainerFacts>> all = read_containers(*body);
  if (!all) co_return std::unexpected(EngineFailure{0, all.error()});
  std::erase_if(*all, [&](const ContainerFacts& facts) { return !is_ours(facts); });
  co_return std::move(*all);
}

bool DockerRuntime::is_ours(const ContainerFacts& facts) const noexcept {
  return facts.marks && facts.marks->instance == settings_.instance;
}

// What became of our containers while nobody listened.
Task<FromEngine<void>> DockerRuntime::compare(async::CancelScope& scope) {
  std::vector<ContainerPtr> before;  // whoever comes up meanwhile may be missing in the list
  for (const auto& [id, container] : containers_) {
    if (container->running && !container->dead) before.push_back(container);
  }
  const auto all = co_await list(scope);
  if (!all) co_return std::unexpected(all.error());
  for (const ContainerPtr& container : before) {
    const auto same = [&](const ContainerFacts& facts) { return facts.id == container->id; };
    const auto place = std::ranges::find_if(*all, same);
    if (place == all->end()) died(*container, "was removed while the engine was away");
    else if (!place->running) died(*container, "ended while the engine was away");
  }
  for (const ContainerFacts& facts : *all) {
    const bool known = std::ranges::any_of(containers_, [&](const auto& entry) {
      return entry.second->id == facts.id || entry.second->name == facts.name;
    });
    if (found_ && !known && !to_adopt_.contains(facts.id)) loop_.spawn(remove_left_over(facts.id, facts.name));
  }
  co_return FromEngine<void>();
}

Task<void> DockerRuntime::remove_left_over(std::string id, std::string name) {
  const auto removed = co_await engine_.call("DELETE", fmt::format("/containers/{}?force=1&v=1", id), "",
                                             engine_work_time);
  if (removed) log_info("docker: container {} was left over and has been removed", name);
  else if (removed.error().status != 404) log_warning("docker: left-over container {}: {}", name, removed.error().text);
}

// --- after a restart of ours -----------------------------------------------------------------------------------------

void DockerRuntime::tell_adoption(const ContainerFacts& facts, std::string_view next_image) const {
  const std::string& image = facts.marks->image;
  if (image.empty() || image == settings_.image) {
    log_info("docker: container {} is adopted", facts.name);
  } else if (image == next_image) {
    log_info("docker: container {} is adopted; it runs {} since a roll, and so will its successors, though "
             "docker.image is {}: write {} there", facts.name, image, settings_.image, image);
  } else {
    log_warning("docker: container {} is adopted; it runs {}, its successors will run {}, which docker.image has "
                "become since: POST /v1/roll replaces all", facts.name, image, next_image);
  }
}

Task<std::vector<Found>> DockerRuntime::find(async::CancelScope& scope) {
  std::vector<ContainerFacts> all;
  async::Patience patience;
  patience.scope = &scope;
  while (true) {
    if (!co_await able_.wait(patience)) co_return std::vector<Found>();
    auto listed = co_await list(scope);
    if (listed) {
      all = std::move(*listed);
      break;
    }
    if (!co_await loop_.sleep(pause_first, &scope)) co_return std::vector<Found>();
  }
  std::map<std::string, Found> by_name;
  // The newest first: of the ones that run, that is the one that had taken over.
  std::ranges::sort(all, std::greater(), [](const ContainerFacts& facts) { return facts.marks->epoch; });
  for (const ContainerFacts& facts : all) {
    const Marks& marks = *facts.marks;
    Found& found = by_name[marks.name];
    const std::string next = next_image(marks, settings_.image);
    if (found.epoch == 0) found = {marks.name, marks.number, marks.weight, marks.epoch, next, {}};
    if (facts.running && found.adopts.empty()) {
      found.adopts = facts.id;
      // Its own, though a dead one with a higher number lies beside it: names must not meet again.
      found.image = next;
      to_adopt_.insert(facts.id);
      tell_adoption(facts, next.empty() ? settings_.image : next);
    } else {
      loop_.spawn(remove_left_over(facts.id, facts.name));
    }
  }
  found_ = true;
  std::vector<Found> result;
  for (auto& [name, found] : by_name) result.push_back(std::move(found));
  std::ranges::sort(result, {}, &Found::number);
  co_return result;
}

// --- what happens --------------------------------------------------------------------------------------------------

DockerRuntime::Container* DockerRuntime::find_id(std::string_view id) const noexcept {
  const auto place = std::ranges::find_if(containers_, [&](const auto& entry) { return entry.second->id == id; });
  return place == containers_.end() ? nullptr : place->second.get();
}

void DockerRuntime::on_event(const EngineEvent& event) {
  constexpr int sigkill = 9;
  Container* container = find_id(event.container);
  if (!container) return;
  if (event.action == "oom") container->out_of_memory = true;
  if (event.action == "destroy" || event.action == "remove") died(*container, "was removed by somebody");
  // Said as the signal leaves; nothing survives it, and the death itself is reported tens of milliseconds later.
  if (event.action == "kill" && event.signal == sigkill) died(*container, "was killed by somebody");
  if (event.action == "die") {
    if (!container->dead) container->by_itself = true;
    died(*container, container->out_of_memory ? std::string("was out of memory") : ending_text(event.exit_code));
  }
  if (!container->running || container->dead || container->to_end.is_set()) return;
  const uint64_t life = container->order.id;
  if (event.action == "kill" && event.signal == 0) listener_->on_suspicion(life, "was sent a signal");  // Podman
  if (event.action == "pause") listener_->on_suspicion(life, "was paused by somebody");
  if (event.action.starts_with("health_status") && event.action.ends_with("unhealthy")) {
    listener_->on_suspicion(life, "its own health check fails");
  }
  if (event.action == "disconnect" && event.network == settings_.network) {
    listener_->on_suspicion(life, fmt::format("was disconnected from {}", settings_.network));
  }
}

void DockerRuntime::died(Container& container, const std::string& reason) {
  if (container.dead) return;
  container.dead = true;
  container.death = reason;
  if (container.running && !container.to_end.is_set()) listener_->on_died(container.order.id, reason);
}

void DockerRuntime::last_call(milliseconds time) {
  ending_ = true;
  if (scope_) loop_.spawn(give_up_later(time));
}

Task<void> DockerRuntime::give_up_later(milliseconds time) {
  const Result<void> slept = co_await loop_.sleep(time, scope_);
  if (slept) calls_.cancel();
}

}  // namespace ringmaster::admin
