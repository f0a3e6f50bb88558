// The worker threads: one for each CPU that the process may use, pinned, each with its own ring.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/line_writer.h"
#include "config/settings.h"
#include "proxy/control.h"
#include "proxy/parts.h"

namespace ringmaster {

// The CPUs that this process may use, in order.
std::vector<int> usable_cpus();

// The proxy's listening sockets: for each worker one of every address (SO_REUSEPORT), so that the kernel spreads
// connections; a socket that was passed to the program is shared by all workers. Opened before any worker starts:
// afterwards nothing can fail. Throws StartError.
class ProxyListeners {
 public:
  ProxyListeners(const std::vector<std::string>& addresses, const std::vector<int>& passed, uint32_t workers);
  std::vector<Fd> take(uint32_t worker);
  const std::vector<std::string>& bound() const noexcept { return bound_; }  // "127.0.0.1:5000", ports as they are

 private:
  void open(const std::string& address);
  void share(int socket);
  std::vector<std::vector<Fd>> sockets_;   // by worker
  std::vector<std::string> bound_;
};

class WorkerThreads {
 public:
  // Returns when every worker serves. Throws the StartError of the first that could not make its ring.
  // `access`: has a queue for each worker, or is nullptr.
  WorkerThreads(proxy::Control& control, const config::Settings& settings, ProxyListeners& listeners,
                proxy::UpstreamPtr drop_in_api, LineWriter* access);
  ~WorkerThreads();  // joins them: they end by Control's phase
  // What signs and reads the workers' sticky cookies.
  const proxy::StickyCookies& sticky() const noexcept { return proxy_settings_.sticky; }

 private:
  void start(uint32_t index, int cpu, std::vector<Fd> sockets, proxy::UpstreamPtr drop_in_api);

  proxy::Control& control_;
  const config::Settings& settings_;
  LineWriter* const access_;
  const proxy::ProxySettings proxy_settings_;
  std::vector<std::thread> threads_;
};

}  // namespace ringmaster
