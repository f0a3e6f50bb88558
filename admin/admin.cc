#include "admin/admin.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "admin/api.h"
#include "admin/docker_runtime.h"
#include "admin/first_table.h"
#include "admin/process_runtime.h"
#include "admin/static_runtime.h"
#include "admin/supervisor.h"
#include "base/log.h"
#include "uring/kernel_ring.h"

namespace ringmaster::admin {

using async::Task;
using std::chrono::milliseconds;

namespace {

// Once the workers have been told to end at once.
constexpr milliseconds ending_time{2'000};
constexpr milliseconds hurried_grace{2'000};
// Whoever connects meanwhile waits for the first replicas: so long at most, and where one is ready, for the others.
constexpr milliseconds first_replica_time{5'000};
constexpr milliseconds other_replicas_time{1'000};
// For answers of the API that are under way when everything else has ended.
constexpr milliseconds api_grace{1'000};

std::unique_ptr<Runtime> make_runtime(async::Loop& loop, const config::Settings& settings) {
  switch (settings.replicas.runtime) {
    case config::Runtime::process: return std::make_unique<ProcessRuntime>(loop, settings.replicas.command);
    case config::Runtime::static_list: return std::make_unique<StaticRuntime>(settings.replicas.static_list);
    case config::Runtime::docker: break;
  }
  return std::make_unique<DockerRuntime>(loop, settings.docker);
}

RegistrySettings registry_settings(const config::Settings& settings, const proxy::Control& control,
                                   const Runtime& runtime) {
  RegistrySettings made;
  made.table = table_settings(settings);
  made.workers = control.workers();
  made.keep_homes = settings.routing.affinity == "strict";
  made.rise = settings.heartbeat.rise;
  made.fall = settings.heartbeat.fall;
  made.ejection_ns = static_cast<uint64_t>(std::chrono::nanoseconds(settings.heartbeat.interval).count());
  made.fail_open = settings.ejection.fail_open;
  made.starts_replicas = runtime.starts_replicas();
  made.respawn_name = settings.replicas.respawn_name;
  return made;
}

Fd open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGUSR1);
  // Main has blocked them before any thread was made; for this thread it is made sure.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Fd descriptor(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) {
    throw StartError(ExitCode::internal, to_string(Error::from_errno(errno, "signalfd")), "");
  }
  return descriptor;
}

async::HttpServerSettings server_settings(uint64_t body_bytes_max) {
  async::HttpServerSettings made;
  made.body_bytes_max = body_bytes_max;
  return made;
}

SocketAddress listening_at(const async::Listener& listener) {
  const Result<SocketAddress> address = async::bound_address(listener.get());
  if (!address) throw StartError(ExitCode::internal, "admin.listen: " + to_string(address.error()), "");
  return *address;
}

std::string token_of(const config::Settings& settings) {
  return settings.admin.token_file.empty() ? "" : read_token(settings.admin.token_file);
}

}  // namespace

struct Admin::State {
  explicit State(AdminParts parts);

  Task<void> live();
  Task<void> begin_serving();
  Task<void> read_signals();
  Task<void> wait_for_workers(milliseconds time);

  const config::Settings& settings;
  proxy::Control& control;
  LineWriter* const access;
  Fd signals;
  std::unique_ptr<uring::Ring> ring;
  async::Loop loop;
  std::unique_ptr<Runtime> runtime;
  Supervisor supervisor;
  Api api;
  async::HttpServer port, drop_in_port;
  async::Listener listener;
  std::optional<async::Listener> drop_in;
  int signals_seen = 0;
  bool stopping = false;           // the replicas have been asked to end
  async::Event signalled;          // stays set from the first on
  async::CancelScope watching;     // the signals, until the very end
};

Admin::State::State(AdminParts parts)
    : settings(parts.settings),
      control(parts.control),
      access(parts.access),
      signals(open_signals()),
      ring(uring::make_kernel_ring(uring::RingSettings{256, 2048})),
      loop(*ring),
      runtime(make_runtime(loop, settings)),
      supervisor(loop, control, settings, *runtime, registry_settings(settings, control, *runtime)),
      api(supervisor, settings, Guard(listening_at(parts.listener), token_of(settings)), parts.version,
          parts.sticky),
      port(loop, [this](const async::Request& request) { return api.on_admin_port(request); },
           server_settings(table_bytes_max)),
      drop_in_port(loop, [this](const async::Request& request) { return api.on_drop_in(request); },
                   server_settings(api_body_bytes_max)),
      listener(std::move(parts.listener)),
      drop_in(std::move(parts.drop_in)),
      signalled(loop) {}

Admin::Admin(AdminParts parts) : state_(std::make_unique<State>(std::move(parts))) {}
Admin::~Admin() = default;

void Admin::run() {
  state_->loop.spawn(state_->live());
  state_->loop.run();
}

Task<void> Admin::State::live() {
  loop.spawn(supervisor.run());
  loop.spawn(read_signals());
  loop.spawn(begin_serving());
  port.serve(std::move(listener));
  if (drop_in) drop_in_port.serve(std::move(*drop_in));

  co_await signalled.wait();
  log_info("ending: connections that are under way have {} to finish", settings.timeouts.drain);
  supervisor.stop_healing();
  control.set_phase(proxy::Phase::draining);
  co_await wait_for_workers(settings.timeouts.drain);
  if (!control.all_ended()) {
    control.set_phase(proxy::Phase::ending);
    co_await wait_for_workers(ending_time);
  }
  if (!control.all_ended()) log_error("ending: not every worker has ended within {}", ending_time);

  stopping = true;
  co_await supervisor.stop(signals_seen > 1 ? hurried_grace : stop_grace);
  co_await port.stop(api_grace);
  co_await drop_in_port.stop(api_grace);
  watching.cancel();
}

// A request that came before the first replica would be refused, and one that came before the last would go to a
// replica that has its key for these few milliseconds only.
Task<void> Admin::State::begin_serving() {
  async::Patience patience = loop.within(first_replica_time);
  while (!supervisor.ending() && !supervisor.has_started()) {
    if (supervisor.table_has_replicas()) {
      patience.deadline_ns = std::min(patience.deadline_ns, loop.within(other_replicas_time).deadline_ns);
    }
    if (!co_await supervisor.progress().wait(patience)) break;
  }
  if (control.phase() == proxy::Phase::starting) control.set_phase(proxy::Phase::serving);
}

// Until all have ended, or the time is over. A second signal makes it short: see read_signals().
Task<void> Admin::State::wait_for_workers(milliseconds time) {
  async::Patience patience = loop.within(time);
  while (!control.all_ended()) {
    if (!co_await supervisor.progress().wait(patience)) break;
    if (control.phase() == proxy::Phase::ending && time > ending_time) break;
  }
}

Task<void> Admin::State::read_signals() {
  async::Patience patience;
  patience.scope = &watching;
  while (!watching.cancelled()) {
    if (!co_await loop.readable(signals.get(), patience)) continue;
    signalfd_siginfo info;
    while (::read(signals.get(), &info, sizeof info) == sizeof info) {
      log_info("{} received", ::sigabbrev_np(static_cast<int>(info.ssi_signo)));
      if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1) {
        if (access) access->reopen();
        continue;
      }
      ++signals_seen;
      signalled.set();
      if (signals_seen == 2) {
        control.set_phase(proxy::Phase::ending);
        supervisor.tell_progress();
      }
      if (signals_seen > 2 || stopping) supervisor.hurry();
    }
  }
}

}  // namespace ringmaster::admin
