#include "proxy/worker.h"

#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/upstream_pool.h"

namespace ringmaster::proxy {

namespace {

uint64_t seed_for(uint32_t worker) { return monotonic_ns() * 0x9E3779B97F4A7C15ULL + worker; }

}  // namespace

Worker::Worker(Control& control, uint32_t index, const ProxySettings& settings, uring::Ring& ring,
               const uring::BufferSettings& buffers, std::vector<Fd> listeners, UpstreamPtr drop_in_api,
               LineQueue* access)
    : control_(control),
      index_(index),
      buffers_(ring, buffers),
      parts_(ring, buffers_, settings, control.own_meters(index), seed_for(index)),
      router_(parts_, control, index, std::move(drop_in_api)),
      listeners_(parts_, std::move(listeners)) {
  parts_.router = &router_;
  if (access) parts_.access = std::make_unique<AccessLog>(*access, settings.access_format, parts_.meters);
  ring.poll_multishot(control.worker_event(index), Token{Verb::event, 0, 0}.pack());
  watch_phase();
}

Worker::~Worker() { parts_.timers.disarm(drain_timer_); }

void Worker::run() noexcept {
  while (turn()) {
  }
  control_.worker_ended(index_);
}

bool Worker::turn(uint64_t latest_ns) noexcept {
  const auto completions =
      parts_.ring.wait(std::min(next_deadline(), latest_ns));  // offline: nobody waits for a worker that sleeps
  router_.use(control_.begin_loop(index_));
  for (const uring::Completion& completion : completions) dispatch(completion);
  parts_.timers.expire(parts_.now(), [this](uring::Timer& timer) { on_timer(static_cast<OwnedTimer&>(timer)); });
  watch_phase();
  router_.serve_waiting();
  listeners_.resume_if_room();
  router_.forget_empty();
  // Behind all that this loop has begun, and once: the next completions are looked at before the next bulk operation.
  if (Stream* stream = parts_.stream_tools.turns.pop_front()) stream->take_turn();
  note_counters();
  router_.use(nullptr);
  control_.end_loop(index_);
  if (phase_ <= Phase::serving || !all_gone()) return true;
  parts_.ring.wait(0);  // submits the last closes
  return false;
}

uint64_t Worker::next_deadline() const noexcept {
  if (!parts_.stream_tools.turns.empty()) return 0;
  return std::min({parts_.timers.next_ns(), listeners_.wake_ns(), router_.wake_ns()});
}

template <class T, class Handler>
void Worker::hand_to(Slab<T>& slab, const Token& token, const uring::Completion& completion,
                     Handler handler) noexcept {
  if (T* item = slab.get(token.index, token.generation)) {
    (item->*handler)(completion);
    return;
  }
  // Connections are freed only when nothing of theirs is in flight, so this counts our own mistakes; the buffer must
  // come back all the same.
  parts_.meters.completions_stale.add();
  if (completion.buffer_id != uring::Completion::no_buffer) parts_.buffers.adopt(completion.buffer_id);
}

void Worker::dispatch(const uring::Completion& completion) noexcept {
  const Token token = Token::unpack(completion.user_data);
  switch (token.verb) {
    case Verb::client_receive: return hand_to(parts_.clients, token, completion, &Connection::on_receive);
    case Verb::client_send: return hand_to(parts_.clients, token, completion, &Connection::on_send);
    case Verb::upstream_receive: return hand_to(parts_.upstreams, token, completion, &UpstreamConnection::on_receive);
    case Verb::upstream_send: return hand_to(parts_.upstreams, token, completion, &UpstreamConnection::on_send);
    case Verb::upstream_connect:
      return hand_to(parts_.upstreams, token, completion, &UpstreamConnection::on_connected);
    case Verb::accept: return listeners_.on_accept(token.index, completion);
    case Verb::event: {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t read = ::read(control_.worker_event(index_), &count, sizeof count);
      if (!completion.more) parts_.ring.poll_multishot(control_.worker_event(index_), completion.user_data);
      return;
    }
    case Verb::none: return;
  }
}

void Worker::on_timer(OwnedTimer& timer) noexcept {
  switch (timer.owner) {
    case OwnedTimer::Owner::client:
      return static_cast<Connection*>(timer.whose)->on_timer();
    case OwnedTimer::Owner::upstream:
      return static_cast<UpstreamConnection*>(timer.whose)->on_timer();
    case OwnedTimer::Owner::waiting: return static_cast<WaitingRoom*>(timer.whose)->on_timer();
    case OwnedTimer::Owner::worker: return end_all();
  }
}

// --- the end --------------------------------------------------------------------------------------------------------

void Worker::watch_phase() noexcept {
  const Phase phase = control_.phase();
  if (phase == phase_) return;
  if (phase == Phase::serving) listeners_.start();
  else if (phase_ <= Phase::serving) begin_drain();
  phase_ = phase;
  if (phase == Phase::ending) end_all();
}

// No new connections; what is under way may finish; whoever is idle has a moment for a last request.
void Worker::begin_drain() noexcept {
  parts_.draining = true;
  listeners_.stop(Listeners::Waiting::served);
  parts_.clients.each([](Connection& client) { client.begin_drain(); });
  parts_.timers.set(drain_timer_, parts_.now() + parts_.settings.drain_ns);
}

void Worker::end_all() noexcept {
  parts_.draining = true;
  listeners_.stop(Listeners::Waiting::refused);
  parts_.clients.each([](Connection& client) { client.cut(); });
  router_.cut_all();
}

bool Worker::all_gone() noexcept {
  if (parts_.clients.live() != 0 || !listeners_.stopped()) return false;
  router_.retire_all();
  return parts_.upstreams.live() == 0;
}

void Worker::note_counters() noexcept {
  const auto counters = parts_.ring.counters();
  parts_.meters.ring_submissions.set(counters.submissions);
  parts_.meters.ring_operations.set(counters.operations);
  parts_.meters.ring_completions.set(counters.completions);
  parts_.meters.ring_cq_overflows.set(counters.cq_overflows);
}

}  // namespace ringmaster::proxy
