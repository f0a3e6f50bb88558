// One thread's sockets, by epoll, edge triggered.
//
// The load's client and its backend live in one loop and thus on one CPU, with no switch of threads between them: what
// the far ends cost must not blur what the proxy costs. epoll and not io_uring, so that the tool shares neither code
// nor faults with the program it judges.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/fd.h"

namespace ringmaster::perf {

class EventLoop {
 public:
  // Called with epoll's flags, which are only hints: an object whose descriptor was closed and opened again within one
  // batch may be called for the old one. Read and write until EAGAIN and all is well. A handler must outlive the batch
  // it was called in.
  class Handler {
   public:
    virtual void on_event(uint32_t flags) = 0;

   protected:
    ~Handler() = default;
  };

  EventLoop();  // throws StartError
  // From now on until the descriptor is closed.
  Result<void> watch(int fd, Handler& handler, uint32_t flags) noexcept;
  // Waits for events, at most `timeout_ns` (forever: UINT64_MAX), and handles one batch of them.
  void run_once(uint64_t timeout_ns) noexcept;
  // Valid until the next handler runs; shared by all of them.
  std::vector<char>& scratch() noexcept { return scratch_; }

 private:
  Fd epoll_;
  std::vector<char> scratch_;
};

// Non-blocking, TCP_NODELAY, close-on-exec.
Result<Fd> open_socket(int family) noexcept;
Result<Fd> listen_on(const SocketAddress& address) noexcept;
Result<SocketAddress> local_address(int fd) noexcept;

}  // namespace ringmaster::perf
