// What every Ring does, run over real sockets and over the fake network: the fake is only worth what it shares with
// the kernel.
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/fd.h"
#include "world.h"

namespace ringmaster::uring {

namespace {

enum : uint64_t { accepting = 1, receiving, sending, connecting, polling };

std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + (i * 31 + i / 251) % 26);
  return bytes;
}

struct Case {
  const char* name;
  MakeWorld make;
  bool kind;  // no faults: what may be split is not
};

class RingTest : public testing::TestWithParam<Case> {
 protected:
  ~RingTest() override {
    for (const int descriptor : open_) ring_.close(descriptor);
    ring_.wait(0);
  }

  int accept_one(Peer** peer) {
    const int listener = world_->listen();
    open_.push_back(listener);
    ring_.accept_multishot(listener, accepting);
    *peer = &world_->dial(listener);
    const Completion accepted = world_->next(accepting);
    EXPECT_GE(accepted.result, 0);
    open_.push_back(accepted.result);
    if (accepted.more) stop(accepting);
    return accepted.result;
  }
  // Cancels and waits for the end.
  Completion stop(uint64_t user_data) {
    ring_.cancel(user_data);
    Completion completion = world_->next(user_data);
    while (completion.more && completion.result >= 0) completion = world_->next(user_data);
    return completion;
  }
  // Everything that arrives, until the operation ends; armed again where it ended for want of buffers or by itself.
  std::string receive_until(int socket, BufferPool& pool, size_t size) {
    std::string bytes;
    ring_.receive_multishot(socket, false, receiving);
    bool armed = true;
    while (bytes.size() < size && !testing::Test::HasFailure()) {
      if (!armed) ring_.receive_multishot(socket, true, receiving);
      armed = take_arrival(pool, bytes);
    }
    if (armed) {
      ring_.cancel(receiving);
      while (take_arrival(pool, bytes)) {}
    }
    return bytes;
  }
  bool take_arrival(BufferPool& pool, std::string& bytes) {
    const Completion arrival = world_->next(receiving);
    if (arrival.result > 0) {
      const Lease lease = pool.adopt(arrival.buffer_id);
      bytes.append(lease.space(), static_cast<size_t>(arrival.result));
    } else {
      EXPECT_THAT(arrival.result, testing::AnyOf(-ENOBUFS, -ECANCELED, 0));
    }
    return arrival.more;
  }

  std::unique_ptr<World> world_ = GetParam().make();
  Ring& ring_ = world_->ring();
  std::vector<int> open_;
};

constexpr BufferSettings small_buffers{.provided_initial = 4, .provided_max = 16, .provided_bytes = 4096};

TEST_P(RingTest, AcceptMultishotYieldsEveryConnection) {
  const int listener = world_->listen();
  open_.push_back(listener);
  ring_.accept_multishot(listener, accepting);
  for (int i = 0; i < 5; ++i) world_->dial(listener);
  bool armed = true;
  for (int i = 0; i < 5; ++i) {
    if (!armed) ring_.accept_multishot(listener, accepting);
    const Completion accepted = world_->next(accepting);
    ASSERT_GE(accepted.result, 0);
    EXPECT_NE(ring_.peer_of(accepted.result).port(), 0);
    open_.push_back(accepted.result);
    armed = accepted.more;
  }
  if (armed) {
    EXPECT_EQ(stop(accepting).result, -ECANCELED);
  }
}

TEST_P(RingTest, AcceptOrCloseTakesInWhoeverWaitsAndThenCloses) {
  const int listener = world_->listen();
  Peer& first = world_->dial(listener);
  Peer& second = world_->dial(listener);
  for (int i = 0; i < 10; ++i) world_->turn();
  for (Peer* peer : {&first, &second}) {
    const int socket = ring_.accept_or_close(listener);
    ASSERT_GE(socket, 0);
    open_.push_back(socket);
    EXPECT_FALSE(peer->was_reset());
  }
  EXPECT_EQ(ring_.accept_or_close(listener), -1);
}

// A connection that comes together with a cancel is accepted late or stays in the backlog; it is not lost.
TEST_P(RingTest, CancelOfAcceptLosesNoConnection) {
  const int listener = world_->listen();
  open_.push_back(listener);
  ring_.accept_multishot(listener, accepting);
  ring_.wait(0);
  world_->dial(listener);
  ring_.cancel(accepting);
  int accepted = 0;
  Completion completion{.more = true};
  while (completion.more) {
    completion = world_->next(accepting);
    if (completion.result < 0) continue;
    open_.push_back(completion.result);
    ++accepted;
  }
  if (accepted == 0) {
    ring_.accept_multishot(listener, accepting);
    completion = world_->next(accepting);
    ASSERT_GE(completion.result, 0);
    open_.push_back(completion.result);
    if (completion.more) stop(accepting);
  }
  EXPECT_LE(accepted, 1);
}

