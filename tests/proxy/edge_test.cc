// Conversations at the edges: what ends early, in the middle, twice, or at the same moment as something else.
#include "conversation.h"

#include <string>

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;

class Edge : public Conversation {};

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

std::string ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// --- after a refusal, and after an end ------------------------------------------------------------------------------

TEST_P(Edge, NeverReadsTheRestOfARefusedBodyAsARequest) {
  settings.limits.body_bytes = 10;
  start();
  Peer& c = client();
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
  c.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n23\r\n" + smuggled +
          "\r\n0\r\n\r\n");
  ASSERT_EQ(smuggled.size(), 0x23u);
  wait_for(c, "HTTP/1.1 413 Content Too Large\r\n");
  wait_for(c, "Connection: close\r\n");
  wait_for(c, "\"status\":\"failure\"}");
  expect_end(c);
  EXPECT_EQ(upstream_connections(), 0u);
  EXPECT_EQ(meters().requests.value(), 1u);
}

TEST_P(Edge, RefusesAMalformedHeadRequestWithoutABody) {
  start();
  for (const std::string_view head : {"HEAD / HTTP/1.1\r\n\r\n", "\r\nHEAD / HTTP/2.0\r\n\r\n"}) {
    Peer& c = client();
    c.write(head);
    wait_for(c, "Content-Length: ");
    wait_for(c, "\r\n\r\n");
    expect_end(c);
    c.end();
  }
}

TEST_P(Edge, GivesAnHttp10ClientAnAnswerThatEndsWithTheReplicasConnection) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.0 200 OK\r\n\r\nhello");
  expect(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  upstream().end();
  expect_end(c);
  EXPECT_FALSE(c.was_reset());
  EXPECT_EQ(meters().answers_truncated.value(), 0u);
  expect_service();
}

TEST_P(Edge, EndsAnHttp10AnswerOnALastChunkThatComesAlone) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n");
  wait_for(c, "hello");
  upstream().write("0\r\n\r\n");
  expect_end(c);
  EXPECT_FALSE(c.was_reset());
  expect_service();
}

TEST_P(Edge, EndsAtOnceWhenTheClientEndsInTheMiddleOfAPipelinedHead) {
  start();
  Peer& c = client();
  c.write(std::string(get) + "GET /half HTTP/1.1\r\nHo");
  c.end();
  wait_for(upstream(), "\r\n\r\n");
  run_for(10ms);
  upstream().write(ok("whole"));
  expect(c, ok("whole"));
  run_until([&] { return meters().client_connections.value() == 0; }, "the end of the connection");
  EXPECT_EQ(refusals(http::Cause::request_timeout), 0u);
}

TEST_P(Edge, AnswersEveryPipelinedRequestOfAClientThatHasEndedItsSide) {
  start();
  Peer& c = client();
  c.write(std::string(get) + std::string(get) + std::string(get));
  c.end();
  for (int i = 0; i < 3; ++i) {
    wait_for(upstream(), "\r\n\r\n");
    upstream().write(ok("again"));
  }
  expect(c, ok("again") + ok("again") + ok("again"));
  expect_end(c);
}

TEST_P(Edge, AHalfSentHeadKeepsADrainingWorkerNoLongerThanItsOwnTimeout) {
  settings.timeouts.request_header = 900ms;
  start();
  Peer& half = client();
  half.write("GET /half HTTP/1.1\r\nHo");
  run_for(50ms);
  control().set_phase(Phase::draining);
  for (int i = 0; i < 5; ++i) {  // what trickles in wins it no time
    run_for(20ms);
    half.write("o");
  }
  run_for(1ms);
  EXPECT_EQ(meters().client_connections.value(), 1u);
  wait_for(half, "HTTP/1.1 408 Request Timeout\r\n");
  wait_for(half, "Connection: close\r\n");
  half.end();
  run_until([&] { return control().all_ended() || meters().client_connections.value() == 0; }, "the end");
}

// --- a cut answer is seen to be cut ---------------------------------------------------------------------------------

// An answer that only the end of the connection delimits may not end in an orderly way before it is whole.
TEST_P(Edge, ResetsAnHttp10ClientWhenTheWorkerEndsInItsAnswer) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\n\r\nhalf");
  wait_for(c, "half");
  control().set_phase(Phase::ending);
  run_until([&] { return c.ended() || c.was_reset(); }, "the end");
  EXPECT_TRUE(c.was_reset());
}

