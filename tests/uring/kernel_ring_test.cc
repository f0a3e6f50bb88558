// What only the kernel's ring has: its queues' bounds, signals, its end.
#include "uring/kernel_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"

namespace ringmaster::uring {

namespace {

struct Pair {
  Fd ours;
  Fd theirs;
};

Pair make_pair() {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

// Every completion that comes until `count` of them are there, or two seconds are over.
std::vector<Completion> gather(Ring& ring, size_t count) {
  std::vector<Completion> all;
  const uint64_t give_up_ns = monotonic_ns() + 2'000'000'000;
  while (all.size() < count && monotonic_ns() < give_up_ns) {
    for (const Completion& completion : ring.wait(give_up_ns)) all.push_back(completion);
  }
  return all;
}

// Ours is the accepted end.
Pair make_tcp_pair(Ring& ring) {
  const Fd listener(ring.open_stream_socket(AF_INET).value());
  SocketAddress address = SocketAddress::loopback(0);
  EXPECT_EQ(bind(listener.get(), address.data(), address.length()), 0);
  EXPECT_EQ(listen(listener.get(), 8), 0);
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  address = SocketAddress(reinterpret_cast<sockaddr*>(&storage), length);
  Pair pair{Fd(), Fd(ring.open_stream_socket(AF_INET).value())};
  ring.accept_multishot(listener.get(), 1);
  ring.connect(pair.theirs.get(), address, 2);
  for (const Completion& completion : gather(ring, 2)) {
    if (completion.user_data == 1) pair.ours = Fd(completion.result);
  }
  ring.shut_down(listener.get(), false);  // ends the accept
  gather(ring, 1);
  return pair;
}

// Two pairs, because the buffer of one holds less than 300 messages.
void send_300(Ring& ring, const Pair& first, const Pair& second) {
  for (uint64_t i = 1; i <= 300; ++i) {
    ring.send((i % 2 == 0 ? first : second).ours.get(), std::string_view("x"), SendMode::now, i);
  }
}

TEST(KernelRing, MoreOperationsThanTheQueueHoldsAreSubmittedEarly) {
  const auto ring = make_kernel_ring({.submission_entries = 4, .completion_entries = 256});
  const Pair pair = make_pair();
  for (uint64_t i = 1; i <= 100; ++i) {
    ring->send(pair.ours.get(), std::string_view("x"), SendMode::now, i);
  }
  const std::vector<Completion> sent = gather(*ring, 100);
  ASSERT_EQ(sent.size(), 100u);
  std::set<uint64_t> names;
  for (const Completion& completion : sent) {
    EXPECT_EQ(completion.result, 1);
    names.insert(completion.user_data);
  }
  EXPECT_EQ(names.size(), 100u);
  EXPECT_EQ(ring->counters().operations, 100u);
  EXPECT_GT(ring->counters().submissions, 20u);
}

TEST(KernelRing, WaitReturnsAtMost256AndTheRestNext) {
  const auto ring = make_kernel_ring({.submission_entries = 512, .completion_entries = 1024});
  const Pair first = make_pair();
  const Pair second = make_pair();
  send_300(*ring, first, second);
  EXPECT_EQ(ring->wait(0).size(), 256u);
  EXPECT_EQ(ring->wait(UINT64_MAX).size(), 44u);
}

TEST(KernelRing, OverflowOfTheCompletionQueueIsCountedAndLosesNothing) {
  const auto ring = make_kernel_ring({.submission_entries = 8, .completion_entries = 8});
  const Pair pair = make_pair();
  for (uint64_t i = 1; i <= 200; ++i) ring->send(pair.ours.get(), std::string_view("x"), SendMode::now, i);
  EXPECT_EQ(gather(*ring, 200).size(), 200u);
  EXPECT_GT(ring->counters().cq_overflows, 0u);
  EXPECT_EQ(ring->counters().completions, 200u);
}

TEST(KernelRing, TaskWorkRunsAlthoughCompletionsAreReady) {
  const auto ring = make_kernel_ring({.submission_entries = 512, .completion_entries = 1024});
  const Pair first = make_pair();
  const Pair second = make_pair();
  const Pair other = make_pair();
  char byte = 0;
  ring->receive(other.ours.get(), {&byte, 1}, true, 1000);
  send_300(*ring, first, second);
  EXPECT_EQ(ring->wait(0).size(), 256u);
  ASSERT_EQ(write(other.theirs.get(), "y", 1), 1);
  // 44 are ready: a wait that only looked at the queue would not see the arrival.
  bool seen = false;
  for (const Completion& completion : ring->wait(UINT64_MAX)) seen |= completion.user_data == 1000;
  EXPECT_TRUE(seen);
}

TEST(KernelRing, SignalEndsAWaitWithoutCompletions) {
  const auto ring = make_kernel_ring({});
  struct sigaction action{};
  action.sa_handler = [](int) {};
  struct sigaction before{};
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  const itimerval soon{.it_interval = {0, 5'000}, .it_value = {0, 5'000}};
  setitimer(ITIMER_REAL, &soon, nullptr);
  EXPECT_TRUE(ring->wait(UINT64_MAX).empty());
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
}

TEST(KernelRing, DestructorEndsWhatIsInFlight) {
  const Pair pair = make_pair();
  std::string buffer(64, 'u');
  {
    const auto ring = make_kernel_ring({});
    ring->receive(pair.ours.get(), buffer, true, 1);
    ring->wait(0);
  }
  ASSERT_EQ(write(pair.theirs.get(), "late", 4), 4);
  char received[8];
  EXPECT_EQ(recv(pair.ours.get(), received, sizeof received, MSG_DONTWAIT), 4) << "nobody else took it";
  EXPECT_EQ(buffer, std::string(64, 'u'));
}

TEST(KernelRing, DestructorCarriesOutQueuedCloses) {
  Pair pair = make_pair();
  {
    const auto ring = make_kernel_ring({});
    ring->close(pair.ours.release());
  }
  char byte;
  EXPECT_EQ(recv(pair.theirs.get(), &byte, 1, MSG_DONTWAIT), 0);
}

TEST(KernelRing, OpenedSocketsSendAtOnceAndDoNotLeakIntoChildren) {
  const auto ring = make_kernel_ring({});
  for (const int family : {AF_INET, AF_INET6}) {
    const Fd socket(ring->open_stream_socket(family).value());
    int on = 0;
    socklen_t length = sizeof on;
    ASSERT_EQ(getsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    EXPECT_EQ(on, 1);
    EXPECT_TRUE(fcntl(socket.get(), F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(fcntl(socket.get(), F_GETFL) & O_NONBLOCK);
  }
  EXPECT_TRUE(Fd(ring->open_stream_socket(AF_UNIX).value()));
  EXPECT_EQ(ring->open_stream_socket(-1).error().number, EAFNOSUPPORT);
}

TEST(KernelRing, AcceptedSocketsInheritWhatTheListenerHas) {
  const auto ring = make_kernel_ring({});
  const Pair pair = make_tcp_pair(*ring);
  ASSERT_TRUE(pair.ours);
  int on = 0;
  socklen_t length = sizeof on;
  getsockopt(pair.ours.get(), IPPROTO_TCP, TCP_NODELAY, &on, &length);
  EXPECT_EQ(on, 1);
  EXPECT_TRUE(fcntl(pair.ours.get(), F_GETFD) & FD_CLOEXEC);
}

uint32_t segments_received(const Fd& socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  EXPECT_EQ(getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  return info.tcpi_segs_in;
}

// One segment, and one wake-up of the peer, less for each connection.
TEST(KernelRing, WithEndSendsTheEndTogetherWithTheLastBytes) {
  const auto ring = make_kernel_ring({});
  Pair pair = make_tcp_pair(*ring);
  const uint32_t before = segments_received(pair.theirs);
  ring->send(pair.ours.release(), std::string_view("last"), SendMode::with_end, 3);
  ASSERT_EQ(gather(*ring, 1).at(0).result, 4);
  fcntl(pair.theirs.get(), F_SETFL, 0);  // blocking
  char bytes[8];
  ASSERT_EQ(recv(pair.theirs.get(), bytes, sizeof bytes, 0), 4);
  ASSERT_EQ(recv(pair.theirs.get(), bytes, sizeof bytes, 0), 0);
  EXPECT_EQ(segments_received(pair.theirs) - before, 1u);
}

// Closing a descriptor does not end what is in flight on it: the reason for shut_down, join, close.
TEST(KernelRing, CloseAloneLeavesAReceiveRunning) {
  const auto ring = make_kernel_ring({});
  Pair pair = make_pair();
  std::string buffer(8, '\0');
  ring->receive(pair.ours.get(), buffer, true, 1);
  ring->wait(0);
  pair.ours.reset();
  ASSERT_EQ(write(pair.theirs.get(), "late", 4), 4);
  const std::vector<Completion> arrived = gather(*ring, 1);
  ASSERT_EQ(arrived.size(), 1u);
  EXPECT_EQ(arrived[0].result, 4);
}

TEST(KernelRing, RingsOfSeveralThreadsWorkSideBySide) {
  const auto first = make_kernel_ring({});
  const auto second = make_kernel_ring({});
  const Pair pair = make_pair();
  std::string buffer(8, '\0');
  first->receive(pair.ours.get(), buffer, true, 1);
  first->wait(0);
  second->send(pair.theirs.get(), std::string_view("hello"), SendMode::now, 2);
  EXPECT_EQ(gather(*second, 1).size(), 1u);
  EXPECT_EQ(gather(*first, 1).size(), 1u);
  EXPECT_EQ(buffer.substr(0, 5), "hello");
}

}  // namespace

}  // namespace ringmaster::uring
