#include "admin/heartbeat.h"

#include <algorithm>

#include "base/clock.h"

namespace ringmaster::admin {

using async::Task;
using std::chrono::nanoseconds;

namespace {

constexpr uint64_t nudge_pause_ns = 50'000'000;
constexpr uint64_t answer_bytes_max = 64 * 1024;  // of a body that nobody reads

uint64_t count_ns(nanoseconds time) { return static_cast<uint64_t>(time.count()); }

}  // namespace

struct Heartbeat::Pulse {
  uint64_t id = 0;
  SocketAddress address;
  uint64_t started_ns = 0;
  uint64_t due_ns = 0;
  uint64_t asked_ns = 0;
  uint32_t answered = 0;      // in a row, until `rise`; then the beat is enough
  bool asking = false;
  bool again = false;         // nudged while it was being asked
  async::CancelScope scope;   // cancelled by forget()
};

nanoseconds pause_while_starting(nanoseconds since_start) {
  constexpr nanoseconds shortest = std::chrono::milliseconds(5), longest = std::chrono::milliseconds(100);
  return std::clamp(since_start / 8, shortest, longest);
}

Heartbeat::Heartbeat(async::Loop& loop, const config::Settings::Heartbeat& settings, HeartbeatListener& listener)
    : loop_(loop), settings_(settings), listener_(listener), changed_(loop), first_beat_ns_(loop.now_ns()) {}

Heartbeat::~Heartbeat() = default;

void Heartbeat::watch(uint64_t id, const SocketAddress& address) {
  auto pulse = std::make_shared<Pulse>();
  pulse->id = id;
  pulse->address = address;
  pulse->started_ns = pulse->due_ns = loop_.now_ns();
  pulses_[id] = std::move(pulse);
  changed_.set();
}

void Heartbeat::forget(uint64_t id) {
  const auto place = pulses_.find(id);
  if (place == pulses_.end()) return;
  place->second->scope.cancel();
  pulses_.erase(place);
}

void Heartbeat::nudge(uint64_t id) {
  const auto place = pulses_.find(id);
  if (place == pulses_.end()) return;
  Pulse& pulse = *place->second;
  if (pulse.asking) {
    pulse.again = true;  // the question under way may have been answered before the trouble began
    return;
  }
  pulse.due_ns = std::min(pulse.due_ns, std::max(loop_.now_ns(), pulse.asked_ns + nudge_pause_ns));
  changed_.set();
}

uint64_t Heartbeat::next_beat_ns() const noexcept {
  const uint64_t interval_ns = count_ns(settings_.interval);
  const uint64_t beats = (loop_.now_ns() - first_beat_ns_) / interval_ns + 1;
  return first_beat_ns_ + beats * interval_ns;
}

uint64_t Heartbeat::earliest_ns() const noexcept {
  uint64_t earliest = UINT64_MAX;
  for (const auto& [id, pulse] : pulses_) {
    if (!pulse->asking) earliest = std::min(earliest, pulse->due_ns);
  }
  return earliest;
}

Task<void> Heartbeat::run(async::CancelScope& scope) {
  while (!scope.cancelled()) {
    ask_those_due();
    changed_.reset();
    async::Patience patience;
    patience.deadline_ns = earliest_ns();
    patience.scope = &scope;
    co_await changed_.wait(patience);
  }
}

void Heartbeat::ask_those_due() {
  const uint64_t now_ns = loop_.now_ns();
  for (const auto& [id, pulse] : pulses_) {
    if (pulse->asking || pulse->due_ns > now_ns) continue;
    pulse->asking = true;
    pulse->asked_ns = now_ns;
    loop_.spawn(ask(pulse));
  }
}

Task<void> Heartbeat::ask(std::shared_ptr<Pulse> pulse) {
  async::ClientRequest request;
  request.address = pulse->address;
  request.target = settings_.path;
  request.answer_bytes_max = answer_bytes_max;
  const Result<async::ClientAnswer> answer =
      co_await async::fetch(loop_, request, loop_.within(settings_.timeout, &pulse->scope));
  pulse->asking = false;
  if (pulse->scope.cancelled()) co_return;

  const bool well = answer && answer->status >= 200 && answer->status < 300;
  if (well) pulse->answered = std::min(pulse->answered + 1, settings_.rise);
  else if (pulse->answered < settings_.rise) pulse->answered = 0;
  pulse->due_ns = next_beat_ns();
  if (pulse->answered < settings_.rise) {
    const uint64_t since_start_ns = loop_.now_ns() - pulse->started_ns;
    const nanoseconds pause = pause_while_starting(nanoseconds(since_start_ns));
    pulse->due_ns = std::min(pulse->due_ns, loop_.now_ns() + count_ns(pause));
  }
  if (std::exchange(pulse->again, false)) pulse->due_ns = std::min(pulse->due_ns, pulse->asked_ns + nudge_pause_ns);
  changed_.set();
  // Last: the listener may forget this life.
  if (well) {
    listener_.on_answered(pulse->id);
  } else {
    const bool silent = !answer && answer.error().kind == ErrorKind::timed_out;
    listener_.on_missed(pulse->id, answer ? "answered " + std::to_string(answer->status) : to_string(answer.error()),
                        silent);
  }
}

}  // namespace ringmaster::admin
