// The fake ring as a checker: it is deterministic, it is unkind, and it says which rule was broken.
#include "tests/fake/fake_ring.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "uring/buffer_pool.h"

namespace ringmaster::uring {

namespace {

using fake::FakePeer;
using fake::FakeRing;
using fake::FaultRates;

enum Kind : uint64_t { kind_accept = 1, kind_receive = 2, kind_send = 3 };

uint64_t name(Kind kind, int socket) { return kind << 32 | static_cast<uint32_t>(socket); }

// An echo server that keeps the rules: the smallest program that has everything a proxy's side has.
class Echo {
 public:
  explicit Echo(FakeRing& ring) : ring_(ring), listener_(ring.listen()) { arm_accept(); }

  int listener() const { return listener_; }
  const std::vector<std::string>& trace() const { return trace_; }
  size_t connections() const { return connections_.size(); }

  void turn(uint64_t deadline_ns) {
    for (const Completion& completion : ring_.wait(deadline_ns)) {
      trace_.push_back(std::to_string(ring_.now_ns()) + ":" + std::to_string(completion.user_data) + ":" +
                       std::to_string(completion.result) + ":" + std::to_string(completion.more));
      switch (completion.user_data >> 32) {
        case kind_accept: on_accept(completion); break;
        case kind_receive: on_receive(static_cast<int>(completion.user_data & 0xFFFFFFFF), completion); break;
        case kind_send: on_sent(static_cast<int>(completion.user_data & 0xFFFFFFFF), completion); break;
      }
    }
  }

 private:
  struct Connection {
    bool receiving = false;
    bool sending = false;
    bool at_end = false;
    std::string waiting;
    std::string leaving;
  };

  void arm_accept() { ring_.accept_multishot(listener_, name(kind_accept, listener_)); }
  void arm(int socket, bool expect_empty) {
    connections_[socket].receiving = true;
    ring_.receive_multishot(socket, expect_empty, name(kind_receive, socket));
  }
  void on_accept(const Completion& completion) {
    if (completion.result >= 0) {
      connections_[completion.result] = {};
      arm(completion.result, false);
    }
    if (!completion.more) arm_accept();
  }
  void on_receive(int socket, const Completion& completion) {
    Connection& connection = connections_[socket];
    connection.receiving = completion.more;
    if (completion.result > 0) {
      const Lease lease = pool_.adopt(completion.buffer_id);
      connection.waiting.append(lease.space(), static_cast<size_t>(completion.result));
    } else if (completion.result != -ENOBUFS) {
      connection.at_end = true;
    }
    if (!connection.receiving && !connection.at_end) arm(socket, false);
    go_on(socket);
  }
  void on_sent(int socket, const Completion& completion) {
    Connection& connection = connections_[socket];
    connection.sending = false;
    if (completion.result != static_cast<int32_t>(connection.leaving.size())) {
      connection.waiting.clear();
      if (!connection.at_end) ring_.shut_down(socket, false);
    }
    go_on(socket);
  }
  void go_on(int socket) {
    Connection& connection = connections_[socket];
    if (connection.sending) return;
    if (!connection.waiting.empty()) {
      connection.leaving = std::exchange(connection.waiting, {});
      connection.sending = true;
      ring_.send(socket, connection.leaving, SendMode::now, name(kind_send, socket));
    } else if (connection.at_end && !connection.receiving) {
      ring_.close(socket);
      connections_.erase(socket);
    }
  }

