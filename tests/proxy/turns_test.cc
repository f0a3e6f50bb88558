// Bulk operations of a worker's streams, in turn: by themselves on the fake ring, and beside small requests.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "conversation.h"
#include "proxy/stream.h"
#include "tests/fake/fake_ring.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;

// Streams on accepted sockets; take_turns() is what a worker's loop does.
class Turns : public testing::Test {
 protected:
  struct Side {
    std::unique_ptr<Stream> stream;
    fake::FakePeer* peer;
    Token receive, send;
    std::string got;
    int sent = 0;
    bool ended = false;
  };

  Turns() {
    ring_.set_socket_buffer(1 << 20);
    ring_.accept_multishot(listener_, Token{Verb::accept, 0, 0}.pack());
  }

  ~Turns() override {
    for (Side& side : sides_) {
      side.stream->terminate();
      while (!side.stream->joined()) loop();
      side.stream->close();
    }
    EXPECT_EQ(buffers_.bulk_leased() + buffers_.provided_leased(), 0u);
  }

  Side& side() {
    fake::FakePeer& peer = ring_.connect_client(listener_);
    while (accepted_.empty()) loop();
    const auto index = static_cast<uint32_t>(sides_.size());
    const Token receive{Verb::client_receive, 0, index}, send{Verb::client_send, 0, index};
    sides_.push_back({std::make_unique<Stream>(tools_, accepted_.front(), receive, send, 4), &peer, receive, send,
                      "", 0, false});
    accepted_.pop_front();
    return sides_.back();
  }

  // One loop of a worker, but for its turn.
  void loop() {
    for (const uring::Completion& completion : ring_.wait(ring_.now_ns() + 1'000'000)) {
      const Token token = Token::unpack(completion.user_data);
      if (token.verb == Verb::accept) {
        accepted_.push_back(completion.result);
        continue;
      }
      Side& side = sides_.at(token.index);
      if (token.verb == Verb::client_send) side.sent += side.stream->on_send(completion) == Sent::all ? 1 : 0;
      else if (side.stream->on_receive(completion) == Arrival::end) side.ended = true;
      while (Piece* piece = side.stream->front()) {
        side.got.append(piece->begin, piece->size());
        side.stream->take_front();
      }
    }
  }
  void loops(int count) {
    for (int i = 0; i < count; ++i) loop();
  }
  void take_turn() {
    if (Stream* stream = tools_.turns.pop_front()) stream->take_turn();
  }

  // Bytes in a leased buffer.
  void send(Side& side, size_t size, bool last = false) {
    uring::Lease lease = buffers_.take_large();
    memset(lease.space(), 'b', size);
    const std::span<const char> bytes(lease.space(), size);
    if (last) side.stream->send_last(std::move(lease), bytes);
    else side.stream->send(std::move(lease), bytes);
  }
  uint64_t operations() const { return ring_.counters().operations; }

  static constexpr size_t bulk = 200'000;
  fake::FakeRing ring_{1};
  const int listener_ = ring_.listen();
  uring::BufferPool buffers_{ring_, {}};
  PieceSlab pieces_;
  WorkerMeters meters_;
  StreamTools tools_{ring_, buffers_, pieces_, meters_};
  std::deque<Side> sides_;
  std::deque<int> accepted_;
};

TEST_F(Turns, ASmallSendLeavesAtOnceAndABulkOneInItsTurn) {
  Side& small = side();
  Side& large = side();
  send(large, bulk);
  send(small, tools_.bulk_from);
  EXPECT_TRUE(large.stream->sending() && large.stream->unsent());
  EXPECT_FALSE(small.stream->unsent());
  loops(20);
  EXPECT_EQ(small.peer->received().size(), tools_.bulk_from);
  EXPECT_EQ(large.peer->received().size(), 0u);
  take_turn();
  EXPECT_FALSE(large.stream->unsent());
  loops(20);
  EXPECT_EQ(large.peer->received().size(), bulk);
  EXPECT_EQ(large.sent, 1);
  EXPECT_TRUE(tools_.turns.empty());
}

TEST_F(Turns, ComeInTheOrderOfAsking) {
  for (int i = 0; i < 3; ++i) side();
  for (const uint32_t index : {1u, 2u, 0u}) send(sides_[index], bulk);
  for (const uint32_t index : {1u, 2u, 0u}) {
    EXPECT_EQ(tools_.turns.front(), sides_[index].stream.get());
    take_turn();
    loops(20);
    EXPECT_EQ(sides_[index].sent, 1);
  }
}