TEST_P(RingTest, ShutDownOfListenerEndsAccept) {
  const int listener = world_->listen();
  open_.push_back(listener);
  ring_.accept_multishot(listener, accepting);
  ring_.wait(0);
  ring_.shut_down(listener, false);
  const Completion ended = world_->next(accepting);
  EXPECT_EQ(ended.result, -EINVAL);
  EXPECT_FALSE(ended.more);
}

TEST_P(RingTest, MultishotReceiveDeliversEveryByteInOrder) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  const std::string bytes = pattern(100'000);
  peer->write(bytes);
  EXPECT_EQ(receive_until(socket, pool, bytes.size()), bytes);
  EXPECT_EQ(pool.provided_leased(), 0u);
}

TEST_P(RingTest, EndOfStreamIsZeroAndHoldsNoBuffer) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.receive_multishot(socket, true, receiving);
  peer->end();
  const Completion end = world_->next(receiving);
  EXPECT_EQ(end.result, 0);
  EXPECT_EQ(end.buffer_id, Completion::no_buffer);
  EXPECT_FALSE(end.more);
}

TEST_P(RingTest, ReceiveTakesWhatIsThereAndThenTheEnd) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->write("hello");
  peer->end();
  std::string bytes;
  char buffer[64];
  for (;;) {
    ring_.receive(socket, buffer, false, receiving);
    const Completion arrival = world_->next(receiving);
    EXPECT_FALSE(arrival.more);
    ASSERT_GE(arrival.result, 0);
    if (arrival.result == 0) break;
    bytes.append(buffer, static_cast<size_t>(arrival.result));
  }
  EXPECT_EQ(bytes, "hello");
}

TEST_P(RingTest, SendCompletesOnceWithAllOfIt) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  const std::string bytes = pattern(3'000'000);
  ring_.send(socket, bytes, SendMode::now, sending);
  const Completion sent = world_->next(sending);
  EXPECT_EQ(sent.result, static_cast<int32_t>(bytes.size()));
  EXPECT_FALSE(sent.more);
  world_->run_until([&] { return peer->received().size() >= bytes.size(); }, "arrival of what was sent");
  EXPECT_EQ(peer->received(), bytes);
}

TEST_P(RingTest, MoreComesIsFollowedByTheRest) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.send(socket, std::string_view("head "), SendMode::more_comes, sending);
  EXPECT_EQ(world_->next(sending).result, 5);
  ring_.send(socket, std::string_view("body"), SendMode::now, sending);
  EXPECT_EQ(world_->next(sending).result, 4);
  world_->run_until([&] { return peer->received().size() == 9; });
  EXPECT_EQ(peer->received(), "head body");
}

TEST_P(RingTest, ReaderThatStopsBlocksTheSender) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->pause_reading();
  const std::string bytes = pattern(16'000'000);
  ring_.send(socket, bytes, SendMode::now, sending);
  EXPECT_TRUE(world_->quiet(sending));
  peer->resume_reading();
  EXPECT_EQ(world_->next(sending).result, static_cast<int32_t>(bytes.size()));
}

TEST_P(RingTest, ShutDownCompletesABlockedSendWithItsCount) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->pause_reading();
  const std::string bytes = pattern(16'000'000);
  ring_.send(socket, bytes, SendMode::now, sending);
  EXPECT_TRUE(world_->quiet(sending));
  ring_.shut_down(socket, false);
  const Completion cut = world_->next(sending);
  EXPECT_GT(cut.result, 0);
  EXPECT_LT(cut.result, static_cast<int32_t>(bytes.size()));
}

TEST_P(RingTest, CancelCompletesABlockedSendWithItsCount) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->pause_reading();
  const std::string bytes = pattern(16'000'000);
  ring_.send(socket, bytes, SendMode::now, sending);
  EXPECT_TRUE(world_->quiet(sending));
  ring_.cancel(sending);
  const Completion cut = world_->next(sending);
  EXPECT_GT(cut.result, 0);
  EXPECT_LT(cut.result, static_cast<int32_t>(bytes.size()));
}

