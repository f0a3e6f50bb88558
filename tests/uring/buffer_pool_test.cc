#include "uring/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/fake/fake_ring.h"

namespace ringmaster::uring {

namespace {

using fake::FakeRing;

class BufferPoolTest : public testing::Test {
 protected:
  // Has the ring fill a buffer, as a connection would.
  Lease receive(BufferPool& pool, std::string_view bytes) {
    if (socket_ < 0) {
      const int listener = ring_.listen();
      ring_.accept_multishot(listener, 1);
      peer_ = &ring_.connect_client(listener);
      socket_ = ring_.wait(UINT64_MAX)[0].result;
      ring_.receive_multishot(socket_, true, 2);
    }
    peer_->write(bytes);
    const Completion arrival = ring_.wait(UINT64_MAX)[0];
    EXPECT_EQ(arrival.result, static_cast<int32_t>(bytes.size()));
    return pool.adopt(arrival.buffer_id);
  }

  FakeRing ring_{1};
  fake::FakePeer* peer_ = nullptr;
  int socket_ = -1;
};

TEST_F(BufferPoolTest, LeaseHoldsTheBytesAndGivesTheBufferBack) {
  BufferPool pool(ring_, {.provided_initial = 2, .provided_max = 4, .provided_bytes = 512});
  EXPECT_EQ(ring_.provided_buffers(), 2u);
  {
    const Lease lease = receive(pool, "hello");
    EXPECT_EQ(std::string_view(lease.space(), 5), "hello");
    EXPECT_EQ(pool.provided_leased(), 1u);
    EXPECT_EQ(ring_.provided_buffers(), 1u);
  }
  EXPECT_EQ(pool.provided_leased(), 0u);
  EXPECT_EQ(ring_.provided_buffers(), 2u);
}

TEST_F(BufferPoolTest, RoomBeforeAndBehindIsTheHolders) {
  BufferPool pool(ring_, {.provided_initial = 2, .provided_max = 2, .provided_bytes = 500, .bulk_bytes = 1000});
  Lease provided = receive(pool, "x");
  Lease bulk = pool.take_bulk();
  for (const Lease* lease : {&provided, &bulk}) {
    EXPECT_EQ(lease->space() - lease->low(), headroom_bytes);
    EXPECT_EQ(lease->high() - lease->space(), static_cast<ptrdiff_t>(lease->capacity() + tailroom_bytes));
    memset(lease->low(), 'h', static_cast<size_t>(lease->high() - lease->low()));
  }
  Lease second = receive(pool, "y");
  EXPECT_LE(provided.high(), second.low()) << "buffers overlap";
  second.reset();
  provided.reset();
  EXPECT_EQ(std::string_view(receive(pool, "neighbour").space(), 9), "neighbour");
}

TEST_F(BufferPoolTest, MovedLeaseIsGivenBackOnce) {
  BufferPool pool(ring_, {.provided_initial = 2, .provided_max = 2, .provided_bytes = 512});
  Lease first = receive(pool, "a");
  Lease second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);
  Lease third = receive(pool, "b");
  EXPECT_EQ(pool.provided_leased(), 2u);
  third = std::move(second);
  EXPECT_EQ(pool.provided_leased(), 1u);
  EXPECT_EQ(*third.space(), 'a');
  third.reset();
  third.reset();
  EXPECT_EQ(pool.provided_leased(), 0u);
}

TEST_F(BufferPoolTest, GrowthDoublesUpToTheBound) {
  BufferPool pool(ring_, {.provided_initial = 3, .provided_max = 16, .provided_bytes = 512});
  EXPECT_TRUE(pool.grow());
  EXPECT_EQ(pool.provided_total(), 6u);
  EXPECT_TRUE(pool.grow());
  EXPECT_EQ(pool.provided_total(), 12u);
  EXPECT_TRUE(pool.grow());
  EXPECT_EQ(pool.provided_total(), 16u);
  EXPECT_FALSE(pool.grow());
  EXPECT_EQ(ring_.provided_buffers(), 16u);
}

TEST_F(BufferPoolTest, HeldBuffersStayWhereTheyAreWhileThePoolGrows) {
  BufferPool pool(ring_, {.provided_initial = 1, .provided_max = 64, .provided_bytes = 512});
  const Lease held = receive(pool, "stay");
  const char* place = held.space();
  while (pool.grow()) {}
  EXPECT_EQ(held.space(), place);
  EXPECT_EQ(std::string_view(held.space(), 4), "stay");
}

TEST_F(BufferPoolTest, BulkBuffersAreKeptUpToTheBoundLastInFirstOut) {
  BufferPool pool(ring_, {.provided_initial = 1, .provided_max = 1, .provided_bytes = 512, .bulk_bytes = 4096,
                          .bulk_kept_max = 2});
  std::vector<Lease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(pool.take_bulk());
  EXPECT_EQ(pool.bulk_leased(), 4u);
  char* const last = leases[1].space();
  leases[0].reset();
  leases[1].reset();
  leases[2].reset();  // beyond the bound: freed
  EXPECT_EQ(pool.bulk_leased(), 1u);
  EXPECT_EQ(pool.take_bulk().space(), last);
  leases.clear();
  EXPECT_EQ(pool.bulk_leased(), 0u);
}

TEST_F(BufferPoolTest, BodiesGetLargeBuffersWhileFewAreOut) {
  BufferPool pool(ring_, {.provided_initial = 1, .provided_max = 1, .provided_bytes = 512, .bulk_bytes = 4096,
                          .large_bytes = 16384, .large_max = 2, .large_kept_max = 1});
  std::vector<Lease> leases;
  for (int i = 0; i < 3; ++i) leases.push_back(pool.take_large());
  EXPECT_EQ(leases[0].capacity(), 16384u);
  EXPECT_EQ(leases[1].capacity(), 16384u);
  EXPECT_EQ(leases[2].capacity(), 4096u);
  EXPECT_EQ(pool.bulk_leased(), 3u);
  char* const first = leases[0].space();
  leases[0].reset();
  leases[1].reset();  // beyond the bound: freed
  EXPECT_EQ(pool.bulk_leased(), 1u);
  EXPECT_EQ(pool.take_large().space(), first);
}

TEST_F(BufferPoolTest, WhatMustFitGetsABufferThatIsLargeEnough) {
  BufferPool pool(ring_, {.provided_initial = 1, .provided_max = 1, .provided_bytes = 512, .bulk_bytes = 4096,
                          .large_bytes = 16384, .large_max = 0});
  EXPECT_EQ(pool.take_large().capacity(), 4096u);
  EXPECT_EQ(pool.take_bulk(4096).capacity(), 4096u);
  EXPECT_EQ(pool.take_bulk(4097).capacity(), 16384u);  // whatever is out already
  EXPECT_FALSE(pool.take_bulk(16385));
}

TEST(BufferPoolDeathTest, MisuseEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        FakeRing ring(1);
        BufferPool pool(ring, {.provided_initial = 2, .provided_max = 2, .provided_bytes = 512});
        const Lease lease = pool.adopt(0);
        const Lease again = pool.adopt(0);
      },
      "broken invariant: !buffer.leased");
  EXPECT_DEATH(
      {
        FakeRing ring(1);
        BufferPool pool(ring, {.provided_initial = 2, .provided_max = 4, .provided_bytes = 512});
        pool.adopt(2).reset();
      },
      "broken invariant: buffer_id < provided_.size\\(\\)");
  EXPECT_DEATH(
      {
        FakeRing ring(1);
        Lease lease;
        BufferPool pool(ring, {.provided_initial = 2, .provided_max = 4, .provided_bytes = 512});
        lease = pool.take_bulk();
        pool.~BufferPool();
      },
      "bulk_leased\\(\\) == 0");
}

}  // namespace

}  // namespace ringmaster::uring
