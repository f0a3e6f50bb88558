#include "workers.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <exception>
#include <future>

#include <fmt/format.h>

#include "async/sockets.h"
#include "base/log.h"
#include "proxy/worker.h"
#include "uring/kernel_ring.h"

namespace ringmaster {

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

namespace {

// SO_REUSEPORT lets a second ringmaster of the same user in without a word. Without it the kernel says who was first.
bool somebody_listens(const SocketAddress& address) {
  if (address.family() == AF_UNIX || address.port() == 0) return false;
  const Fd probe(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!probe || ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return false;
  if (address.family() == AF_INET6 && ::setsockopt(probe.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    return false;
  }
  return ::bind(probe.get(), address.data(), address.length()) != 0 && errno == EADDRINUSE;
}

}  // namespace

// --- listeners ------------------------------------------------------------------------------------------------------

ProxyListeners::ProxyListeners(const std::vector<std::string>& addresses, const std::vector<int>& passed,
                               uint32_t workers)
    : sockets_(workers) {
  for (const int socket : passed) share(socket);
  if (!passed.empty()) return;
  for (const std::string& address : addresses) {
    if (address.starts_with("fd:")) share(std::stoi(address.substr(3)));
    else open(address);
  }
  if (bound_.empty()) {
    throw StartError(ExitCode::configuration, "proxy.listen: none of the addresses could be listened on",
                     "name an address that this machine has, such as 127.0.0.1:5000");
  }
}

void ProxyListeners::open(const std::string& text) {
  SocketAddress address = SocketAddress::parse(text).value();  // the settings have been checked
  if (somebody_listens(address)) {
    log_warning("proxy.listen: {}: somebody listens there already; where the kernel lets us share it, each gets some "
                "of the connections: end one of the two, unless that is meant", text);
  }
  for (auto& worker : sockets_) {
    auto listener = async::listen_on(address, {.reuse_port = true, .backlog = 4096});
    if (!listener && listener.error().number == EAFNOSUPPORT) {
      log_warning("proxy.listen: {}: this machine has no such address family; going on without it", text);
      return;
    }
    if (!listener) {
      throw StartError(ExitCode::configuration,
                       fmt::format("proxy.listen: {}: {}", text, to_string(listener.error())),
                       listener.error().number == EADDRINUSE
                           ? "another program has the port: end it, or choose another one with --proxy.listen"
                           : "choose an address and port that this user may listen on with --proxy.listen");
    }
    address = async::bound_address(listener->get()).value();  // port 0: the other workers share the one it became
    worker.push_back(listener->release());
  }
  bound_.push_back(address.text());
}

void ProxyListeners::share(int socket) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening) {
    throw StartError(ExitCode::configuration, fmt::format("proxy.listen: fd:{} is no listening socket", socket),
                     "pass a stream socket on which listen() has been called");
  }
  for (auto& worker : sockets_) worker.emplace_back(fcntl(socket, F_DUPFD_CLOEXEC, 3));
  const auto address = async::bound_address(socket);
  bound_.push_back(address ? address->text() : fmt::format("fd:{}", socket));
}

std::vector<Fd> ProxyListeners::take(uint32_t worker) { return std::move(sockets_[worker]); }

// --- threads --------------------------------------------------------------------------------------------------------

WorkerThreads::WorkerThreads(proxy::Control& control, const config::Settings& settings, ProxyListeners& listeners,
                             proxy::UpstreamPtr drop_in_api, LineWriter* access)
    : control_(control), settings_(settings), access_(access), proxy_settings_(settings, control.workers()) {
  const std::vector<int> cpus = usable_cpus();
  for (uint32_t i = 0; i < control.workers(); ++i) {
    start(i, cpus[i % cpus.size()], listeners.take(i), drop_in_api);
  }
}

void WorkerThreads::start(uint32_t index, int cpu, std::vector<Fd> sockets, proxy::UpstreamPtr drop_in_api) {
  std::promise<void> ready;
  auto started = ready.get_future();
  threads_.emplace_back([this, index, cpu, &ready, sockets = std::move(sockets), drop_in_api]() mutable {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    pthread_setname_np(pthread_self(), fmt::format("worker{}", index).c_str());
    std::unique_ptr<uring::Ring> ring;
    try {
      ring = uring::make_kernel_ring({});
    } catch (...) {
      control_.worker_ended(index);
      return ready.set_exception(std::current_exception());
    }
    uring::BufferSettings buffers;
    if (const auto count = static_cast<uint16_t>(settings_.proxy.receive_buffers)) {
      buffers.provided_max = count;
      if (buffers.provided_initial > count) buffers.provided_initial = count;
    }
    proxy::Worker worker(control_, index, proxy_settings_, *ring, buffers, std::move(sockets), std::move(drop_in_api),
                         access_ ? &access_->queue(index) : nullptr);
    ready.set_value();
    worker.run();
  });
  try {
    started.get();
  } catch (...) {
    control_.set_phase(proxy::Phase::ending);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    throw;
  }
}

WorkerThreads::~WorkerThreads() {
  if (!control_.all_ended()) control_.set_phase(proxy::Phase::ending);
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace ringmaster