TEST_P(RingTest, ThenCloseEndsTheConnectionBehindTheLastByte) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.receive_multishot(socket, true, receiving);
  ring_.wait(0);
  ring_.cancel(receiving);
  const std::string bytes = pattern(3'000'000);
  ring_.send(socket, bytes, SendMode::then_close, sending);
  EXPECT_EQ(world_->next(sending).result, static_cast<int32_t>(bytes.size()));
  EXPECT_EQ(world_->next(receiving).result, -ECANCELED);
  std::erase(open_, socket);
  world_->run_until([&] { return peer->ended() || peer->was_reset(); }, "the end at the peer");
  EXPECT_FALSE(peer->was_reset());
  EXPECT_EQ(peer->received(), bytes);
}

TEST_P(RingTest, ThenCloseClosesTheSocketThoughNotAllWasSent) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->pause_reading();
  const std::string bytes = pattern(16'000'000);
  ring_.send(socket, bytes, SendMode::then_close, sending);
  std::erase(open_, socket);
  EXPECT_TRUE(world_->quiet(sending));
  ring_.cancel(sending);
  EXPECT_LT(world_->next(sending).result, static_cast<int32_t>(bytes.size()));
  peer->resume_reading();
  world_->run_until([&] { return peer->ended() || peer->was_reset(); }, "the end at the peer");
  EXPECT_LT(peer->received().size(), bytes.size());
  EXPECT_TRUE(bytes.starts_with(peer->received()));
}

TEST_P(RingTest, WithEndGivesThePeerEveryByteAndTheEnd) {
  for (const size_t size : {size_t{5}, size_t{3'000'000}}) {
    Peer* peer = nullptr;
    const int socket = accept_one(&peer);
    const std::string bytes = pattern(size);
    ring_.send(socket, bytes, SendMode::with_end, sending);
    std::erase(open_, socket);
    EXPECT_EQ(world_->next(sending).result, static_cast<int32_t>(size));
    world_->run_until([&] { return peer->ended() || peer->was_reset(); }, "the end at the peer");
    EXPECT_FALSE(peer->was_reset());
    EXPECT_EQ(peer->received(), bytes);
  }
}

TEST_P(RingTest, WithEndIsNotTurnedIntoAResetByWhatNobodyHasRead) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->write("nobody waits for this");
  EXPECT_TRUE(world_->quiet(sending));  // until it has arrived
  ring_.send(socket, std::string_view("last"), SendMode::with_end, sending);
  std::erase(open_, socket);
  EXPECT_EQ(world_->next(sending).result, 4);
  world_->run_until([&] { return peer->ended() || peer->was_reset(); }, "the end at the peer");
  EXPECT_FALSE(peer->was_reset());
  EXPECT_EQ(peer->received(), "last");
}

TEST_P(RingTest, ReceiveOneTakesOneArrivalAndIsOver) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  std::string received;
  for (const std::string_view part : {"first", "second"}) {
    peer->write(part);
    const size_t expected = received.size() + part.size();
    while (received.size() < expected) {
      ring_.receive_one(socket, true, receiving);
      const Completion arrival = world_->next(receiving);
      EXPECT_FALSE(arrival.more);
      if (arrival.result == -ENOBUFS) continue;
      ASSERT_GT(arrival.result, 0);
      received.append(pool.adopt(arrival.buffer_id).space(), static_cast<size_t>(arrival.result));
    }
  }
  EXPECT_EQ(received, "firstsecond");
  peer->write("third");
  EXPECT_TRUE(world_->quiet(receiving));  // none is armed
}

TEST_P(RingTest, ShutDownCompletesAReceiveAndEndsThePeersStream) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.receive_multishot(socket, true, receiving);
  ring_.wait(0);
  ring_.shut_down(socket, false);
  const Completion ended = world_->next(receiving);
  EXPECT_EQ(ended.result, 0);
  EXPECT_FALSE(ended.more);
  world_->run_until([&] { return peer->ended(); }, "the end at the peer");
}

TEST_P(RingTest, EndingOnlyOurDirectionLeavesTheOtherOpen) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.shut_down(socket, true);
  world_->run_until([&] { return peer->ended(); }, "the end at the peer");
  peer->write("late words");
  EXPECT_EQ(receive_until(socket, pool, 10), "late words");
}

TEST_P(RingTest, SendAfterOurEndIsABrokenPipe) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.shut_down(socket, true);
  ring_.send(socket, std::string_view("x"), SendMode::now, sending);
  EXPECT_EQ(world_->next(sending).result, -EPIPE);
}