// Whoever asks again stands behind all that wait: nobody waits for more turns than there are streams, twice.
TEST_F(Turns, NobodyIsLeftOut) {
  for (int i = 0; i < 4; ++i) side();
  for (Side& each : sides_) send(each, bulk);
  Side& patient = side();
  patient.peer->write(std::string(1000, 'r'));
  loops(5);
  patient.stream->want(Want::bulk);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(patient.got, "");
    take_turn();
    loops(20);
    for (Side& each : sides_) {
      if (&each != &patient && !each.stream->sending()) send(each, bulk);
    }
  }
  EXPECT_EQ(patient.got.size(), 1000u);
}

TEST_F(Turns, OfTwoTheSendComesFirstAndTheReceiveStandsInLineAgain) {
  Side& both = side();
  Side& other = side();
  both.peer->write("request body");
  loops(5);
  both.stream->want(Want::bulk);
  EXPECT_TRUE(both.stream->receiving());
  send(both, bulk);
  send(other, bulk);
  take_turn();
  loops(20);
  EXPECT_EQ(both.sent, 1);
  EXPECT_EQ(both.got, "");
  EXPECT_EQ(tools_.turns.front(), other.stream.get());
  take_turn();
  take_turn();
  loops(20);
  EXPECT_EQ(both.got, "request body");
  EXPECT_TRUE(tools_.turns.empty());
}

// A buffer is taken when the receive begins, not while it waits.
TEST_F(Turns, AWaitingReceiveHoldsNoBuffer) {
  Side& one = side();
  one.stream->want(Want::bulk);
  EXPECT_EQ(buffers_.bulk_leased(), 0u);
  take_turn();
  EXPECT_EQ(buffers_.bulk_leased(), 1u);
}

TEST_F(Turns, AnotherWishForgetsAWaitingReceive) {
  Side& one = side();
  one.peer->write("head");
  loops(5);
  one.stream->want(Want::bulk);
  one.stream->want(Want::nothing);
  EXPECT_FALSE(one.stream->receiving());
  EXPECT_TRUE(tools_.turns.empty());
  send(one, bulk);
  one.stream->want(Want::bulk);
  one.stream->want(Want::small);
  loops(5);
  EXPECT_EQ(one.got, "head");
  EXPECT_EQ(tools_.turns.front(), one.stream.get());   // the send still waits
  EXPECT_EQ(one.sent, 0);
}

TEST_F(Turns, TheSameWishKeepsItsPlace) {
  Side& first = side();
  Side& second = side();
  first.stream->want(Want::bulk);
  second.stream->want(Want::bulk);
  first.stream->want(Want::bulk);
  EXPECT_EQ(tools_.turns.front(), first.stream.get());
}

TEST_F(Turns, AnEndForgetsAllThatWaits) {
  Side& one = side();
  Side& other = side();
  one.stream->want(Want::bulk);
  send(one, bulk);
  send(other, bulk);
  const uint64_t before = operations();
  one.stream->terminate();
  EXPECT_TRUE(one.stream->joined());
  EXPECT_FALSE(one.stream->handed_over());
  EXPECT_EQ(operations(), before);
  EXPECT_EQ(buffers_.bulk_leased(), 1u);
  EXPECT_EQ(tools_.turns.front(), other.stream.get());
  one.stream->close();
  loops(20);
  EXPECT_TRUE(one.peer->ended());
  EXPECT_EQ(one.peer->received(), "");
}

TEST_F(Turns, AnAbortForgetsAllThatWaitsAndResets) {
  Side& one = side();
  send(one, bulk);
  one.stream->abort();
  EXPECT_TRUE(one.stream->joined());
  EXPECT_EQ(buffers_.bulk_leased(), 0u);
  one.stream->close();
  loops(20);
  EXPECT_TRUE(one.peer->was_reset());
}

TEST_F(Turns, AReceiveInFlightOutlivesTheSendThatWaits) {
  Side& one = side();
  one.stream->want(Want::small, true);
  loops(5);
  send(one, bulk);
  one.stream->terminate();
  EXPECT_FALSE(one.stream->sending());
  EXPECT_FALSE(one.stream->joined());   // its receive has to complete
  loops(5);
  EXPECT_TRUE(one.stream->joined());
}

TEST_F(Turns, LastBytesTakeTheSocketInTheirTurn) {
  for (const bool armed : {false, true}) {
    Side& one = side();
    if (armed) one.stream->want(Want::small, true);
    loops(5);
    send(one, bulk, true);
    EXPECT_FALSE(one.stream->closed());
    loops(5);
    EXPECT_EQ(one.peer->received(), "");
    take_turn();
    EXPECT_TRUE(one.stream->closed());
    loops(20);
    EXPECT_EQ(one.peer->received().size(), bulk);
    EXPECT_TRUE(one.peer->ended());
  }
}

