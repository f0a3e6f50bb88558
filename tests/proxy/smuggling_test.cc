// The smuggling invariant, by seed: whatever clients send and replicas answer, over a network at its worst,
//
//   - what a replica receives on each connection is a sequence of well-formed requests, each of which a client sent and
//     the proxy counted; only the last may be cut;
//   - a request that is not idempotent reaches replicas once, in whole or in part;
//   - the answers that a client receives are, in order, those to its own requests, or the proxy's own refusals, and
//     what was cut on the way looks cut;
//   - nothing is left behind.
//
// Where nobody misbehaves, every request gets its answer. RINGMASTER_FAKE_SEED runs one seed;
// RINGMASTER_SMUGGLING_SEEDS says how many run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "play.h"

namespace ringmaster::proxy {
namespace {

char replay_line[64];

void say_seed(int) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, replay_line, strlen(replay_line));
}

TEST(Smuggling, NeverHappensWhateverClientsAndReplicasDo) {
  set_log_level(LogLevel::error);
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = say_seed;  // abort() goes on when it returns
  sigaction(SIGABRT, &action, &before);
  const char* const count = std::getenv("RINGMASTER_SMUGGLING_SEEDS");
  int failed = 0;
  for (const uint64_t seed : fake::seeds(count ? std::strtoull(count, nullptr, 10) : 300)) {
    snprintf(replay_line, sizeof replay_line, "replay with RINGMASTER_FAKE_SEED=%llu\n",
             static_cast<unsigned long long>(seed));
    const std::string complaints =
        Play({.seed = seed,
              .rates = seed % 2 == 0 ? fake::FaultRates::hostile() : fake::FaultRates::harmless(),
              .polite = seed % 4 == 1})
            .run();
    if (complaints.empty()) continue;
    ADD_FAILURE() << "RINGMASTER_FAKE_SEED=" << seed << complaints;
    if (++failed == 5) break;
  }
  sigaction(SIGABRT, &before, nullptr);
  set_log_level(LogLevel::info);
}

}  // namespace
}  // namespace ringmaster::proxy