TEST_P(RingTest, CancelledReceiveLosesNoBytes) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  const std::string bytes = pattern(6'000);
  std::string received;
  ring_.receive_multishot(socket, true, receiving);
  ring_.wait(0);
  peer->write(bytes);
  ring_.cancel(receiving);
  while (take_arrival(pool, received)) {}
  if (received.size() < bytes.size()) received += receive_until(socket, pool, bytes.size() - received.size());
  EXPECT_EQ(received, bytes);
}

TEST_P(RingTest, ResetByThePeerIsAnError) {
  BufferPool pool(ring_, small_buffers);
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.receive_multishot(socket, true, receiving);
  ring_.wait(0);
  peer->reset();
  const Completion ended = world_->next(receiving);
  EXPECT_EQ(ended.result, -ECONNRESET);
  EXPECT_FALSE(ended.more);
}

TEST_P(RingTest, CloseAfterResetOnCloseResetsThePeer) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.reset_on_close(socket);
  ring_.close(socket);
  std::erase(open_, socket);
  world_->run_until([&] { return peer->was_reset(); }, "the reset at the peer");
  EXPECT_FALSE(peer->ended());
}

TEST_P(RingTest, CloseEndsThePeersStreamInOrder) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.send(socket, std::string_view("bye"), SendMode::now, sending);
  EXPECT_EQ(world_->next(sending).result, 3);
  ring_.close(socket);
  std::erase(open_, socket);
  world_->run_until([&] { return peer->ended(); }, "the end at the peer");
  EXPECT_EQ(peer->received(), "bye");
  EXPECT_FALSE(peer->was_reset());
}

TEST_P(RingTest, BytesThatWereNotReadTurnACloseIntoAReset) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->write("nobody reads this");
  for (int i = 0; i < 10; ++i) world_->turn();
  ring_.close(socket);
  std::erase(open_, socket);
  world_->run_until([&] { return peer->was_reset(); }, "the reset at the peer");
}

TEST_P(RingTest, ConnectReachesTheServer) {
  const int socket = ring_.open_stream_socket(AF_INET).value();
  open_.push_back(socket);
  const SocketAddress address = world_->server();
  ring_.connect(socket, address, connecting);
  ASSERT_EQ(world_->next(connecting).result, 0);
  EXPECT_EQ(ring_.peer_of(socket), address);
  ring_.send(socket, std::string_view("knock"), SendMode::now, sending);
  world_->run_until([&] { return world_->served() && world_->served()->received() == "knock"; }, "the knock");
  EXPECT_EQ(world_->next(sending).result, 5);
}

TEST_P(RingTest, RefusedConnectSaysSo) {
  const int socket = ring_.open_stream_socket(AF_INET).value();
  open_.push_back(socket);
  const SocketAddress address = world_->refusing();
  ring_.connect(socket, address, connecting);
  EXPECT_EQ(world_->next(connecting).result, -ECONNREFUSED);
}

TEST_P(RingTest, CancelEndsAConnectThatHangs) {
  const int socket = ring_.open_stream_socket(AF_INET).value();
  open_.push_back(socket);
  const SocketAddress address = world_->silent();
  ring_.connect(socket, address, connecting);
  EXPECT_TRUE(world_->quiet(connecting));
  EXPECT_EQ(stop(connecting).result, -ECANCELED);
}

TEST_P(RingTest, ShutDownEndsAConnectThatHangs) {
  const int socket = ring_.open_stream_socket(AF_INET).value();
  open_.push_back(socket);
  const SocketAddress address = world_->silent();
  ring_.connect(socket, address, connecting);
  EXPECT_TRUE(world_->quiet(connecting));
  ring_.shut_down(socket, false);
  EXPECT_EQ(world_->next(connecting).result, -ECONNRESET);
}

TEST_P(RingTest, ShutDownBeforeTheConnectIsSubmittedDoesNotStopIt) {
  const int socket = ring_.open_stream_socket(AF_INET).value();
  open_.push_back(socket);
  const SocketAddress address = world_->server();
  ring_.connect(socket, address, connecting);
  ring_.shut_down(socket, false);
  EXPECT_EQ(world_->next(connecting).result, 0);
}

TEST_P(RingTest, CancelInTheSameBatchReachesTheOperation) {
  const int socket = ring_.open_stream_socket(AF_INET).value();
  open_.push_back(socket);
  const SocketAddress address = world_->silent();
  ring_.connect(socket, address, connecting);
  ring_.cancel(connecting);
  EXPECT_EQ(world_->next(connecting).result, -ECANCELED);
}

