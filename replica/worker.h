// One thread of the replica: a loop, a listener, and its connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "async/loop.h"
#include "http/head.h"
#include "replica/prepared_answers.h"
#include "uring/ring.h"

namespace ringmaster::replica {

enum class HeartbeatMode : uint8_t { well, failing, hanging };

// What all workers share.
struct Service {
  std::string server_id;
  std::atomic<HeartbeatMode> heartbeat = HeartbeatMode::well;
};

struct Worker {
  Worker(Service& the_service, uring::Ring& ring) : service(the_service), loop(ring), answers(the_service.server_id) {}

  // Serves `listener` until `stop_descriptor` is readable; then ends every connection at once and returns. Both stay
  // their owner's.
  void run(int listener, int stop_descriptor);

  Service& service;
  async::Loop loop;
  http::FieldScratch scratch;
  PreparedAnswers answers;

 private:
  async::Task<void> accept_all(int listener);
  async::Task<void> serve(async::Socket socket);
  async::Task<void> stop_when_readable(int descriptor);
};

}  // namespace ringmaster::replica