TEST_F(Turns, LastBytesThatWaitAreForgottenByAnEnd) {
  Side& one = side();
  one.stream->want(Want::bulk);
  send(one, bulk, true);
  EXPECT_FALSE(one.stream->receiving());
  one.stream->terminate();
  EXPECT_TRUE(one.stream->joined() && tools_.turns.empty());
  EXPECT_EQ(buffers_.bulk_leased(), 0u);
  one.stream->close();
  loops(20);
  EXPECT_TRUE(one.peer->ended());
}

// --- in a worker ----------------------------------------------------------------------------------------------------

class WorkerTurns : public Conversation {
 protected:
  static constexpr size_t clients = 8;

  // What is bulk here also where sockets hold little: the fake network's, 64 KiB.
  void start_with_small_sizes() {
    buffers.provided_bytes = 4096;
    start();
    stream_tools().bulk_from = 10'000;
  }

  // Asks for as many long answers, one connection after another, and lets the replica give them.
  void ask_for_long_answers(const std::string& answer) {
    for (size_t i = 0; i < clients; ++i) {
      asking_.push_back(&client());
      asking_.back()->write("GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
      run_until([&] { return upstreams_seen().size() == i + 1; }, "a connection for each");
      wait_for(upstream(), "\r\n\r\n");
    }
    for (Peer* replica : upstreams_seen()) replica->write(answer);
  }

  std::vector<Peer*> asking_;
};

TEST_P(WorkerTurns, ALoopBeginsOneBulkReceiveAtMostAndTheSmallIsServedMeanwhile) {
  start_with_small_sizes();
  const std::string answer =
      "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + std::string(3'000'000, 'l');
  ask_for_long_answers(answer);
  uint32_t most = 0, begun = 0;
  const auto whole = [&](Peer* peer) { return peer->received().size() == answer.size(); };
  for (int round = 0; round < 20'000 && !std::ranges::all_of(asking_, whole); ++round) {
    const uint32_t before = bulk_buffers_leased();
    turn();
    const uint32_t after = bulk_buffers_leased();
    most = std::max(most, after);
    EXPECT_LE(after, before + 1);
    begun += after > before ? 1 : 0;
    if (round == 40) expect_service();
  }
  for (Peer* peer : asking_) EXPECT_TRUE(peer->received() == answer);
  EXPECT_GT(most, 1u);             // several were under way
  EXPECT_GE(begun, clients);
}

TEST_P(WorkerTurns, WhoeverLeavesWhileItWaitsIsForgotten) {
  start_with_small_sizes();
  ask_for_long_answers("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + std::string(3'000'000, 'l'));
  for (size_t i = 0; i < clients; ++i) {
    for (int round = 0; round < 7; ++round) turn();
    if (i % 2 == 0) asking_[i]->reset();
    else upstreams_seen()[i]->reset();
  }
  run_until([&] { return meters().exchanges.value() == 0; }, "the end of all");
  EXPECT_EQ(worker_buffers_leased(), 0u);
  expect_service();
}

TEST_P(WorkerTurns, LongBodiesBothWaysArriveWhole) {
  start_with_small_sizes();
  const std::string body(2'000'000, 'u'), answer(2'000'000, 'd');
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n" + body);
  Peer& up = upstream();
  wait_for(up, "\r\n\r\n");
  up.write("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + answer.substr(1));   // a whole one would end both
  run_until([&] { return unread(up).size() >= body.size(); }, "the request's body");
  EXPECT_TRUE(unread(up) == body);
  up.write("d");
  wait_for(c, "\r\n\r\n");
  run_until([&] { return unread(c).size() >= answer.size(); }, "the answer's body");
  EXPECT_TRUE(unread(c) == answer);
}

TEST_P(WorkerTurns, ALastLongAnswerArrivesWholeBeforeTheEnd) {
  start_with_small_sizes();
  const std::string answer(2'000'000, 'd');
  Peer& c = client();
  c.write("GET / HTTP/1.0\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + answer);
  wait_for(c, "\r\n\r\n");
  run_until([&] { return c.ended() || c.was_reset(); }, "the end");
  EXPECT_TRUE(unread(c) == answer);
}

INSTANTIATE_TEST_SUITE_P(Kernel, WorkerTurns, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, WorkerTurns, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, WorkerTurns, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
