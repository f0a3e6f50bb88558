#include "program.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include <fmt/format.h>

#include "admin/admin.h"
#include "async/sockets.h"
#include "base/log.h"
#include "proxy/control.h"
#include "workers.h"

namespace ringmaster {

namespace {

// Every thread inherits these: the admin thread reads the signals, nobody else is interrupted by them.
void arrange_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);   // the access log is to be opened anew
  sigaddset(&set, SIGUSR1);  // the same
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

// As many descriptors as the system allows us: a connection costs two.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

uint32_t worker_count(const config::Settings& settings) {
  const auto count = settings.proxy.workers != 0 ? settings.proxy.workers : static_cast<uint32_t>(usable_cpus().size());
  return std::min(count, proxy::workers_max);
}

async::Listener listen(const char* setting, const SocketAddress& address) {
  auto listener = async::listen_on(address);
  if (listener) return std::move(*listener);
  throw StartError(ExitCode::configuration,
                   fmt::format("{}: {}: {}", setting, address.text(), to_string(listener.error())),
                   fmt::format("end the program that has the address, or choose another one with --{}", setting));
}

// In drop-in mode the proxy port hands the assignment's paths over to the admin thread. The way is a socket without a
// place in the file system, named by our process id.
struct DropInDoor {
  explicit DropInDoor(uint32_t workers)
      : address(SocketAddress::parse(fmt::format("unix:@ringmaster-drop-in-{}", getpid())).value()),
        listener(listen("proxy.drop_in", address)),
        upstream(std::make_shared<proxy::Upstream>(0, "admin", address, workers)) {}

  SocketAddress address;
  async::Listener listener;
  proxy::UpstreamPtr upstream;
};

}  // namespace

int run_program(const config::Loaded& loaded, std::vector<int> passed_sockets) {
  const config::Settings& settings = loaded.settings;
  set_log_level(settings.log.level);
  arrange_signals();
  raise_descriptor_limit();

  const uint32_t workers = worker_count(settings);
  ProxyListeners listeners(settings.proxy.listen, passed_sockets, workers);
  async::Listener admin_listener = listen("admin.listen", SocketAddress::parse(settings.admin.listen).value());
  const std::string admin_address = async::bound_address(admin_listener.get()).value().text();
  std::optional<DropInDoor> door;
  if (settings.proxy.drop_in) door.emplace(workers);

  proxy::Control control(workers, proxy::Phase::starting);  // until the admin thread has the first replicas
  std::optional<LineWriter> access;
  if (!settings.log.access.empty()) {
    access.emplace(settings.log.access, workers, [&control](uint32_t worker, uint64_t lines) {
      control.own_meters(worker).access_lines_lost.add(lines);
    });
  }
  {
    WorkerThreads threads(control, settings, listeners, door ? door->upstream : nullptr, access ? &*access : nullptr);
    admin::Admin admin({.settings = settings,
                        .control = control,
                        .listener = std::move(admin_listener),
                        .drop_in = door ? std::optional(std::move(door->listener)) : std::nullopt,
                        .version = RINGMASTER_VERSION,
                        .access = access ? &*access : nullptr,
                        .sticky = threads.sticky()});
    for (const std::string& address : listeners.bound()) log_info("proxy listening on {}", address);
    log_info("admin listening on {}", admin_address);
    admin.run();
  }
  log_info("ended");
  flush_log();
  return static_cast<int>(ExitCode::ok);
}

}  // namespace ringmaster
