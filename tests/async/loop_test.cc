#include "async/loop.h"

#include <gmock/gmock.h>
#include <sys/eventfd.h>

#include <string>
#include <vector>

#include "fixture.h"
#include "base/clock.h"
#include "base/fd.h"

namespace ringmaster::async {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

// Two ends of one connection over loopback.
Task<void> connect_pair(Loop& loop, Socket& client, Socket& server) {
  Result<Listener> listener = listen_on(SocketAddress::loopback(0));
  Acceptor acceptor(loop, listener->get());
  Result<Socket> connected = co_await loop.connect(*bound_address(listener->get()), loop.within(seconds(10)));
  Result<Socket> accepted = co_await acceptor.next(loop.within(seconds(10)));
  EXPECT_TRUE(connected && accepted);
  client = std::move(*connected);
  server = std::move(*accepted);
  co_await acceptor.end();
}

TEST_F(LoopTest, RunsWhatIsSpawnedInOrder) {
  std::vector<int> order;
  const auto task = [](Loop& loop, std::vector<int>& seen, int number) -> Task<void> {
    seen.push_back(number);
    co_await loop.turn();
    seen.push_back(number + 10);
  };
  loop_.spawn(task(loop_, order, 1));
  loop_.spawn(task(loop_, order, 2));
  EXPECT_TRUE(order.empty());
  loop_.run();
  EXPECT_THAT(order, ElementsAre(1, 2, 11, 12));
}

TEST_F(LoopTest, SleepsAtLeastAsLongAsAsked) {
  const auto task = [](Loop& loop) -> Task<void> {
    const uint64_t before = loop.now_ns();
    const Result<void> slept = co_await loop.sleep(milliseconds(20));
    EXPECT_TRUE(slept);
    EXPECT_GE(loop.now_ns() - before, 20'000'000u);
  };
  run(task(loop_));
}

TEST_F(LoopTest, CarriesBytesBothWaysAndSeesTheEnd) {
  const auto task = [](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    char bytes[16];
    EXPECT_TRUE(co_await loop.send(client.get(), std::string_view("ping")));
    Result<size_t> got = co_await loop.receive(server.get(), bytes);
    EXPECT_EQ(std::string_view(bytes, got.value_or(0)), "ping");
    client.reset();
    got = co_await loop.receive(server.get(), bytes, loop.within(seconds(10)));
    EXPECT_EQ(got.value_or(99), 0u);
  };
  run(task(loop_));
}

TEST_F(LoopTest, SendsAllBytesToAReaderThatIsSlow) {
  static constexpr size_t whole = 8 << 20;
  const auto reader = [](Loop& loop, Socket& socket, size_t& total) -> Task<void> {
    std::vector<char> bytes(1 << 20);
    while (total < whole) {
      const Result<size_t> got = co_await loop.receive(socket.get(), bytes, loop.within(seconds(10)));
      if (!got || *got == 0) break;
      total += *got;
      (void)co_await loop.sleep(milliseconds(1));
    }
  };
  const auto task = [&reader](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    size_t total = 0;
    Group group(loop);
    group.spawn(reader(loop, server, total));
    const std::string bytes(whole, 'x');
    EXPECT_TRUE(co_await loop.send(client.get(), bytes, loop.within(seconds(10))));
    co_await group.join();
    EXPECT_EQ(total, whole);
  };
  run(task(loop_));
}

TEST_F(LoopTest, ADeadlineEndsAReceive) {
  const auto task = [](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    char bytes[16];
    const uint64_t before = loop.now_ns();
    const Result<size_t> got = co_await loop.receive(server.get(), bytes, loop.within(milliseconds(20)));
    EXPECT_FALSE(got);
    EXPECT_EQ(got.error().kind, ErrorKind::timed_out);
    EXPECT_GE(loop.now_ns() - before, 20'000'000u);
    // The socket works on.
    EXPECT_TRUE(co_await loop.send(client.get(), std::string_view("late")));
    const Result<size_t> late = co_await loop.receive(server.get(), bytes);
    EXPECT_EQ(late.value_or(0), 4u);
  };
  run(task(loop_));
}

TEST_F(LoopTest, ADeadlineEndsASendThatNobodyReads) {
  const auto task = [](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    const std::string bytes(64 << 20, 'x');
    const Result<void> sent = co_await loop.send(client.get(), bytes, loop.within(milliseconds(50)));
    EXPECT_FALSE(sent);
    EXPECT_EQ(sent.error().kind, ErrorKind::timed_out);
  };
  run(task(loop_));
}

TEST_F(LoopTest, APastDeadlineIsATimeoutWithoutAnOperation) {
  const auto task = [](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    EXPECT_TRUE(co_await loop.send(client.get(), std::string_view("here")));
    char bytes[16];
    const Result<size_t> got = co_await loop.receive(server.get(), bytes, {loop.now_ns(), nullptr});
    EXPECT_EQ(got.error().kind, ErrorKind::timed_out);
  };
  run(task(loop_));
}

TEST_F(LoopTest, AScopeEndsEveryAwaitUnderItAndUnderItsChildren) {
  struct Ends {
    int cancelled = 0;
    int other = 0;
    void add(const Error& error) { ++(error.kind == ErrorKind::cancelled ? cancelled : other); }
  };
  const auto receiver = [](Loop& loop, Socket& socket, CancelScope& scope, Ends& ends) -> Task<void> {
    char bytes[16];
    const Result<size_t> got = co_await loop.receive(socket.get(), bytes, {UINT64_MAX, &scope});
    if (!got) ends.add(got.error());
  };
  const auto sleeper = [](Loop& loop, CancelScope& scope, Ends& ends) -> Task<void> {
    const Result<void> slept = co_await loop.sleep(seconds(100), &scope);
    if (!slept) ends.add(slept.error());
  };
  const auto waiter = [](Event& event, CancelScope& scope, Ends& ends) -> Task<void> {
    const Result<void> waited = co_await event.wait({UINT64_MAX, &scope});
    if (!waited) ends.add(waited.error());
  };
  const auto task = [&](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    Ends ends;
    Event event(loop);
    CancelScope scope;
    CancelScope child(scope);
    Group group(loop);
    group.spawn(receiver(loop, server, child, ends));
    group.spawn(sleeper(loop, scope, ends));
    group.spawn(waiter(event, child, ends));
    (void)co_await loop.sleep(milliseconds(5));
    scope.cancel();
    co_await group.join();
    EXPECT_EQ(ends.cancelled, 3);
    EXPECT_EQ(ends.other, 0);
    EXPECT_TRUE(child.cancelled());
    const Result<void> later = co_await loop.sleep(seconds(100), &child);
    EXPECT_EQ(later.error().kind, ErrorKind::cancelled);
    const CancelScope grandchild(child);
    EXPECT_TRUE(grandchild.cancelled());
  };
  run(task(loop_));
}

TEST_F(LoopTest, BytesThatCameBeforeTheCancelAreNotLost) {
  const auto receiver = [](Loop& loop, Socket& socket, CancelScope& scope, std::string& heard) -> Task<void> {
    char bytes[16];
    const Result<size_t> got = co_await loop.receive(socket.get(), bytes, {UINT64_MAX, &scope});
    heard = got ? std::string(bytes, *got) : to_string(got.error());
  };
  const auto task = [&](Loop& loop) -> Task<void> {
    Socket client, server;
    co_await connect_pair(loop, client, server);
    CancelScope scope;
    std::string heard;
    Group group(loop);
    group.spawn(receiver(loop, server, scope, heard));
    co_await loop.turn();
    co_await loop.turn();
    EXPECT_TRUE(co_await loop.send(client.get(), std::string_view("first")));
    scope.cancel();
    co_await group.join();
    if (heard != "first") {  // the cancel was quicker: then the bytes are still in the socket
      char bytes[16];
      const Result<size_t> got = co_await loop.receive(server.get(), bytes, loop.within(seconds(10)));
      heard = std::string(bytes, got.value_or(0));
    }
    EXPECT_EQ(heard, "first");
  };
  run(task(loop_));
}

TEST_F(LoopTest, StopEndsWhatNamesNoScopeOfItsOwn) {
  const auto sleeper = [](Loop& loop, CancelScope* scope, Result<void>& result, milliseconds time) -> Task<void> {
    result = co_await loop.sleep(time, scope);
  };
  CancelScope own;
  Result<void> without, with;
  loop_.spawn(sleeper(loop_, nullptr, without, milliseconds(100'000)));
  loop_.spawn(sleeper(loop_, &own, with, milliseconds(30)));
  const auto stopper = [](Loop& loop) -> Task<void> {
    (void)co_await loop.sleep(milliseconds(5));
    loop.stop();
  };
  loop_.spawn(stopper(loop_));
  loop_.run();
  EXPECT_EQ(without.error().kind, ErrorKind::cancelled);
  EXPECT_TRUE(with);
}

TEST_F(LoopTest, ConnectSaysThatNobodyListens) {
  const auto task = [](Loop& loop) -> Task<void> {
    Result<Listener> listener = listen_on(SocketAddress::loopback(0));
    const SocketAddress address = *bound_address(listener->get());
    listener->reset();
    const Result<Socket> socket = co_await loop.connect(address, loop.within(seconds(10)));
    EXPECT_FALSE(socket);
    EXPECT_EQ(socket.error().kind, ErrorKind::os);
    EXPECT_EQ(socket.error().number, ECONNREFUSED);
  };
  run(task(loop_));
}

TEST_F(LoopTest, ReadableReturnsEachTimeAndAtOnceWhereItAlreadyIs) {
  const Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const auto writer = [](Loop& loop, int descriptor) -> Task<void> {
    (void)co_await loop.sleep(milliseconds(5));
    eventfd_write(descriptor, 1);
  };
  const auto task = [](Loop& loop, int descriptor) -> Task<void> {
    EXPECT_TRUE(co_await loop.readable(descriptor, loop.within(seconds(10))));
    EXPECT_TRUE(co_await loop.readable(descriptor, loop.within(seconds(10))));  // it has not been read
    eventfd_t value;
    EXPECT_EQ(eventfd_read(descriptor, &value), 0);
    const Result<void> again = co_await loop.readable(descriptor, loop.within(milliseconds(20)));
    EXPECT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::timed_out);
  };
  loop_.spawn(writer(loop_, event.get()));
  run(task(loop_, event.get()));
}

TEST_F(LoopTest, AnEventLetsAllWaitersGoUntilItIsReset) {
  int gone = 0;
  const auto waiter = [](Event& event, int& count) -> Task<void> {
    EXPECT_TRUE(co_await event.wait());
    EXPECT_TRUE(co_await event.wait());
    ++count;
  };
  const auto task = [&](Loop& loop) -> Task<void> {
    Event event(loop);
    Group group(loop);
    group.spawn(waiter(event, gone));
    group.spawn(waiter(event, gone));
    co_await loop.turn();
    event.set();
    co_await group.join();
    event.reset();
    const Result<void> again = co_await event.wait(loop.within(milliseconds(10)));
    EXPECT_EQ(again.error().kind, ErrorKind::timed_out);
  };
  run(task(loop_));
  EXPECT_EQ(gone, 2);
}

TEST_F(LoopTest, AMutexIsHeldByOneAtATimeInTheOrderOfAsking) {
  std::vector<int> order;
  int inside = 0;
  const auto holder = [&](Loop& loop, Mutex& mutex, int number) -> Task<void> {
    const Mutex::Guard guard = co_await mutex.lock();
    EXPECT_EQ(++inside, 1);
    (void)co_await loop.sleep(milliseconds(1));
    order.push_back(number);
    --inside;
  };
  const auto task = [&](Loop& loop) -> Task<void> {
    Mutex mutex(loop);
    Group group(loop);
    for (int i = 0; i < 5; ++i) group.spawn(holder(loop, mutex, i));
    co_await group.join();
  };
  run(task(loop_));
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(LoopTest, AGroupIsJoinedWhenItsLastTaskHasReturned) {
  const auto sleeper = [](Loop& loop) -> Task<void> { (void)co_await loop.sleep(milliseconds(1)); };
  const auto waiter = [](Event& event) -> Task<void> { (void)co_await event.wait(); };
  const auto task = [&](Loop& loop) -> Task<void> {
    Event event(loop);
    Group group(loop);
    group.spawn(waiter(event));
    group.spawn(sleeper(loop));
    const Result<void> early = co_await group.join(loop.within(milliseconds(10)));
    EXPECT_EQ(early.error().kind, ErrorKind::timed_out);
    EXPECT_EQ(group.running(), 1u);
    event.set();
    co_await group.join();
    EXPECT_EQ(group.running(), 0u);
  };
  run(task(loop_));
}

TEST_F(LoopTest, AnAcceptorKeepsConnectionsUntilTheyAreAskedForAndClosesTheRest) {
  const auto task = [](Loop& loop) -> Task<void> {
    Result<Listener> listener = listen_on(SocketAddress::loopback(0));
    const SocketAddress address = *bound_address(listener->get());
    Socket clients[3];
    {
      Acceptor acceptor(loop, listener->get());
      const Result<Socket> none = co_await acceptor.next(loop.within(milliseconds(10)));
      EXPECT_EQ(none.error().kind, ErrorKind::timed_out);
      for (Socket& client : clients) {
        Result<Socket> connected = co_await loop.connect(address, loop.within(seconds(10)));
        client = std::move(*connected);
      }
      const Result<Socket> first = co_await acceptor.next(loop.within(seconds(10)));
      EXPECT_TRUE(first);
      const Result<Socket> second = co_await acceptor.next(loop.within(seconds(10)));
      EXPECT_TRUE(second);
      co_await acceptor.end();
    }
    for (Socket& client : clients) {  // all three have been closed by the other side
      char bytes[8];
      const Result<size_t> got = co_await loop.receive(client.get(), bytes, loop.within(seconds(10)));
      EXPECT_EQ(got.value_or(99), 0u);
    }
  };
  run(task(loop_));
}

TEST_F(LoopTest, AnAcceptorMayGoWhileTheKernelStillAccepts) {
  const auto task = [](Loop& loop, int listener) -> Task<void> {
    Acceptor acceptor(loop, listener);
    const Result<Socket> none = co_await acceptor.next(loop.within(milliseconds(5)));
    EXPECT_FALSE(none);
  };
  const Listener listener = listen();
  run(task(loop_, listener.get()));  // returns only when the kernel has let go
}

}  // namespace
}  // namespace ringmaster::async
