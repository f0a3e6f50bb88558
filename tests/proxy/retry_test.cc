// When a request leaves one replica for another: of one that leaves its heartbeats unanswered, and of kept connections
// that had been closed.
#include "placement.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;

class Retry : public Placed {
 protected:
  Retry() { settings.timeouts.response = 60s; }

  void start_two() {
    start();
    publish_members({{"A"}, {"B"}});
    key_ = key_of({"A", "B"});
  }
  void a_falls_silent() { publish_members({{"A", 1, false}, {"B"}}, {}, {"A"}); }
  // The request waits at A, and nobody else has seen it.
  void expect_it_stays() {
    run_for(20ms);
    EXPECT_EQ(in_flight("A"), 1u);
    EXPECT_EQ(requests("B"), 0u);
    EXPECT_EQ(meters().retries.value(), 0u);
  }
  // The request comes once more, on a connection that is newer.
  void expect_arrival_after(Peer& silent) {
    run_until([&] { return &upstream() != &silent; }, "a second connection");
    run_until([&] { return unread(upstream()).find(key_) != std::string::npos; }, "the request's head");
  }
  // So it does where A falls silent while it has the request, until A answers after all.
  void expect_to_stay_with_a() {
    Peer& c = ask(key_);
    taken_by(key_);
    a_falls_silent();
    expect_it_stays();
    answer(key_);
    expect_ok(c);
  }
  void answer_at(Peer& replica) { replica.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); }
  void expect_ok(Peer& peer) { wait_for(peer, "HTTP/1.1 200 OK\r\n"); }

  std::string key_;
};

TEST_P(Retry, LeavesAReplicaThatFallsSilentForAnother) {
  start_two();
  Peer& c = ask(key_);
  Peer& silent = taken_by(key_);
  a_falls_silent();
  expect_arrival_after(silent);
  EXPECT_EQ(requests("B"), 1u);
  run_until([&] { return silent.ended() || silent.was_reset(); }, "the end of the silent connection");
  answer_at(upstream());
  expect_ok(c);
  EXPECT_EQ(in_flight("A"), 0u);
  EXPECT_EQ(meters().retries.of(http::Cause::replica_response_timeout).value(), 1u);
}

TEST_P(Retry, StaysWithOneThatOnlyLeavesTheTable) {
  start_two();
  Peer& c = ask(key_);
  taken_by(key_);
  publish_members({{"A", 1, false}, {"B"}});
  expect_it_stays();
  answer(key_);
  expect_ok(c);
}

TEST_P(Retry, StaysWithASilentOneThatMayHaveDoneWhatMustNotBeDoneTwice) {
  start_two();
  Peer& c = client();
  c.write("POST /?request_id=" + key_ + "& HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  Peer& silent = taken_by(key_);
  wait_for(silent, "\r\n\r\nx");
  a_falls_silent();
  expect_it_stays();
  answer_at(silent);
  expect_ok(c);
}

TEST_P(Retry, StaysWithASilentOneWhereTheBudgetIsSpent) {
  settings.retry.budget_percent = 0;
  start_two();
  expect_to_stay_with_a();
}

TEST_P(Retry, StaysWithASilentOneWhereNobodyElseMayServeTheKey) {
  settings.routing.affinity = "strict";
  start_two();
  expect_to_stay_with_a();
}

TEST_P(Retry, LeavesASilentLifeForTheNextOfTheSameReplica) {
  start();
  publish_members({{"A"}});
  key_ = key_of({"A"});
  Peer& c = ask(key_);
  Peer& silent = taken_by(key_);
  publish_members({{"A", 1, false}}, {}, {"A"});
  run_for(20ms);
  EXPECT_EQ(in_flight("A"), 1u) << "there is nobody to go to";
  publish_members({{"A"}}, {"A"}, {"A"});
  expect_arrival_after(silent);
  answer_at(upstream());
  expect_ok(c);
}

TEST_P(Retry, IsSparedByAKeptConnectionThatHadBeenClosed) {
  settings.retry.attempts = 1;
  start_two();
  Peer& first = ask(key_);
  answer(key_);
  expect_ok(first);
  const std::string key = key_of({"A", "B"});
  Peer& c = ask(key);
  fail(key);  // the kept connection: says nothing of A
  fail(key);  // a new one to A: that was the first try
  run_until([&] { return requests("B") == 1; }, "the second try");
  answer(key);
  expect_ok(c);
  EXPECT_EQ(meters().retries.of(http::Cause::replica_reset).value(), 2u);
}

const auto worlds = testing::Values(&uring::make_kernel_world, &uring::make_fake_world, &uring::make_unkind_world);
INSTANTIATE_TEST_SUITE_P(Worlds, Retry, worlds);

}  // namespace
}  // namespace ringmaster::proxy
