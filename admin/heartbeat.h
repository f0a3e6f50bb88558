// Asks every replica whether it is well: GET heartbeat.path, any 2xx within the timeout is yes.
//
// All replicas are asked at once, on one timer with one beat. A life that has not answered yet is asked much more often
// than that, so that it enters the table as soon as it is up: at once, then after 5 ms and a growing pause that stays
// an eighth of the time since its start, up to 100 ms, and never longer than the beat. A nudge (a worker had trouble
// with it) asks at once, at most every 50 ms for each life.
//
// Belongs to the admin thread. Each probe is a connection of its own, so that a yes proves that the replica accepts.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "async/http_client.h"
#include "async/loop.h"
#include "config/settings.h"

namespace ringmaster::admin {

class HeartbeatListener {
 public:
  virtual void on_answered(uint64_t id) = 0;
  // `silent`: no answer came in time, not even one that says no.
  virtual void on_missed(uint64_t id, const std::string& reason, bool silent) = 0;

 protected:
  ~HeartbeatListener() = default;
};

// When a life that has not answered yet is asked again, after this long since its start.
std::chrono::nanoseconds pause_while_starting(std::chrono::nanoseconds since_start);

class Heartbeat {
 public:
  Heartbeat(async::Loop& loop, const config::Settings::Heartbeat& settings, HeartbeatListener& listener);
  ~Heartbeat();

  void watch(uint64_t id, const SocketAddress& address);  // the first question follows at once
  void forget(uint64_t id);                               // nothing is heard of it any more
  void nudge(uint64_t id);

  // The timer: spawn it once. Returns when `scope` is cancelled; probes under way end by themselves, in time.
  async::Task<void> run(async::CancelScope& scope);

 private:
  struct Pulse;
  void ask_those_due();
  uint64_t earliest_ns() const noexcept;
  uint64_t next_beat_ns() const noexcept;
  async::Task<void> ask(std::shared_ptr<Pulse> pulse);

  async::Loop& loop_;
  const config::Settings::Heartbeat settings_;
  HeartbeatListener& listener_;
  async::Event changed_;       // something may be due earlier than was thought
  const uint64_t first_beat_ns_;
  std::unordered_map<uint64_t, std::shared_ptr<Pulse>> pulses_;
};

}  // namespace ringmaster::admin
