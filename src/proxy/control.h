// The one door between the admin thread and the workers.
//
//   in    an immutable RouteTable, published by one atomic pointer; the order to drain, and to end
//   out   counters that each have one writer; reports of trouble, by mailbox
//
// Readers take no lock. A worker reads the pointer once for each loop (begin_loop), keeps nothing of a table beyond
// that loop, and declares itself offline while it waits for the kernel (end_loop). publish() swaps the pointer and
// waits until every worker has either gone through a loop since or is offline: then nobody can see the old table any
// more, and whatever arrives from then on meets the new one. The old one is freed when the next comes: until then the
// admin thread may compare the two. This is quiescent-state based reclamation
// (McKenney; liburcu's QSBR flavour). These lines are kept instead of liburcu because the state is one word for each
// worker, the wait is bounded by one loop, and the thread sanitizer sees through all of it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "balance/choice.h"
#include "balance/table.h"
#include "base/address.h"
#include "base/error.h"
#include "base/fd.h"
#include "http/refusal.h"
#include "proxy/meters.h"

namespace ringmaster::proxy {

inline constexpr uint32_t workers_max = 256;

// A replica as the workers see it: its upstream. One object for each life of a replica (a respawn is a new one under
// the same name). Made by the admin thread, shared by the tables that name it and by the workers' pools.
struct Upstream {
  Upstream(uint64_t id_, std::string name_, SocketAddress address_, uint32_t workers)
      : id(id_),
        name(std::move(name_)),
        address(address_),
        authority(address_.family() == AF_UNIX ? "localhost" : address_.text()),
        meters(workers) {}

  // A worker's share of a limit of connections or places. What the division leaves over goes to other workers for each
  // replica.
  uint32_t share_of(uint32_t limit, uint32_t worker) const noexcept {
    const auto workers = static_cast<uint32_t>(meters.size());
    return balance::share_of(limit, workers, static_cast<uint32_t>((worker + id) % workers));
  }

  const uint64_t id;            // never used twice while the program runs
  const std::string name;
  const SocketAddress address;
  const std::string authority;  // the address, as a Host field has it; of a unix socket "localhost"
  // meters[w] is written by worker w only, read by anybody.
  mutable std::vector<UpstreamMeters> meters;
};
using UpstreamPtr = std::shared_ptr<const Upstream>;

struct RouteTable {
  uint64_t epoch = 0;                    // set by publish()
  balance::Table table;
  std::vector<UpstreamPtr> upstreams;    // upstreams[i] serves table.members()[i]
  // serving_ns[i]: when upstreams[i] began to serve beside others, by the monotonic clock; 0, or past the end: it need
  // not be warmed up. For routing.slow_start.
  std::vector<uint64_t> serving_ns;
  // entries[i]: how often the admin thread has let upstreams[i] in, having looked at it; past the end: 0. What workers
  // hold against an upstream is forgotten where this is another number than before, and only there: most tables say
  // nothing new about most replicas.
  std::vector<uint32_t> entries;
  // Upstreams of no table any more (by id) that leave their heartbeats unanswered and have not ended: requests that
  // wait for them are given to others. In every table until they have ended, because a worker may miss one.
  std::vector<uint64_t> silent;
  // With strict affinity: the table as it is when every member is ready. Its owners serve their slots or nobody does.
  // Its members are in joining order too, and those of `table` are among them.
  std::shared_ptr<const balance::Table> homes;

  // In which requests are looked up.
  const balance::Table& lookup() const noexcept { return homes ? *homes : table; }
  uint64_t serving_since_ns(size_t i) const noexcept { return i < serving_ns.size() ? serving_ns[i] : 0; }
  uint32_t entries_of(size_t i) const noexcept { return i < entries.size() ? entries[i] : 0; }

