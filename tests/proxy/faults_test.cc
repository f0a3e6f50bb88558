// The smuggling property on a machine at its end: every n-th allocation of the worker fails, operations of the ring end
// with ENOMEM, ENOBUFS and ECANCELED, descriptors run out. Clients get whole answers, refusals of the proxy or an end;
// nothing crashes, hangs or is left behind; and when the machine has recovered, so has the proxy.
//
// RINGMASTER_FAKE_SEED runs one seed; RINGMASTER_FAULT_SEEDS says how many run.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/log.h"
#include "failing_allocations.h"
#include "play.h"

namespace ringmaster::proxy {
namespace {

using failing_allocations::Suspension;
using uring::Completion;
using uring::SendMode;

// The worker's ring is the test's code: its allocations are not the worker's.
class SparedRing final : public uring::Ring {
 public:
  explicit SparedRing(uring::Ring& ring) : ring_(ring) {}

  void accept_multishot(int listener, uint64_t user_data) override {
    const Suspension spared;
    ring_.accept_multishot(listener, user_data);
  }
  void connect(int socket, const SocketAddress& address, uint64_t user_data) override {
    const Suspension spared;
    ring_.connect(socket, address, user_data);
  }
  void receive_multishot(int socket, bool expect_empty, uint64_t user_data) override {
    const Suspension spared;
    ring_.receive_multishot(socket, expect_empty, user_data);
  }
  void receive_one(int socket, bool expect_empty, uint64_t user_data) override {
    const Suspension spared;
    ring_.receive_one(socket, expect_empty, user_data);
  }
  void receive(int socket, std::span<char> bytes, bool expect_empty, uint64_t user_data) override {
    const Suspension spared;
    ring_.receive(socket, bytes, expect_empty, user_data);
  }
  void send(int socket, std::span<const char> bytes, SendMode mode, uint64_t user_data) override {
    const Suspension spared;
    ring_.send(socket, bytes, mode, user_data);
  }
  void cancel(uint64_t target) override {
    const Suspension spared;
    ring_.cancel(target);
  }
  void poll_multishot(int descriptor, uint64_t user_data) override {
    const Suspension spared;
    ring_.poll_multishot(descriptor, user_data);
  }
  void close(int descriptor) override {
    const Suspension spared;
    ring_.close(descriptor);
  }
  Result<int> open_stream_socket(int family) override {
    const Suspension spared;
    return ring_.open_stream_socket(family);
  }
  void shut_down(int socket, bool only_sending) override {
    const Suspension spared;
    ring_.shut_down(socket, only_sending);
  }
  void reset_on_close(int socket) override {
    const Suspension spared;
    ring_.reset_on_close(socket);
  }
  SocketAddress peer_of(int socket) override {
    const Suspension spared;
    return ring_.peer_of(socket);
  }
  int accept_or_close(int listener) override {
    const Suspension spared;
    return ring_.accept_or_close(listener);
  }
  void set_up_buffers(uint16_t entries) override { ring_.set_up_buffers(entries); }
  void provide_buffer(uint16_t buffer_id, std::span<char> bytes) override {
    const Suspension spared;
    ring_.provide_buffer(buffer_id, bytes);
  }
  std::span<const Completion> wait(uint64_t deadline_ns) override {
    const Suspension spared;
    return ring_.wait(deadline_ns);
  }
  uint64_t now_ns() const noexcept override { return ring_.now_ns(); }
  Counters counters() const noexcept override { return ring_.counters(); }

 private:
  uring::Ring& ring_;
};

struct Shortage {
  const char* name;
  fake::FaultRates rates;
  uint64_t (*allocations)(uint64_t seed);   // of how many the last one fails; 0: none
};

void play(const Shortage& shortage) {
  set_log_level(LogLevel::error);
  const char* const count = std::getenv("RINGMASTER_FAULT_SEEDS");
  const uint64_t failed_before = failing_allocations::failed();
  uint64_t refused = 0;
  int failed = 0;
  for (const uint64_t seed : fake::seeds(count ? std::strtoull(count, nullptr, 10) : 60)) {
    PlayPlan plan{.seed = seed, .rates = shortage.rates};
    plan.wrap = [](uring::Ring& ring) { return std::make_unique<SparedRing>(ring); };
    plan.around_turn = [](bool inside) { inside ? failing_allocations::begin() : failing_allocations::end(); };
    plan.recovers = true;
    plan.end_faults = [] { failing_allocations::every(0); };
    Play scene(plan);
    failing_allocations::every(shortage.allocations(seed));
    const std::string complaints = scene.run();
    refused += scene.meters().refusals.of(http::Cause::overloaded).value();
    refused += scene.meters().connections_refused.value();
    if (complaints.empty()) continue;
    ADD_FAILURE() << shortage.name << ": RINGMASTER_FAKE_SEED=" << seed << complaints;
    if (++failed == 3) break;
  }
  set_log_level(LogLevel::info);
  EXPECT_GT(refused, 0u) << "nothing was ever short";
  if (shortage.allocations(1) != 0) {
    EXPECT_GT(failing_allocations::failed(), failed_before);
  }
}

TEST(Faults, EveryAllocationFails) {
  play({"allocations", fake::FaultRates::harmless(), [](uint64_t) { return uint64_t{1}; }});
}

TEST(Faults, EveryNthAllocationFails) {
  play({"allocations", fake::FaultRates::harmless(), [](uint64_t seed) { return 1 + seed % 7; }});
}

TEST(Faults, OperationsOfTheRingFail) {
  play({"operations", fake::FaultRates::exhausted(), [](uint64_t) { return uint64_t{0}; }});
}

TEST(Faults, BothFail) {
  play({"both", fake::FaultRates::exhausted(), [](uint64_t seed) { return 1 + seed % 5; }});
}

}  // namespace
}  // namespace ringmaster::proxy
