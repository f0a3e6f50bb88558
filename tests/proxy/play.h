// One scene of the smuggling property, by seed: clients and replicas at their worst, one worker between them, and what
// must hold of all that was said (see smuggling_test.cc).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hostile_replica.h"
#include "proxy/worker.h"

namespace ringmaster::proxy {

struct PlayPlan {
  uint64_t seed = 1;
  fake::FaultRates rates;
  bool polite = false;       // nobody misbehaves: every request deserves its answer
  // The ring that the worker is given; the fake one where there is none.
  std::function<std::unique_ptr<uring::Ring>(uring::Ring&)> wrap = {};
  // true before each turn of the worker, false after it.
  std::function<void(bool)> around_turn = {};
  // When all clients have gone, every fault ends, and a polite one must be served.
  bool recovers = false;
  std::function<void()> end_faults = {};
};

class Client;

class Play {
 public:
  explicit Play(const PlayPlan& plan);
  ~Play();
  std::string run();   // "", or the complaints
  const WorkerMeters& meters() const { return control_.meters(0); }

 private:
  void choose_settings();
  void publish();
  void add_client(const TrafficPlan& plan);
  void run_until_clients_have_gone(uint64_t not_before_ns);
  void recover();
  void check();
  bool turn(uint64_t at_most_ns);

  const PlayPlan plan_;
  fake::FakeRing ring_;
  std::unique_ptr<uring::Ring> wrapped_;
  Dice dice_;
  Stage stage_{.ring = ring_, .dice = dice_, .polite = true, .clients = {}, .complaints = {}};
  config::Settings settings_;
  std::unique_ptr<ProxySettings> proxy_settings_;
  uring::BufferSettings buffers_;
  Control control_{1};
  std::vector<UpstreamPtr> upstreams_;   // all that ever were
  std::vector<std::unique_ptr<HostileReplica>> replicas_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<Worker> worker_;
  int listener_ = -1;
  bool serving_ = true;
  uint64_t drain_at_ns_ = UINT64_MAX, publish_at_ns_ = UINT64_MAX;
};

}  // namespace ringmaster::proxy
