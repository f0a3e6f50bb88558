// Conversations with a client that says with its request that it sends no other: no receive is armed while its answer
// is expected at once, and all the same it is noticed when it leaves, and its answer is never lost.
#include "conversation.h"

#include <string>

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye";
constexpr std::string_view last_answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbye";

std::string last_request(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
}

class LastRequest : public Conversation {
 protected:
  // The connection to the replica on which this was asked for; in the unkind world not always the newest.
  Peer& asked(std::string_view text) {
    Peer* found = nullptr;
    run_until(
        [&] {
          for (Peer* peer : upstreams_seen()) {
            if (peer->received().find(text) != std::string::npos) found = peer;
          }
          return found != nullptr;
        },
        "a request at the replica");
    return *found;
  }
  void expect_last_answer(Peer& client) {
    expect(client, last_answer);
    expect_end(client);
    EXPECT_FALSE(client.was_reset());
  }
  void expect_noticed(Peer& replica) {
    run_until([&] { return meters().client_aborts.value() == 1 && meters().client_connections.value() == 0; },
              "the client's leaving");
    run_until([&] { return replica.ended() || replica.was_reset(); }, "the end of its request");
  }
};

TEST_P(LastRequest, NoticesThatTheClientLeavesWhileTheReplicaWorks) {
  start();
  Peer& c = client();
  c.write(last_request("/slow"));
  Peer& replica = asked("GET /slow");
  c.reset();
  expect_noticed(replica);
  expect_service();
}

TEST_P(LastRequest, NoticesThatTheClientOfALastPostLeaves) {
  start();
  Peer& c = client();
  c.write("POST /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbo");
  Peer& replica = asked("POST /slow");
  c.write("dy");
  wait_for(replica, "body");
  c.reset();
  expect_noticed(replica);
}

TEST_P(LastRequest, NoticesThatTheClientOfAFirstRequestOfManyLeaves) {
  start();
  Peer& c = client();
  c.write("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer& replica = asked("GET /slow");
  c.reset();
  expect_noticed(replica);
}

TEST_P(LastRequest, NoticesThatTheClientLeavesInAnAnswerThatPauses) {
  start();
  Peer& c = client();
  c.write(last_request("/events"));
  Peer& replica = asked("GET /events");
  replica.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  wait_for(c, "hello");
  c.reset();
  expect_noticed(replica);
}

TEST_P(LastRequest, NoticesThatTheClientLeavesBehindAnInterimAnswer) {
  start();
  Peer& c = client();
  c.write(last_request("/hints"));
  Peer& replica = asked("GET /hints");
  replica.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  wait_for(c, "103");
  c.reset();
  expect_noticed(replica);
}

TEST_P(LastRequest, AnswersAClientThatHasEndedItsSide) {
  start();
  for (const auto pause : {0ms, 100ms}) {
    Peer& c = client();
    const std::string path = "/half/" + std::to_string(pause.count());
    c.write(last_request(path));
    c.end();
    Peer& replica = asked("GET " + path);
    run_for(pause);
    replica.write(answer);
    expect_last_answer(c);
  }
  EXPECT_EQ(meters().client_aborts.value(), 0u);
}

// Nobody may send them (RFC 9112, 9.6), and unread they would turn the end into a reset.
TEST_P(LastRequest, IsNotLostToBytesThatFollowIt) {
  start();
  for (const auto pause : {5ms, 100ms}) {
    Peer& c = client();
    const std::string path = "/last/" + std::to_string(pause.count());
    c.write(last_request(path));
    Peer& replica = asked("GET " + path);
    c.write("GET /more HTTP/1.1\r\nHost: h\r\n\r\n");
    run_for(pause);
    replica.write(answer);
    expect_last_answer(c);
    c.end();
  }
  EXPECT_EQ(meters().requests.value(), 2u);
}

TEST_P(LastRequest, MayComeInPieces) {
  start();
  Peer& c = client();
  for (const char byte : last_request("/slow")) {
    c.write(std::string_view(&byte, 1));
    turn();
  }
  asked("GET /slow").write(answer);
  expect_last_answer(c);
  EXPECT_GE(meters().heads_in_pieces.value(), 1u);
}

TEST_P(LastRequest, MayBeTheSecond) {
  start();
  Peer& c = client();
  c.write("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
  asked("GET /first").write(answer);
  expect(c, answer);
  c.write(last_request("/second"));
  asked("GET /second").write(answer);
  expect_last_answer(c);
}

TEST_P(LastRequest, GetsAnAnswerOfOurOwnAndTheEnd) {
  access = std::make_unique<LineQueue>(1 << 16);
  start({refusing()});
  Peer& refused = client();
  refused.write(last_request("/refused"));
  wait_for(refused, "HTTP/1.1 502 ");
  wait_for(refused, "\"status\":\"failure\"}");
  expect_end(refused);
  EXPECT_FALSE(refused.was_reset());
  Peer& stopped = client();
  stopped.write("OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n");
  wait_for(stopped, "HTTP/1.1 200 OK\r\n");
  wait_for(stopped, "\r\n\r\n");
  expect_end(stopped);
  EXPECT_FALSE(stopped.was_reset());
  run_until([&] { return meters().client_connections.value() == 0; }, "the end of both");
  std::string lines;
  access->take(lines, 1 << 20);
  EXPECT_EQ(lines.find("127.0.0.1"), 0u) << lines;
  EXPECT_NE(lines.find("\n127.0.0.1"), std::string::npos) << lines;
}

INSTANTIATE_TEST_SUITE_P(Kernel, LastRequest, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, LastRequest, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, LastRequest, testing::Values(&uring::make_unkind_world));

// Only the fake network's time stands still where nothing happens.
class LastRequestOperations : public LastRequest {
 protected:
  uint64_t operations_of(std::string_view request, std::chrono::milliseconds pause) {
    expect_service();   // its upstream connection is there
    run_for(100ms);
    const uint64_t before = meters().ring_operations.value();
    Peer& c = client();
    c.write(request);
    run_for(pause);
    upstream().write(answer);
    wait_for(c, "bye");
    run_for(100ms);
    return meters().ring_operations.value() - before;
  }
};

// A receive, and two sends, the second of which closes.
TEST_P(LastRequestOperations, ArmsNothingThatItWouldHaveToCancel) {
  start();
  EXPECT_EQ(operations_of(last_request("/"), 1ms), 3u);
}

// Beyond that a receive that watches the client, and its cancel.
TEST_P(LastRequestOperations, WatchesTheClientOfASlowReplica) {
  start();
  EXPECT_EQ(operations_of(last_request("/"), 100ms), 5u);
}

// One more receive than each further request, once in the connection's life.
TEST_P(LastRequestOperations, ArmsAReceiveForThoseThatFollow) {
  start();
  EXPECT_EQ(operations_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 1ms), 4u);
}

INSTANTIATE_TEST_SUITE_P(Fake, LastRequestOperations, testing::Values(&uring::make_fake_world));

}  // namespace
}  // namespace ringmaster::proxy
