// A worker: one thread, one ring, its own listeners, connections, pools, timers and counters. It shares nothing that
// changes, but for what goes through Control.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"
#include "proxy/control.h"
#include "proxy/listener.h"
#include "proxy/parts.h"
#include "proxy/router.h"
#include "uring/buffer_pool.h"
#include "uring/ring.h"

namespace ringmaster::proxy {

class Worker {
 public:
  // `ring` was made by the calling thread, which is the one that calls run(). `drop_in_api`: where the assignment's
  // paths go in drop-in mode, or nullptr. `access`: where a line for each request goes, or nullptr; it outlives this.
  Worker(Control& control, uint32_t index, const ProxySettings& settings, uring::Ring& ring,
         const uring::BufferSettings& buffers, std::vector<Fd> listeners, UpstreamPtr drop_in_api,
         LineQueue* access = nullptr);
  ~Worker();

  // Serves until Control's phase says to end and everything has ended; then tells Control.
  void run() noexcept;
  // One loop: waits, handles what has completed, and returns false when all has ended. run() is this and nothing else;
  // tests turn it themselves.
  bool turn(uint64_t latest_ns = UINT64_MAX) noexcept;  // waits no longer than that

  Parts& parts() noexcept { return parts_; }

 private:
  uint64_t next_deadline() const noexcept;
  void dispatch(const uring::Completion& completion) noexcept;
  void on_timer(OwnedTimer& timer) noexcept;
  void watch_phase() noexcept;
  void begin_drain() noexcept;
  void end_all() noexcept;
  bool all_gone() noexcept;
  void note_counters() noexcept;
  template <class T, class Handler>
  void hand_to(Slab<T>& slab, const Token& token, const uring::Completion& completion, Handler handler) noexcept;

  Control& control_;
  const uint32_t index_;
  uring::BufferPool buffers_;
  Parts parts_;
  Router router_;
  Listeners listeners_;
  OwnedTimer drain_timer_{OwnedTimer::Owner::worker, this};
  Phase phase_ = Phase::starting;
};

}  // namespace ringmaster::proxy
