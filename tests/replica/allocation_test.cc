// The replica is the far end of benchmarks: a small GET must cost it no allocation.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "async/sockets.h"
#include "replica/connection.h"
#include "uring/kernel_ring.h"

namespace {
uint64_t allocations = 0;  // of this thread's program: the test has no other thread
}

// Not inlined: g++ 12 would take new and free for a mismatched pair.
[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ringmaster::replica {
namespace {

using async::Task;

Task<void> serve(Worker& worker, async::Socket socket) {
  Connection connection(worker, std::move(socket));
  co_await connection.run();
}

Task<void> ask_many_times(Worker& worker, int listener, SocketAddress address, uint64_t& counted) {
  async::Acceptor acceptor(worker.loop, listener);
  Result<async::Socket> client = co_await worker.loop.connect(address);
  Result<async::Socket> server = co_await acceptor.next();
  EXPECT_TRUE(client && server);
  worker.loop.spawn(serve(worker, std::move(*server)));
  static constexpr std::string_view request = "GET /home?request_id=123456 HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n";
  for (int i = 0; i < 1100; ++i) {
    if (i == 100) allocations = 0;  // the first ones may warm something up
    const Result<void> sent = co_await worker.loop.send(client->get(), request);
    char bytes[1024];
    const Result<size_t> got = co_await worker.loop.receive(client->get(), bytes);
    if (!sent || !got || *got < 100) ADD_FAILURE() << "no answer";
  }
  counted = allocations;
  co_await acceptor.end();
}

TEST(AllocationTest, ASmallGetAllocatesNothing) {
  Service service;
  service.server_id = "1";
  const auto ring = uring::make_kernel_ring({});
  Worker worker(service, *ring);
  const Result<async::Listener> listener = async::listen_on(SocketAddress::loopback(0));
  ASSERT_TRUE(listener);
  uint64_t counted = UINT64_MAX;
  worker.loop.spawn(ask_many_times(worker, listener->get(), *async::bound_address(listener->get()), counted));
  worker.loop.run();
  EXPECT_EQ(counted, 0u);
}

}  // namespace
}  // namespace ringmaster::replica