TEST_P(RingTest, CancelOfWhatIsOverIsUnseen) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.send(socket, std::string_view("x"), SendMode::now, sending);
  EXPECT_EQ(world_->next(sending).result, 1);
  ring_.cancel(sending);
  EXPECT_TRUE(world_->quiet(sending));
  EXPECT_TRUE(world_->quiet(0));
}

TEST_P(RingTest, ArmingOnAnEmptyGroupFailsAtOnceUnlessEmptinessIsExpected) {
  BufferPool pool(ring_, {.provided_initial = 1, .provided_max = 2, .provided_bytes = 4096});
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  peer->write("first");
  ring_.receive_multishot(socket, true, receiving);
  Completion arrival = world_->next(receiving);
  while (arrival.result == -ENOBUFS) {  // the unkind world says so without cause
    ring_.receive_multishot(socket, true, receiving);
    arrival = world_->next(receiving);
  }
  ASSERT_GT(arrival.result, 0);
  Lease held = pool.adopt(arrival.buffer_id);
  if (arrival.more) {
    const int32_t end = stop(receiving).result;
    EXPECT_TRUE(end == -ECANCELED || end == -ENOBUFS);
  }
  if (!GetParam().kind) return;  // pieces of the first arrival may still come
  ring_.receive_multishot(socket, false, receiving);
  EXPECT_EQ(world_->next(receiving).result, -ENOBUFS);
  ring_.receive_multishot(socket, true, receiving);
  EXPECT_TRUE(world_->quiet(receiving));
  held.reset();
  peer->write("second");
  arrival = world_->next(receiving);
  EXPECT_EQ(arrival.result, 6);
  pool.adopt(arrival.buffer_id).reset();
  stop(receiving);
}

TEST_P(RingTest, EmptyGroupEndsTheReceiveAndGrowingHelps) {
  BufferPool pool(ring_, {.provided_initial = 1, .provided_max = 4, .provided_bytes = 1000});
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  const std::string bytes = pattern(3'000);
  peer->write(bytes);
  std::vector<Lease> held;
  std::string received;
  int without_buffers = 0;
  bool armed = false;
  while (received.size() < bytes.size()) {
    if (!armed) ring_.receive_multishot(socket, false, receiving);
    const Completion arrival = world_->next(receiving);
    armed = arrival.more;
    if (arrival.result == -ENOBUFS) {
      EXPECT_FALSE(arrival.more);
      ++without_buffers;
      if (!pool.grow()) held.clear();
      continue;
    }
    ASSERT_GT(arrival.result, 0);
    held.push_back(pool.adopt(arrival.buffer_id));
    received.append(held.back().space(), static_cast<size_t>(arrival.result));
  }
  if (armed) stop(receiving);
  EXPECT_EQ(received, bytes);
  EXPECT_GE(without_buffers, 2);
  EXPECT_EQ(pool.provided_total(), 4u);
}

TEST_P(RingTest, PollSeesAnEventEachTimeItComes) {
  const Fd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ring_.poll_multishot(event.get(), polling);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(eventfd_write(event.get(), 1), 0);
    const Completion seen = world_->next(polling);
    EXPECT_GT(seen.result, 0);
    ASSERT_TRUE(seen.more);
    eventfd_t count = 0;
    ASSERT_EQ(eventfd_read(event.get(), &count), 0);
    EXPECT_EQ(count, 1u);
  }
  EXPECT_EQ(stop(polling).result, -ECANCELED);
}

TEST_P(RingTest, WaitReturnsAtItsDeadline) {
  ring_.wait(0);
  const uint64_t deadline_ns = ring_.now_ns() + 20'000'000;
  while (ring_.now_ns() < deadline_ns) ASSERT_TRUE(ring_.wait(deadline_ns).empty());
  EXPECT_LT(ring_.now_ns(), deadline_ns + 5'000'000'000);
}

TEST_P(RingTest, WaitForAPastDeadlineReturnsAndStillSubmits) {
  Peer* peer = nullptr;
  const int socket = accept_one(&peer);
  ring_.send(socket, std::string_view("x"), SendMode::now, sending);
  ring_.wait(1);
  world_->run_until([&] { return peer->received() == "x"; }, "what was queued");
}

INSTANTIATE_TEST_SUITE_P(Rings, RingTest,
                         testing::Values(Case{"kernel", make_kernel_world, true}, Case{"fake", make_fake_world, true},
                                         Case{"unkind", make_unkind_world, false}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace

}  // namespace ringmaster::uring
