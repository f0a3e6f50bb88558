// ringmaster-replica: see settings.cc for what it does, and what it can be told to do wrong.
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <exception>
#include <thread>
#include <vector>

#include "async/sockets.h"
#include "base/fd.h"
#include "replica/settings.h"
#include "replica/worker.h"
#include "uring/kernel_ring.h"

namespace ringmaster::replica {
namespace {

// SIGTERM and SIGINT become readable; every thread started later inherits that they are blocked.
Fd catch_ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) throw StartError(ExitCode::internal, "sigprocmask failed", "");
  Fd descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) throw StartError(ExitCode::configuration, "no descriptor is left", "raise the limit: ulimit -n");
  signal(SIGPIPE, SIG_IGN);
  return descriptor;
}

void allow_all_descriptors() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// One for each worker; where the parent gave one, they share it.
std::vector<async::Listener> open_listeners(const Settings& settings) {
  std::vector<async::Listener> listeners;
  if (settings.inherited_listener >= 0) {
    listeners.emplace_back(Fd(settings.inherited_listener));
    return listeners;
  }
  const bool is_unix = settings.address.family() == AF_UNIX;
  const async::ListenOptions options{.reuse_port = settings.workers > 1, .backlog = 4096};
  SocketAddress address = settings.address;
  for (uint32_t i = 0; i < (is_unix ? 1 : settings.workers); ++i) {
    Result<async::Listener> listener = async::listen_on(address, options);
    if (!listener) {
      throw StartError(ExitCode::configuration,
                       "cannot listen on " + address.text() + ": " + to_string(listener.error()),
                       "choose another with PORT or --listen");
    }
    // Port 0: what the first got, the others take too.
    if (const Result<SocketAddress> bound = async::bound_address(listener->get())) address = *bound;
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

// A ring belongs to the thread that makes it, so each worker makes its own. One that cannot start ends them all.
void run_worker(Service& service, int listener, int stop_descriptor, std::exception_ptr& failure) {
  try {
    const std::unique_ptr<uring::Ring> ring = uring::make_kernel_ring({});
    Worker worker(service, *ring);
    worker.run(listener, stop_descriptor);
  } catch (const StartError&) {
    failure = std::current_exception();
    kill(getpid(), SIGTERM);
  }
}

void run(const Settings& settings) {
  allow_all_descriptors();
  const Fd stop = catch_ending_signals();
  const std::vector<async::Listener> listeners = open_listeners(settings);
  Service service;
  service.server_id = settings.server_id;
  std::vector<std::exception_ptr> failures(settings.workers);
  {
    std::vector<std::jthread> threads;
    for (uint32_t i = 1; i < settings.workers; ++i) {
      const int listener = listeners[i % listeners.size()].get();
      threads.emplace_back([&service, listener, &stop, &failure = failures[i]] {
        run_worker(service, listener, stop.get(), failure);
      });
    }
    run_worker(service, listeners[0].get(), stop.get(), failures[0]);
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace
}  // namespace ringmaster::replica

int main(int count, char** arguments) {
  using ringmaster::StartError;
  try {
    if (const auto settings = ringmaster::replica::read_settings(count, arguments)) ringmaster::replica::run(*settings);
    return 0;
  } catch (const StartError& error) {
    std::fprintf(stderr, "ringmaster-replica: %s\n", error.what());
    if (!error.remedy().empty()) std::fprintf(stderr, "ringmaster-replica: %s\n", error.remedy().c_str());
    return static_cast<int>(error.code());
  }
}