  FakeRing& ring_;
  BufferPool pool_{ring_, {.provided_initial = 4, .provided_max = 8, .provided_bytes = 700}};
  int listener_;
  std::map<int, Connection> connections_;
  std::vector<std::string> trace_;
};

std::string message(uint64_t seed, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(seed + i * i + i / 7);
  return bytes;
}

std::vector<std::string> echo_run(uint64_t seed, FaultRates rates, bool check_bytes) {
  FakeRing ring(seed, rates);
  Echo echo(ring);
  std::vector<FakePeer*> clients;
  std::vector<std::string> messages;
  for (uint64_t i = 0; i < 6; ++i) {
    clients.push_back(&ring.connect_client(echo.listener()));
    messages.push_back(message(seed + i, 1 + i * 20'000));
    clients.back()->write(messages.back());
    clients.back()->end();
  }
  const auto done = [](const FakePeer* client) { return client->ended() || client->was_reset(); };
  for (int i = 0; i < 100'000 && !(std::ranges::all_of(clients, done) && ring.idle()); ++i) {
    echo.turn(ring.now_ns() + 1'000'000'000);
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_TRUE(done(clients[i]));
    if (check_bytes) EXPECT_EQ(clients[i]->received(), messages[i]);
    else EXPECT_TRUE(messages[i].starts_with(clients[i]->received()));
  }
  EXPECT_EQ(echo.connections(), 0u);
  EXPECT_EQ(ring.open_descriptors(), 1u);
  EXPECT_EQ(ring.provided_buffers(), 4u);
  return echo.trace();
}

TEST(FakeRing, HarmlessFaultsNeverChangeTheBytes) {
  for (const uint64_t seed : fake::seeds(30)) {
    SCOPED_TRACE(FakeRing(seed).replay());
    echo_run(seed, FaultRates::harmless(), true);
  }
}

TEST(FakeRing, HostileFaultsLeaveNothingOpen) {
  for (const uint64_t seed : fake::seeds(30)) {
    SCOPED_TRACE(FakeRing(seed).replay());
    echo_run(seed, FaultRates::hostile(), false);
  }
}

TEST(FakeRing, SameSeedIsTheSameHistory) {
  EXPECT_EQ(echo_run(7, FaultRates::hostile(), false), echo_run(7, FaultRates::hostile(), false));
  EXPECT_NE(echo_run(7, FaultRates::hostile(), false), echo_run(8, FaultRates::hostile(), false));
}

struct Connected {
  explicit Connected(FakeRing& ring) : listener(ring.listen()) {
    ring.accept_multishot(listener, 1);
    peer = &ring.connect_client(listener);
    socket = ring.wait(UINT64_MAX)[0].result;
  }
  int listener;
  FakePeer* peer;
  int socket;
};

TEST(FakeRing, CompletionsOfOneDirectionKeepTheirOrderAndOthersOvertake) {
  FakeRing ring(1, {.delay = 500});
  Connected first(ring);
  Connected second(ring);
  int overtaken = 0;
  for (int round = 0; round < 50; ++round) {
    char a[8];
    char b[8];
    first.peer->write("a");
    second.peer->write("b");
    ring.receive(first.socket, a, true, 10);
    ring.receive(second.socket, b, true, 20);
    std::vector<uint64_t> order;
    while (order.size() < 2) {
      for (const Completion& completion : ring.wait(UINT64_MAX)) order.push_back(completion.user_data);
    }
    overtaken += order[0] == 20;
  }
  EXPECT_GT(overtaken, 5);
  EXPECT_LT(overtaken, 45);
}

TEST(FakeRing, LateCancelLetsBytesThrough) {
  FakeRing ring(1);
  BufferPool pool(ring, {.provided_initial = 4, .provided_max = 4, .provided_bytes = 512});
  Connected connected(ring);
  ring.receive_multishot(connected.socket, true, 2);
  ring.delay_next_cancel(1'000'000);
  ring.cancel(2);
  connected.peer->write("late");
  const Completion arrival = ring.wait(UINT64_MAX)[0];
  EXPECT_EQ(arrival.result, 4);
  EXPECT_TRUE(arrival.more);
  pool.adopt(arrival.buffer_id).reset();
  const Completion end = ring.wait(UINT64_MAX)[0];
  EXPECT_EQ(end.result, -ECANCELED);
  EXPECT_FALSE(end.more);
}

TEST(FakeRing, TimeJumpsToTheDeadlineWhenNothingCanComplete) {
  FakeRing ring(1);
  const uint64_t deadline_ns = ring.now_ns() + 3'600'000'000'000;
  EXPECT_TRUE(ring.wait(deadline_ns).empty());
  EXPECT_EQ(ring.now_ns(), deadline_ns);
}

TEST(FakeRing, ScriptedFailuresHappenOnce) {
  FakeRing ring(1);
  ring.fail_next_open(EMFILE);
  EXPECT_EQ(ring.open_stream_socket(AF_INET).error().number, EMFILE);
  EXPECT_TRUE(ring.open_stream_socket(AF_INET).has_value());
  ring.fail_next_accept(EMFILE);
  const int listener = ring.listen();
  ring.accept_multishot(listener, 1);
  ring.connect_client(listener);
  const Completion failed = ring.wait(UINT64_MAX)[0];
  EXPECT_EQ(failed.result, -EMFILE);
  EXPECT_FALSE(failed.more);
  ring.accept_multishot(listener, 1);
  EXPECT_GE(ring.wait(UINT64_MAX)[0].result, 0) << "the connection waited";
}

TEST(FakeRing, TimedOutConnectTakesAMinuteOfItsOwnTime) {
  FakeRing ring(1);
  const SocketAddress address = SocketAddress::loopback(9000);
  ring.time_out(address);
  const int socket = ring.open_stream_socket(AF_INET).value();
  const uint64_t start_ns = ring.now_ns();
  ring.connect(socket, address, 1);
  EXPECT_EQ(ring.wait(UINT64_MAX)[0].result, -ETIMEDOUT);
  EXPECT_GE(ring.now_ns() - start_ns, 60'000'000'000);
}

TEST(FakeRing, ProgramThatStopsReadingFillsOneBufferAndNoMore) {
  FakeRing ring(1);
  Connected connected(ring);
  connected.peer->write(std::string(1'000'000, 'x'));
  ring.wait(ring.now_ns() + 1'000'000'000);
  EXPECT_EQ(connected.peer->unsent(), 1'000'000u - 64 * 1024);
}

TEST(FakeRing, SegmentsCountSendsThatLeaveTogetherOnce) {
  FakeRing ring(1);
  Connected connected(ring);
  ring.send(connected.socket, std::string_view("head"), SendMode::more_comes, 5);
  ring.wait(UINT64_MAX);
  ring.send(connected.socket, std::string_view("body"), SendMode::now, 5);
  ring.wait(UINT64_MAX);
  ring.wait(ring.now_ns() + 1'000'000);
  EXPECT_EQ(connected.peer->received(), "headbody");
  EXPECT_EQ(connected.peer->segments(), 1u);
}

TEST(FakeRing, DescriptorsAreUsedAgainAsTheKernelDoes) {
  FakeRing ring(1);
  const int first = ring.open_stream_socket(AF_INET).value();
  ring.close(first);
  EXPECT_NE(ring.open_stream_socket(AF_INET).value(), first) << "not closed before it is submitted";
  ring.wait(0);
  EXPECT_EQ(ring.open_stream_socket(AF_INET).value(), first);
}

TEST(FakeRing, BytesForASocketThatIsGoneAreAnsweredByAReset) {
  FakeRing ring(1);
  Connected connected(ring);
  ring.close(connected.socket);
  ring.wait(ring.now_ns() + 1'000'000);
  EXPECT_TRUE(connected.peer->ended());
  connected.peer->write("anyone there?");
  ring.wait(ring.now_ns() + 1'000'000);
  EXPECT_TRUE(connected.peer->was_reset());
}

// --- the checker ----------------------------------------------------------------------------------------------------

void expect_broken(const char* rule, void (*program)(FakeRing&, Connected&)) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        FakeRing ring(42);
        Connected connected(ring);
        program(ring, connected);
      },
      std::string("broken rule: .*") + rule + ".*replay with RINGMASTER_FAKE_SEED=42");
}

char scratch[64];

TEST(FakeRingDeathTest, BrokenRulesAreNamed) {
  expect_broken("a second send in flight", [](FakeRing& ring, Connected& c) {
    ring.send(c.socket, std::string_view("one"), SendMode::now, 2);
    ring.send(c.socket, std::string_view("two"), SendMode::now, 3);
  });
  expect_broken("a second receive in flight", [](FakeRing& ring, Connected& c) {
    ring.receive(c.socket, scratch, true, 2);
    ring.receive(c.socket, scratch, true, 3);
  });
  expect_broken("close of descriptor .* with 1 operations in flight", [](FakeRing& ring, Connected& c) {
    ring.receive(c.socket, scratch, true, 2);
    ring.wait(0);
    ring.close(c.socket);
  });
  expect_broken("which is not open", [](FakeRing& ring, Connected& c) {
    ring.close(c.socket);
    ring.send(c.socket, std::string_view("x"), SendMode::now, 2);
  });
  expect_broken("which is not open", [](FakeRing& ring, Connected& c) {
    ring.close(c.socket);
    ring.close(c.socket);
  });
  expect_broken("names two operations", [](FakeRing& ring, Connected& c) {
    const int other = ring.open_stream_socket(AF_INET).value();
    static const SocketAddress address = SocketAddress::loopback(1);
    ring.never_answer(address);
    ring.receive(c.socket, scratch, true, 2);
    ring.connect(other, address, 2);
    ring.cancel(2);
    ring.wait(0);
  });
  expect_broken("user_data 0", [](FakeRing& ring, Connected& c) { ring.receive(c.socket, scratch, true, 0); });
  expect_broken("bytes of a send in flight", [](FakeRing& ring, Connected& c) {
    std::string bytes(1'000'000, 'x');
    c.peer->pause_reading();
    ring.send(c.socket, bytes, SendMode::now, 2);
    ring.wait(ring.now_ns() + 1'000'000);
    bytes[999'999] = 'y';
    c.peer->resume_reading();
    ring.wait(ring.now_ns() + 1'000'000);
  });
  expect_broken("send on a socket that is not connected", [](FakeRing& ring, Connected&) {
    ring.send(ring.open_stream_socket(AF_INET).value(), std::string_view("x"), SendMode::now, 2);
  });
  expect_broken("provided twice", [](FakeRing& ring, Connected&) {
    ring.set_up_buffers(4);
    ring.provide_buffer(0, scratch);
    ring.provide_buffer(0, scratch);
  });
  expect_broken("waits for ever", [](FakeRing& ring, Connected&) {
    for (;;) ring.wait(UINT64_MAX);
  });
}

TEST(FakeRingDeathTest, TouchingAProvidedBufferShows) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // Without the address sanitizer at the next use of the buffer, with it at once.
  EXPECT_DEATH(
      {
        FakeRing ring(42);
        BufferPool pool(ring, {.provided_initial = 1, .provided_max = 1, .provided_bytes = 512});
        Connected connected(ring);
        ring.receive_multishot(connected.socket, true, 2);
        connected.peer->write("one");
        Lease lease = pool.adopt(ring.wait(UINT64_MAX)[0].buffer_id);
        char* const bytes = lease.space();
        lease.reset();
        bytes[100] = 'x';
        connected.peer->write("two");
        ring.wait(UINT64_MAX);
      },
      "buffer 0 was written after it was provided|use-after-poison");
}

}  // namespace

}  // namespace ringmaster::uring
