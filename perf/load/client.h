// The near end: connections that ask, and check every answer.
//
//   closed loop  a connection asks again as soon as it has its answer: how much can pass
//   open loop    requests are due at a constant rate, whatever the answers do; a request's time runs from the moment it
//                was due, also where it had to wait for a free connection (no coordinated omission)
//
// Of each answer status and length are checked, of a sample also identity and every byte. What is wrong is counted by
// kind and ends its connection; a run that has failed failures_max times is given up.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aside.h"
#include "base/address.h"
#include "client_connection.h"
#include "event_loop.h"
#include "failure.h"
#include "histogram.h"

namespace ringmaster::perf {

struct Plan {
  uint32_t connections = 64;
  double seconds = 1;          // then no further request is started
  uint64_t requests = 0;       // nor after so many; 0: no such end
  double rate = 0;             // requests a second in all; 0: closed loop
  bool keep_alive = true;      // else a connection for each request, ended by the other side
  uint64_t answer_bytes = 128; // GET or POST /bytes/N
  uint64_t body_bytes = 0;     // of the request: then it is a POST
  std::string path;            // instead of /bytes/N: its answers may have any length and content
  uint32_t check_every = 16;   // every n-th answer is compared whole
  std::optional<AsidePlan> aside;   // asked meanwhile
};

struct Outcome {
  uint64_t answers = 0;
  uint64_t answer_bytes = 0;   // of their bodies
  uint64_t connects = 0;
  double seconds = 0;          // from the first request to the last answer
  Histogram latency;
  Histogram lateness;          // open loop: from due to sent, for whatever reason
  uint64_t aside_answers = 0;  // in no other figure
  std::array<uint64_t, failure_kinds> failures{};
  std::string first_failure;

  uint64_t failed() const noexcept;
  void count(Failure failure, std::string_view detail, uint64_t times = 1);
};

class Client {
 public:
  static constexpr uint64_t failures_max = 100;
  static constexpr double drain_seconds_max = 5;

  Client(EventLoop& loop, const SocketAddress& target);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Kept-alive connections stay open for the next run. Returns when every answer is here or has failed; idle
  // connections that were lost until then are failures of this run.
  Outcome run(const Plan& plan);
  // Opens connections, each of which has one small request answered and then stays, until close_all().
  Outcome open_idle(uint32_t connections);
  // One request on each of so many further connections, to a path that the backend holds; returns once `held` has
  // grown by their number.
  Outcome hold(uint32_t connections, const std::function<size_t()>& held);
  // Waits for the answers that hold() left open; the backend must have released them.
  Outcome take_held();
  void close_all();

 private:
  using Connections = std::vector<std::unique_ptr<ClientConnection>>;

  void resize(Connections& connections, size_t count);

  EventLoop& loop_;
  const SocketAddress target_;
  uint64_t next_id_ = 1'000'000'000;
  Order small_;                    // for idle connections
  Order held_order_;
  std::unique_ptr<class Visits> visits_;  // of hold(), until take_held()
  std::unique_ptr<class Resting> resting_;
  std::unique_ptr<class Resting> idling_;
  Connections pool_;
  Connections idle_;
  Connections held_;
};

}  // namespace ringmaster::perf
