#include "proxy/control.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "proxy/retry_budget.h"

namespace ringmaster::proxy {
namespace {

// A table over the members that the builder holds ready, with an upstream for each.
std::unique_ptr<RouteTable> table_of(balance::Builder& builder, uint64_t& next_id, uint32_t workers) {
  auto table = std::make_unique<RouteTable>();
  table->table = builder.build();
  for (const std::string& name : table->table.members()) {
    table->upstreams.push_back(std::make_shared<Upstream>(++next_id, name, SocketAddress::loopback(1), workers));
  }
  return table;
}

bool readable(int descriptor) {
  pollfd ready{descriptor, POLLIN, 0};
  return poll(&ready, 1, 0) == 1;
}

TEST(Upstream, HasAnAuthorityThatAHostFieldMayHave) {
  const auto authority = [](std::string_view address) {
    return Upstream(1, "r", SocketAddress::parse(address).value(), 1).authority;
  };
  EXPECT_EQ(authority("127.0.0.1:5000"), "127.0.0.1:5000");
  EXPECT_EQ(authority("[::1]:5000"), "[::1]:5000");
  EXPECT_EQ(authority("unix:/run/r1.sock"), "localhost");
}

TEST(Mailbox, GivesBackInOrderAndDropsWhatDoesNotFit) {
  Mailbox mailbox;
  uint64_t posted = 0;
  while (mailbox.post({posted, http::Cause::replica_reset})) ++posted;
  EXPECT_EQ(posted, 256u);
  EXPECT_EQ(mailbox.dropped(), 1u);
  Trouble trouble;
  for (uint64_t i = 0; i < posted; ++i) {
    ASSERT_TRUE(mailbox.take(trouble));
    EXPECT_EQ(trouble.upstream_id, i);
  }
  EXPECT_FALSE(mailbox.take(trouble));
  EXPECT_TRUE(mailbox.post({7, http::Cause::replica_refused}));
}

TEST(Control, TellsTheAdminThreadOfTrouble) {
  Control control(2);
  EXPECT_FALSE(readable(control.admin_event()));
  control.report(1, {42, http::Cause::replica_refused});
  EXPECT_TRUE(readable(control.admin_event()));
  int seen = 0;
  control.take_troubles([&](const Trouble& trouble) {
    ++seen;
    EXPECT_EQ(trouble.upstream_id, 42u);
    EXPECT_EQ(trouble.cause, http::Cause::replica_refused);
  });
  EXPECT_EQ(seen, 1);
}

TEST(Control, KeepsTheTableBeforeForWhoComparesThem) {
  Control control(1);
  balance::Builder builder({.slots = 64});
  uint64_t ids = 0;
  EXPECT_EQ(control.published(), nullptr);
  const uint64_t first = control.publish(table_of(builder, ids, 1));
  EXPECT_EQ(control.previous(), nullptr);
  ASSERT_TRUE(builder.join("S1", 1));
  builder.set_ready("S1", true);
  const uint64_t second = control.publish(table_of(builder, ids, 1));
  ASSERT_NE(control.previous(), nullptr);
  EXPECT_EQ(control.previous()->epoch, first);
  EXPECT_TRUE(control.previous()->upstreams.empty());
  control.publish(table_of(builder, ids, 1));
  EXPECT_EQ(control.previous()->epoch, second);
}

TEST(Control, WakesWorkersWhenTheTableOrThePhaseChanges) {
  Control control(1);
  balance::Builder builder({.slots = 64});
  uint64_t ids = 0;
  control.publish(table_of(builder, ids, 1));
  EXPECT_TRUE(readable(control.worker_event(0)));
  EXPECT_NE(control.begin_loop(0), nullptr);
  control.end_loop(0);
  control.set_phase(Phase::draining);
  EXPECT_EQ(control.phase(), Phase::draining);
}

TEST(Control, ReleasesAnUpstreamWhenNoWorkerHoldsAConnection) {
  Control control(2);
  const Upstream upstream(1, "S1", SocketAddress::loopback(1), 2);
  EXPECT_TRUE(control.released(upstream));
  upstream.meters[1].connections.add();
  EXPECT_FALSE(control.released(upstream));
  upstream.meters[1].connections.subtract();
  EXPECT_TRUE(control.released(upstream));
}

// The thread and address sanitizers judge this one: readers use the table that they were given to the end of their
// loop, while the writer frees every table that it replaces.
TEST(Control, ReadersNeverSeeAFreedTableThroughTenThousandPairsOfChanges) {
  constexpr uint32_t readers = 2;
  Control control(readers);
  balance::Builder builder({.slots = 64});
  uint64_t ids = 0;
  ASSERT_TRUE(builder.join("S1", 1));
  ASSERT_TRUE(builder.join("S2", 1));
  builder.set_ready("S1", true);
  control.publish(table_of(builder, ids, readers));

  std::atomic<bool> done{false};
  std::atomic<uint64_t> loops{0};
  std::vector<std::thread> threads;
  for (uint32_t reader = 0; reader < readers; ++reader) {
    threads.emplace_back([&, reader] {
      uint64_t last_epoch = 0;
      while (!done.load(std::memory_order_relaxed)) {
        const RouteTable* table = control.begin_loop(reader);
        ASSERT_GE(table->epoch, last_epoch);  // never back to an older one
        last_epoch = table->epoch;
        for (uint32_t slot = 0; slot < table->table.slots(); ++slot) {
          const uint16_t owner = table->table.owner(slot);
          ASSERT_LT(owner, table->upstreams.size());
          ASSERT_EQ(table->upstreams[owner]->name, table->table.members()[owner]);
        }
        control.end_loop(reader);
        loops.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (int pair = 0; pair < 10'000; ++pair) {
    builder.set_ready("S2", true);
    control.publish(table_of(builder, ids, readers));
    builder.set_ready("S2", false);
    const uint64_t epoch = control.publish(table_of(builder, ids, readers));
    ASSERT_EQ(control.published()->epoch, epoch);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(loops.load(), 0u);
}

TEST(RetryBudget, AllowsTheFirstAndThenAShareOfTheRequests) {
  RetryBudget budget(20);
  for (uint32_t i = 0; i < RetryBudget::at_start; ++i) ASSERT_TRUE(budget.take());
  EXPECT_FALSE(budget.take());
  int retries = 0;
  for (int request = 0; request < 1000; ++request) {
    budget.on_request();
    if (budget.take()) ++retries;
  }
  EXPECT_EQ(retries, 200);
}

TEST(RetryBudget, SavesUpForABurstAndNoMore) {
  RetryBudget budget(20);
  for (uint32_t i = 0; i < 100 * RetryBudget::saved_max; ++i) budget.on_request();
  for (uint32_t i = 0; i < RetryBudget::saved_max; ++i) ASSERT_TRUE(budget.take());
  EXPECT_FALSE(budget.take());
}

TEST(RetryBudget, OfZeroAllowsNone) {
  RetryBudget budget(0);
  budget.on_request();
  EXPECT_FALSE(budget.take());
}

TEST(Histogram, BucketsHoldWhatTheirBoundsSay) {
  for (uint64_t us = 0; us < 5'000'000; us = us * 5 / 4 + 1) {
    const int bucket = Histogram::bucket_of(us);
    EXPECT_LT(us, Histogram::upper_us(bucket)) << us;
    if (bucket > 0) {
      EXPECT_GE(us, Histogram::upper_us(bucket - 1)) << us;
    }
  }
}

}  // namespace
}  // namespace ringmaster::proxy
