// A worker's connections to one replica.
//
// Idle ones are kept, last used first, each with a receive armed: when the replica closes one, or sends what nobody
// asked for, a completion says so and it is gone before anybody picks it.
//
// A replica that has failed so many exchanges in a row (refused, reset, hung, cut its answer or sent garbage) is out of
// this worker's sight until the admin thread lets it into a table anew or the end of `ejection_ns`, whichever comes
// first. The admin thread is told of every failure, a hundred times a second at most, and asks the replica for itself;
// of an ejection it is told always, and takes the replica out of the table for all.
//
// Room. Of limits.connections_per_replica every worker has its share (balance::share_of). Where all of them are busy,
// exchanges wait here in the order in which they came; nobody who comes later is served before them. The router lets
// them in at the end of each loop, so that no handler of one exchange calls another's.
#pragma once

#include <cstdint>

#include "balance/policy.h"
#include "base/intrusive_list.h"
#include "proxy/control.h"
#include "proxy/parts.h"
#include "proxy/stream.h"
#include "proxy/waiting_room.h"

namespace ringmaster::proxy {

class UpstreamPool;

class UpstreamConnection : public Link<IdleTag> {
 public:
  UpstreamConnection(uint32_t index, uint32_t generation, Parts& parts, UpstreamPool& pool, int socket) noexcept;
  ~UpstreamConnection();

  // --- verbs of the exchange
  // Ends without telling the exchange, which must have no bytes in flight on it.
  void let_go() noexcept;
  void expect_within(uint64_t timeout_ns) noexcept;  // the next event must come by then, or the timer fires
  void terminate() noexcept;
  // Back to the pool, for the next request. Nothing is in flight but the receive, and nothing has arrived.
  void release() noexcept;

  // --- completions
  void on_connected(const uring::Completion& completion) noexcept;
  void on_receive(const uring::Completion& completion) noexcept;
  void on_send(const uring::Completion& completion) noexcept;
  void on_timer() noexcept;

  Stream& stream() noexcept { return stream_; }
  UpstreamPool& pool() noexcept { return pool_; }
  bool reused() const noexcept { return requests_ > 1; }
  bool connecting() const noexcept { return connecting_; }

 private:
  friend class UpstreamPool;
  void forget_exchange() noexcept;
  void close_if_joined() noexcept;

  Parts& parts_;
  UpstreamPool& pool_;
  Stream stream_;
  OwnedTimer timer_;
  Exchange* exchange_ = nullptr;
  const uint32_t index_;
  const uint32_t generation_;
  uint32_t requests_ = 0;
  bool connecting_ = false;
};

struct CrowdedTag;

class UpstreamPool : public Link<CrowdedTag> {
 public:
  UpstreamPool(Parts& parts, Control& control, uint32_t worker, UpstreamPtr upstream);
  ~UpstreamPool();

  // A connection for the exchange: an idle one (ready to send on at once), or a new one that calls
  // Exchange::on_upstream_connected() or on_upstream_failed(). nullptr: at the limit, or no descriptor (see cause).
  UpstreamConnection* take(Exchange& exchange, bool fresh, http::Cause& cause) noexcept;
  // A connection is free, or may be made, and nobody waits for it. `fresh`: an idle one does not do.
  bool has_room(bool fresh) const noexcept { return waiting_.empty() && has_connection(fresh); }
  bool has_connection(bool fresh) const noexcept {
    return connections_max_ == 0 || open_ < connections_max_ || (!fresh && !idle_.empty());
  }
  bool queue_has_room() const noexcept { return waiting_.length() < queue_max_; }
  WaitingRoom& waiting() noexcept { return waiting_; }
  uint32_t in_flight() const noexcept { return in_flight_; }   // exchanges of this worker on it
  uint32_t weight() const noexcept { return weight_; }         // in the table in force
  // Slow start: it has not taken this slot over yet.
  bool warming(uint32_t slot) const noexcept;
  balance::Turn& turn() noexcept { return turn_; }
  const std::string& sticky_field() const noexcept { return sticky_field_; }

  bool usable(uint64_t now_ns) const noexcept { return now_ns >= ejected_until_ns_; }
  // What became of an exchange with it. `overloaded` is our own failure, and says nothing about the replica.
  void failed(http::Cause cause) noexcept;
  void served() noexcept { failures_in_row_ = 0; }
  // It is in the table of that epoch, which may have been without it for a while: then, and where the admin thread has
  // let it in anew, it is as good as new. `serving_ns`, `entry`: as in RouteTable.
  void note_table(uint64_t epoch, uint32_t weight, uint64_t serving_ns, uint32_t entry) noexcept;
  uint64_t last_table() const noexcept { return last_table_; }   // the epoch of the last one that named it
  uint64_t usable_from_ns() const noexcept { return ejected_until_ns_; }
  // The replica has left the table: idle connections end now, busy ones when their exchange does.
  void retire() noexcept;
  bool retired() const noexcept { return retired_; }
  bool empty() const noexcept { return open_ == 0 && waiting_.empty(); }
  // It leaves its heartbeats unanswered: what waits for its answer goes to others, where that is safe.
  void leave_silent() noexcept;
  // Ends every connection at once.
  void cut() noexcept;

  const Upstream& upstream() const noexcept { return *upstream_; }
  UpstreamMeters& meters() noexcept { return upstream_->meters[worker_]; }

 private:
  friend class UpstreamConnection;
  UpstreamConnection* open(http::Cause& cause) noexcept;
  void exchange_ended() noexcept;
  void eject_until(uint64_t ns) noexcept;

  Parts& parts_;
  Control& control_;
  const uint32_t worker_;
  const UpstreamPtr upstream_;
  const uint32_t connections_max_;   // this worker's shares; 0: any number
  const uint32_t queue_max_;
  List<UpstreamConnection, IdleTag> idle_;
  WaitingRoom waiting_;
  uint32_t open_ = 0;
  uint32_t in_flight_ = 0;
  uint32_t weight_ = 1;
  balance::Turn turn_;
  uint64_t serving_ns_ = 0;
  const uint64_t identity_;          // a hash of its name
  const std::string sticky_field_;   // empty where there are no sticky cookies
  uint64_t ejected_until_ns_ = 0;
  uint64_t last_table_ = 0;
  uint64_t report_after_ns_ = 0;
  uint32_t failures_in_row_ = 0;
  uint32_t entry_ = 0;               // RouteTable::entries
  bool entered_ = false;
  bool retired_ = false;
};

}  // namespace ringmaster::proxy