TEST_P(Edge, CutsTheAnswerOfARequestThatTurnsOutMalformed) {
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
  wait_for(upstream(), "some\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  wait_for(c, "half");
  c.write("nonsense\r\n");
  run_until([&] { return c.ended() || c.was_reset(); }, "the end");
  expect_end(upstream());
  EXPECT_EQ(refusals(http::Cause::chunk_malformed), 1u);
}

// --- upgrades -------------------------------------------------------------------------------------------------------

TEST_P(Edge, RefusesASwitchToAnotherProtocolThanTheOneAskedFor) {
  start();
  Peer& c = client();
  c.write("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
  EXPECT_EQ(refusals(http::Cause::response_unasked_upgrade), 1u);
  EXPECT_EQ(meters().tunnels.value(), 0u);
}

// --- who is late ----------------------------------------------------------------------------------------------------

// The replica reads slowly. That is not the client's fault, whose head has its time limit behind it.
TEST_P(Edge, DoesNotBlameTheClientForAReplicaThatReadsSlowly) {
  settings.timeouts.request_header = 300ms;
  settings.timeouts.request_body_idle = 300ms;
  settings.timeouts.response = 700ms;
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 33554432\r\n\r\n");
  Peer& up = upstream();
  wait_for(up, "\r\n\r\n");
  up.pause_reading();
  c.write(std::string(33'554'432, 'b'));
  wait_for(c, "HTTP/1.1 504 Gateway Timeout\r\n");
  EXPECT_EQ(refusals(http::Cause::request_timeout), 0u);
  EXPECT_EQ(refusals(http::Cause::replica_response_timeout), 1u);
}

// A replica that answers while it still reads is silent as long as the upload takes, and no longer.
TEST_P(Edge, LetsAnUploadGoOnWhileTheBeginOfTheAnswerIsThere) {
  settings.timeouts.response_idle = 500ms;
  settings.timeouts.request_body_idle = 500ms;
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
  wait_for(c, "\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    run_for(60ms);
    c.write("x");
    wait_for(upstream(), "x");
  }
  upstream().write("done");
  expect(c, "done");
  EXPECT_EQ(meters().answers_truncated.value(), 0u);
}

// Some clients send an empty line behind a body. A 408 to it would be read as the answer to their next request.
TEST_P(Edge, ClosesWithoutAWordWhereOnlyAnEmptyLineHasCome) {
  settings.timeouts.request_header = 50ms;
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi\r\n");
  wait_for(upstream(), "hi");
  upstream().write(ok("done"));
  expect(c, ok("done"));
  expect_end(c);
  EXPECT_EQ(refusals(http::Cause::request_timeout), 0u);
}

// RFC 9110 section 15.2: a replica that sends them is at work.
TEST_P(Edge, WaitsAnewForTheAnswerAfterEachInterimOne) {
  settings.timeouts.response = 500ms;
  start();
  Peer& c = client();
  c.write(get);
  wait_for(upstream(), "\r\n\r\n");
  for (int i = 0; i < 7; ++i) {
    run_for(100ms);
    upstream().write("HTTP/1.1 102 Processing\r\n\r\n");
    expect(c, "HTTP/1.1 102 Processing\r\n\r\n");
  }
  upstream().write(ok("at last"));
  expect(c, ok("at last"));
}

// A whole answer, and a reset right behind it, while an interim answer is still on its way to the client.
TEST_P(Edge, PassesAWholeAnswerOnThatAResetFollows) {
  start();
  Peer& c = client();
  c.pause_reading();
  c.write(get);
  wait_for(upstream(), "\r\n\r\n");
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: " + std::string(20'000, 'l') + "\r\n\r\n";
  for (int i = 0; i < 6; ++i) upstream().write(hints);
  upstream().write(ok("whole"));
  run_for(20ms);
  upstream().reset();
  run_for(20ms);
  c.resume_reading();
  for (int i = 0; i < 6; ++i) wait_for(c, "Early Hints");
  wait_for(c, "\r\n\r\nwhole");
}

// --- heads ----------------------------------------------------------------------------------------------------------

TEST_P(Edge, NamesTheReplicaItselfWhereAnHttp10RequestHasNoHost) {
  start();
  Peer& c = client();
  c.write("GET /old HTTP/1.0\r\n\r\n");
  expect(upstream(), "GET /old HTTP/1.1\r\nHost: " + server().text() +
                         "\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\r\n");
}

TEST_P(Edge, AnswersAsTheLastRecipientWhereMaxForwardsIsUsedUp) {
  start();
  Peer& c = client();
  c.write(
      "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\nTRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
  const std::string allow = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nContent-Length: 0\r\n\r\n";
  expect(c, "HTTP/1.1 200 OK\r\n" + allow + "HTTP/1.1 405 Method Not Allowed\r\n" + allow);
  EXPECT_EQ(upstream_connections(), 0u);
  c.write("OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 1\r\n\r\n");
  expect(upstream(), forwarded("OPTIONS * HTTP/1.1", "Max-Forwards: 0\r\n"));
}

// --- in one loop ----------------------------------------------------------------------------------------------------

// Both arrive while the worker looks at neither: only the fake network makes sure of that.
class EdgeInOneLoop : public Conversation {};

TEST_P(EdgeInOneLoop, DoesNotTakeForAnAnswerWhatCameBeforeTheRequestHadLeft) {
  start();
  expect_service();
  Peer& first = upstream();
  Peer& c = client();
  run_for(10ms);
  c.write("GET /mine HTTP/1.1\r\nHost: h\r\n\r\n");
  first.write(ok("for somebody else"));
  run_until([&] { return &upstream() != &first; }, "a new connection");
  wait_for(upstream(), "GET /mine");
  upstream().write(ok("mine"));
  expect(c, ok("mine"));
  expect_end(first);
}

TEST_P(EdgeInOneLoop, GivesAPostToANewConnectionWhenTheOldOneEndedBeforeItCouldLeave) {
  start();
  expect_service();
  Peer& first = upstream();
  Peer& c = client();
  run_for(10ms);
  c.write("POST /mine HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  first.end();
  run_until([&] { return &upstream() != &first; }, "a new connection");
  wait_for(upstream(), "\r\n\r\nx");
  upstream().write(ok("mine"));
  expect(c, ok("mine"));
  EXPECT_EQ(unread(first), "");  // not a byte of it
  EXPECT_EQ(meters().retries.value(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Fake, EdgeInOneLoop, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Kernel, Edge, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, Edge, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, Edge, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
