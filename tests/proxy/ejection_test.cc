// A replica that fails requests: when a worker loses sight of it, what it tells, and how it comes back.
#include "conversation.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class Ejection : public Conversation {
 protected:
  Ejection() { settings.heartbeat.interval = 5s; }

  void ask(Peer& from) { from.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); }
  // The next request comes to server(): on a kept connection, or on a new one.
  void wait_for_request() {
    run_until([&] { return unread(upstream()).find("\r\n\r\n") != std::string::npos; }, "the request");
    wait_for(upstream(), "\r\n\r\n");
  }
  // A request that server() answers, whoever is asked first.
  void serve_one() {
    Peer& c = client();
    ask(c);
    wait_for_request();
    upstream().write(ok("served"));
    expect(c, ok("served"));
  }
  // A request that server() answers with what is no HTTP.
  void fail_one() {
    Peer& c = client();
    ask(c);
    wait_for_request();
    upstream().write("nonsense\r\n\r\n");
    wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
  }
  uint64_t ejections(size_t index) { return replica(index).meters[0].ejections.value(); }
  uint64_t requests(size_t index) { return replica(index).meters[0].requests.value(); }
};

TEST_P(Ejection, ThreeFailuresInARowAreOneTooMany) {
  settings.ejection.consecutive_failures = 3;
  start({refusing(), server()});
  for (int i = 0; i < 40; ++i) serve_one();
  EXPECT_EQ(requests(0), 3u);
  EXPECT_EQ(ejections(0), 1u);
  EXPECT_GT(replica(0).meters[0].ejected_until_ns.value(), 0u);
  EXPECT_EQ(ejections(1), 0u);
  EXPECT_EQ(replica(1).meters[0].ejected_until_ns.value(), 0u);
  EXPECT_EQ(meters().ejections.of(http::Cause::replica_refused).value(), 1u);
  EXPECT_EQ(meters().ejections.value(), 1u);
  EXPECT_EQ(meters().retries.of(http::Cause::replica_refused).value(), 3u);
  int ejected = 0;
  control().take_troubles([&](const Trouble& trouble) {
    EXPECT_EQ(trouble.upstream_id, replica(0).id);
    ejected += trouble.ejected;
  });
  EXPECT_EQ(ejected, 1);
}

TEST_P(Ejection, ASuccessInBetweenStartsTheCountAnew) {
  settings.ejection.consecutive_failures = 3;
  start();
  for (int round = 0; round < 3; ++round) {
    fail_one();
    fail_one();
    serve_one();
  }
  EXPECT_EQ(replica(0).meters[0].failures.value(), 6u);
  EXPECT_EQ(ejections(0), 0u);
}

TEST_P(Ejection, OfZeroNeverHappens) {
  settings.ejection.consecutive_failures = 0;
  start();
  for (int i = 0; i < 6; ++i) fail_one();
  EXPECT_EQ(ejections(0), 0u);
}

TEST_P(Ejection, ACutAnswerIsAFailureToo) {
  settings.ejection.consecutive_failures = 2;
  start();
  for (int i = 0; i < 2; ++i) {
    Peer& c = client();
    ask(c);
    wait_for_request();
    upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    wait_for(c, "half");
    upstream().reset();
    run_until([&] { return c.ended() || c.was_reset(); }, "the end of the cut answer");
  }
  EXPECT_EQ(meters().ejections.of(http::Cause::response_truncated).value(), 1u);
}

TEST_P(Ejection, EndsAfterItsTimeWhereNoTableComes) {
  settings.ejection.consecutive_failures = 1;
  settings.heartbeat.interval = 200ms;
  start({refusing(), server()});
  const auto serve_until_ejected = [&](uint64_t count) {
    for (int i = 0; i < 60 && ejections(0) < count; ++i) serve_one();
    EXPECT_EQ(ejections(0), count);
  };
  serve_until_ejected(1);
  run_for(250ms);
  serve_until_ejected(2);
}

// Weights are changed, others come and go: nobody has looked at this one.
TEST_P(Ejection, OutlivesTablesThatSayNothingNewOfTheReplica) {
  settings.ejection.consecutive_failures = 2;
  start({refusing(), server()});
  for (int i = 0; i < 40; ++i) serve_one();
  ASSERT_EQ(ejections(0), 1u);
  for (uint32_t weight = 2; weight < 8; ++weight) {
    publish_only({0, 1}, 1, weight);
    for (int i = 0; i < 5; ++i) serve_one();
  }
  EXPECT_EQ(requests(0), 2u);
  EXPECT_EQ(ejections(0), 1u);
}

TEST_P(Ejection, EndsWhenTheReplicaIsLetInAnew) {
  settings.ejection.consecutive_failures = 2;
  start({refusing(), server()});
  const auto fails_until_ejected = [&](uint64_t count) {
    for (int i = 0; i < 40; ++i) serve_one();
    EXPECT_EQ(ejections(0), count);
    EXPECT_EQ(requests(0), 2 * count);
  };
  fails_until_ejected(1);
  publish_only({0, 1}, 2);   // the worker may have slept through the table without it
  fails_until_ejected(2);
  publish_only({1}, 2);
  serve_one();
  publish_only({0, 1}, 2);   // it was out of the table: that is enough
  run_until([&] { return replica(0).meters[0].ejected_until_ns.value() == 0; }, "the worker to look at it again");
  fails_until_ejected(3);
}

TEST_P(Ejection, FailuresInARowAreCountedOnFromTableToTable) {
  settings.ejection.consecutive_failures = 3;
  start();
  for (uint32_t round = 1; round <= 3; ++round) {
    fail_one();
    publish_only({0}, 1, round);
  }
  EXPECT_EQ(ejections(0), 1u);
}

TEST_P(Ejection, OfTheLastFailsOpen) {
  settings.ejection.consecutive_failures = 1;
  start({refusing()});
  for (int i = 0; i < 3; ++i) {
    Peer& c = client();
    ask(c);
    wait_for(c, "\"cause\":\"replica_refused\"");
  }
  EXPECT_EQ(requests(0), 3u);
  EXPECT_EQ(ejections(0), 1u);
}

TEST_P(Ejection, OfTheLastLeavesNobodyWhereFailOpenIsOff) {
  settings.ejection.consecutive_failures = 1;
  settings.ejection.fail_open = false;
  start({refusing()});
  Peer& first = client();
  ask(first);
  wait_for(first, "\"cause\":\"replica_refused\"");
  Peer& second = client();
  ask(second);
  wait_for(second, "HTTP/1.1 503 Service Unavailable\r\n");
  wait_for(second, "Retry-After: ");
  wait_for(second, "\"cause\":\"no_replica\"");
  EXPECT_EQ(requests(0), 1u);
}

// The table was without it while a connection to it was busy: what it gets then is kept again, and outlives that one.
TEST_P(Ejection, AReplicaThatComesBackWhileItIsBusyIsAsGoodAsBefore) {
  start({server(), refusing()});
  publish_only({0});
  Peer& busy = client();
  ask(busy);
  Peer& slow = upstream();
  wait_for(slow, "\r\n\r\n");
  publish_only({1});
  run_for(5ms);
  publish_only({0});
  serve_one();
  Peer& kept = upstream();
  EXPECT_NE(&kept, &slow);
  slow.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate");
  wait_for(busy, "late");
  for (int i = 0; i < 3; ++i) serve_one();
  EXPECT_EQ(&upstream(), &kept);
  EXPECT_EQ(upstream_connections(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Kernel, Ejection, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, Ejection, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, Ejection, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