  // Calls meet(i, seat) for each upstream, in order: upstreams[i] is lookup().members()[seat]. Members without an
  // upstream are homes that are not ready.
  template <typename Meet>
  void seat_upstreams(Meet&& meet) const {
    const auto members = lookup().members();   // both lists are in joining order
    size_t seat = 0;
    for (size_t i = 0; i < upstreams.size(); ++i, ++seat) {
      while (members[seat] != upstreams[i]->name) ensure(++seat < members.size());
      meet(i, seat);
    }
  }
};

// What a worker tells the admin thread. Small, copied.
struct Trouble {
  uint64_t upstream_id = 0;
  http::Cause cause = http::Cause::none;   // replica_refused, replica_reset, replica_connect_timeout, …
  bool ejected = false;                    // the worker has lost sight of it: so should the others
};

// Bounded queue of one producer and one consumer; the producer never waits (a full mailbox counts and drops).
class Mailbox {
 public:
  bool post(const Trouble& trouble) noexcept;   // worker
  bool take(Trouble& trouble) noexcept;         // admin
  uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t size = 256;
  std::array<Trouble, size> items_{};
  alignas(64) std::atomic<uint32_t> head_{0};
  alignas(64) std::atomic<uint32_t> tail_{0};
  std::atomic<uint64_t> dropped_{0};
};

// starting: the listening sockets hold those who connect, and nobody is accepted yet.
enum class Phase : uint8_t { starting, serving, draining, ending };

class Control {
 public:
  explicit Control(uint32_t workers, Phase phase = Phase::serving);
  ~Control();

  // --- admin thread --------------------------------------------------------------------------------------------------
  // Puts the table in force and returns its epoch; when it returns, no worker uses an older one. Waits at most for one
  // loop of every worker (microseconds to a few milliseconds). One thread at a time.
  uint64_t publish(std::unique_ptr<RouteTable> table);
  // What publish() was given last; for the admin thread only.
  const RouteTable* published() const noexcept { return table_.load(std::memory_order_relaxed); }
  // The one before it, which no worker uses any more; nullptr before the second. For the admin thread only.
  const RouteTable* previous() const noexcept { return previous_.get(); }
  // Readable whenever a worker has posted or has ended.
  int admin_event() const noexcept { return admin_event_.get(); }
  template <class Visit>
  void take_troubles(Visit visit);
  // Only ever forward. draining: stop accepting, finish what is under way, say Connection: close. ending: at once.
  void set_phase(Phase phase) noexcept;
  bool all_ended() const noexcept { return ended_.load(std::memory_order_acquire) == workers_; }
  // No worker holds a connection to it, nor will: it may be stopped without anybody noticing. Valid once it is in no
  // published table.
  bool released(const Upstream& upstream) const noexcept;
  uint32_t workers() const noexcept { return workers_; }
  const WorkerMeters& meters(uint32_t worker) const noexcept { return doors_[worker].meters; }
  uint64_t troubles_dropped() const noexcept;

  // --- worker threads ------------------------------------------------------------------------------------------------
  // The table in force, valid until this worker's end_loop(). nullptr before the first publish().
  const RouteTable* begin_loop(uint32_t worker) noexcept;
  void end_loop(uint32_t worker) noexcept;
  Phase phase() const noexcept { return phase_.load(std::memory_order_acquire); }
  // Readable when the phase changed or a table was published.
  int worker_event(uint32_t worker) const noexcept { return doors_[worker].event.get(); }
  void report(uint32_t worker, const Trouble& trouble) noexcept;
  void worker_ended(uint32_t worker) noexcept;
  WorkerMeters& own_meters(uint32_t worker) noexcept { return doors_[worker].meters; }

 private:
  struct alignas(64) Door {
    std::atomic<uint64_t> seen{0};   // 0: offline; else the epoch counter as of the loop's begin
    Fd event;
    Mailbox mailbox;
    WorkerMeters meters;
  };
  void wake_admin() noexcept;

  const uint32_t workers_;
  std::unique_ptr<Door[]> doors_;
  std::atomic<const RouteTable*> table_{nullptr};
  std::unique_ptr<const RouteTable> previous_;
  std::atomic<uint64_t> epoch_{1};
  std::atomic<Phase> phase_;
  std::atomic<uint32_t> ended_{0};
  Fd admin_event_;
};

template <class Visit>
void Control::take_troubles(Visit visit) {
  Trouble trouble;
  for (uint32_t worker = 0; worker < workers_; ++worker) {
    while (doors_[worker].mailbox.take(trouble)) visit(trouble);
  }
}

}  // namespace ringmaster::proxy
