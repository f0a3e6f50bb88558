#include "proxy/upstream_pool.h"

#include <cerrno>

#include "balance/hot_keys.h"
#include "proxy/exchange.h"

namespace ringmaster::proxy {

namespace {

constexpr uint64_t report_pause_ns = 10'000'000;

}  // namespace

// --- a connection ---------------------------------------------------------------------------------------------------

UpstreamConnection::UpstreamConnection(uint32_t index, uint32_t generation, Parts& parts, UpstreamPool& pool,
                                       int socket) noexcept
    : parts_(parts),
      pool_(pool),
      stream_(parts.stream_tools, socket, {Verb::upstream_receive, generation, index},
              {Verb::upstream_send, generation, index}, 2),
      timer_(OwnedTimer::Owner::upstream, this),
      index_(index),
      generation_(generation) {}

UpstreamConnection::~UpstreamConnection() {
  parts_.timers.disarm(timer_);
  unlink();
}

void UpstreamConnection::expect_within(uint64_t timeout_ns) noexcept {
  parts_.timers.set(timer_, parts_.now() + timeout_ns);
}

void UpstreamConnection::on_connected(const uring::Completion& completion) noexcept {
  connecting_ = false;
  if (stream_.terminating()) return close_if_joined();
  if (completion.result == 0) {
    stream_.want(Want::small, true);
    if (exchange_) exchange_->on_upstream_connected();
    else release();
  } else if (exchange_) {
    exchange_->on_upstream_failed(Stream::is_ours(-completion.result) ? http::Cause::overloaded
                                                                      : http::Cause::replica_refused);
  } else {
    terminate();
  }
}

void UpstreamConnection::on_receive(const uring::Completion& completion) noexcept {
  const Arrival arrival = stream_.on_receive(completion);
  if (stream_.terminating()) return close_if_joined();
  if (arrival == Arrival::nothing) return;
  // Idle: an end, an error, or bytes that nobody asked for (RFC 9112 section 9.3.1 gives them no request to answer).
  if (!exchange_) return terminate();
  switch (arrival) {
    case Arrival::bytes: return exchange_->on_upstream_bytes();
    case Arrival::end: return exchange_->on_upstream_end();
    case Arrival::failed:
      return exchange_->on_upstream_failed(stream_.failed_by_us() ? http::Cause::overloaded
                                                                  : http::Cause::replica_reset);
    case Arrival::nothing: return;
  }
}

void UpstreamConnection::on_send(const uring::Completion& completion) noexcept {
  const Sent sent = stream_.on_send(completion);
  if (stream_.terminating()) return close_if_joined();
  if (exchange_) exchange_->on_upstream_sent(sent);
}

void UpstreamConnection::on_timer() noexcept {
  if (exchange_) exchange_->on_upstream_timeout();
  else terminate();
}

void UpstreamConnection::forget_exchange() noexcept {
  if (!exchange_) return;
  exchange_ = nullptr;
  pool_.exchange_ended();
}

void UpstreamConnection::let_go() noexcept {
  forget_exchange();
  terminate();
}

void UpstreamConnection::release() noexcept {
  forget_exchange();
  if (pool_.retired_ || parts_.draining || stream_.ended() || stream_.front()) return terminate();
  stream_.want(Want::small, true);
  pool_.idle_.push_front(*this);
  expect_within(parts_.settings.upstream_keep_alive_ns);
}

void UpstreamConnection::terminate() noexcept {
  if (stream_.terminating()) return;
  unlink();
  parts_.timers.disarm(timer_);
  stream_.terminate();
  // A connect that waits is ended by a cancel: shutting the socket down would make the kernel try once more.
  if (connecting_) parts_.ring.cancel(Token{Verb::upstream_connect, generation_, index_}.pack());
  close_if_joined();
}

void UpstreamConnection::close_if_joined() noexcept {
  if (connecting_ || !stream_.joined()) return;
  Exchange* exchange = exchange_;
  const bool handed_over = stream_.handed_over();
  forget_exchange();
  stream_.close();
  pool_.meters().connections.subtract();
  --pool_.open_;
  parts_.upstreams.free(index_);  // this
  if (exchange) exchange->on_upstream_joined(handed_over);
}

// --- the pool -------------------------------------------------------------------------------------------------------

UpstreamPool::UpstreamPool(Parts& parts, Control& control, uint32_t worker, UpstreamPtr upstream)
    : parts_(parts),
      control_(control),
      worker_(worker),
      upstream_(std::move(upstream)),
      connections_max_(upstream_->share_of(parts.settings.connections_per_replica, worker)),
      queue_max_(upstream_->share_of(parts.settings.queue_length, worker)),
      waiting_(parts, parts.settings.queue_timeout_ns, http::Cause::queue_timeout, &meters().waiting),
      identity_(balance::key_hash(upstream_->name)),
      sticky_field_(parts.settings.sticky.on() ? parts.settings.sticky.field_for(upstream_->name) : "") {}

UpstreamPool::~UpstreamPool() { ensure(open_ == 0); }

UpstreamConnection* UpstreamPool::take(Exchange& exchange, bool fresh, http::Cause& cause) noexcept {
  UpstreamConnection* connection = fresh ? nullptr : idle_.pop_front();
  if (!connection) connection = open(cause);
  if (!connection) return nullptr;
  connection->exchange_ = &exchange;
  ++connection->requests_;
  meters().requests.add();
  meters().in_flight.add();
  ++in_flight_;
  if (entered_) {
    ++parts_.in_flight;
    parts_.router->note_taken(*this);
  }
  return connection;
}

void UpstreamPool::exchange_ended() noexcept {
  meters().in_flight.subtract();
  --in_flight_;
  if (entered_) --parts_.in_flight;
}

UpstreamConnection* UpstreamPool::open(http::Cause& cause) noexcept {
  if (connections_max_ != 0 && open_ >= connections_max_) {
    cause = http::Cause::replica_full;
    return nullptr;
  }
  const Result<int> socket = parts_.ring.open_stream_socket(upstream_->address.family());
  if (!socket) {
    cause = http::Cause::overloaded;  // out of descriptors or memory: ours, not the replica's
    return nullptr;
  }
  UpstreamConnection* const connection = parts_.upstreams.make(parts_, *this, *socket);
  if (!connection) {
    parts_.ring.close(*socket);
    cause = http::Cause::overloaded;
    return nullptr;
  }
  ++open_;
  meters().connections.add();
  parts_.meters.upstream_connects.add();
  connection->connecting_ = true;
  parts_.ring.connect(*socket, upstream_->address,
                      Token{Verb::upstream_connect, connection->generation_, connection->index_}.pack());
  connection->expect_within(parts_.settings.connect_ns);
  return connection;
}

void UpstreamPool::failed(http::Cause cause) noexcept {
  if (cause == http::Cause::overloaded) return;
  meters().failures.add();
  ++failures_in_row_;
  const uint32_t limit = parts_.settings.ejection_after;
  const bool ejected = limit != 0 && failures_in_row_ >= limit && usable(parts_.now());
  if (ejected) {
    eject_until(parts_.now() + parts_.settings.ejection_ns);
    parts_.router->sight_changed();
    meters().ejections.add();
    parts_.meters.ejections.add(cause);
  } else if (parts_.now() < report_after_ns_) {
    return;
  }
  report_after_ns_ = parts_.now() + report_pause_ns;
  control_.report(worker_, {upstream_->id, cause, ejected});
}

void UpstreamPool::eject_until(uint64_t ns) noexcept {
  ejected_until_ns_ = ns;
  meters().ejected_until_ns.set(ns);
}

void UpstreamPool::note_table(uint64_t epoch, uint32_t weight, uint64_t serving_ns, uint32_t entry) noexcept {
  if (retired_ || entry != entry_) {
    eject_until(0);
    failures_in_row_ = 0;
  }
  entry_ = entry;
  last_table_ = epoch;
  retired_ = false;
  weight_ = weight;
  serving_ns_ = serving_ns;
  if (!entered_) parts_.in_flight += in_flight_;
  entered_ = true;
}

bool UpstreamPool::warming(uint32_t slot) const noexcept {
  const uint64_t span_ns = parts_.settings.slow_start_ns;
  return balance::takes_over_in_ns(slot, identity_, serving_ns_, parts_.now(), span_ns) > 0;
}

void UpstreamPool::retire() noexcept {
  retired_ = true;
  if (entered_) parts_.in_flight -= in_flight_;
  entered_ = false;
  while (UpstreamConnection* connection = idle_.front()) connection->terminate();
}

// By their timers, which fire in this loop or the next: no exchange is called while a table is being taken up.
void UpstreamPool::leave_silent() noexcept {
  if (in_flight_ == 0) return;
  parts_.upstreams.each([this](UpstreamConnection& connection) {
    if (&connection.pool_ != this || !connection.exchange_ || connection.stream_.terminating()) return;
    if (connection.exchange_->may_leave_silent()) connection.expect_within(0);
  });
}

void UpstreamPool::cut() noexcept {
  retired_ = true;
  parts_.upstreams.each([this](UpstreamConnection& connection) {
    if (&connection.pool_ == this) connection.terminate();
  });
}

}  // namespace ringmaster::proxy
