#include "conversation.h"

#include <string>

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;

std::string ok(std::string_view body, std::string_view fields = "") {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

// --- plain exchanges ------------------------------------------------------------------------------------------------

TEST_P(Conversation, RebuildsTheHeadsBothWaysAndKeepsBothConnections) {
  start();
  Peer& c = client();
  for (int i = 0; i < 3; ++i) {
    c.write("GET /a?b=c HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\n");
    expect(upstream(), forwarded("GET /a?b=c HTTP/1.1", "Accept: */*\r\n"));
    upstream().write(ok("hello", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-Served-By: me\r\n"));
    expect(c, ok("hello", "X-Served-By: me\r\n"));
  }
  EXPECT_EQ(upstream_connections(), 1u);
  EXPECT_EQ(meters().requests.value(), 3u);
  EXPECT_EQ(meters().answers_by_class[2].value(), 3u);
  EXPECT_EQ(replica(0).meters[0].requests.value(), 3u);
  EXPECT_EQ(replica(0).meters[0].in_flight.value(), 0u);
}

TEST_P(Conversation, AnswersPipelinedRequestsInOrderOneAtATime) {
  start();
  Peer& c = client();
  c.write(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbodyGET /3 "
      "HTTP/1.1\r\nHost: h\r\n\r\n");
  expect(upstream(), forwarded("GET /1 HTTP/1.1", ""));
  expect_nothing(upstream());
  upstream().write(ok("one"));
  expect(upstream(), forwarded("POST /2 HTTP/1.1", "Content-Length: 4\r\n") + "body");
  upstream().write(ok("two"));
  expect(upstream(), forwarded("GET /3 HTTP/1.1", ""));
  upstream().write(ok("three"));
  expect(c, ok("one") + ok("two") + ok("three"));
}

TEST_P(Conversation, LeavesWhatIsPastThePipelineDepthInTheSocket) {
  settings.limits.pipeline_depth = 3;
  start();
  Peer& c = client();
  constexpr int requests = 60;
  for (int i = 0; i < requests; ++i) {
    c.write("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    turn();
  }
  run_for(20ms);
  EXPECT_LE(worker_buffers_leased(), 10u);  // a few more may have come before the cancel
  for (int i = 0; i < requests; ++i) {
    const std::string request = forwarded("GET /" + std::to_string(i) + " HTTP/1.1", "");
    Peer* asked = nullptr;  // a new connection, where the answer overtook what is seen of the request's send
    run_until(
        [&] {
          for (Peer* peer : upstreams_seen()) {
            if (peer->received().ends_with(request)) asked = peer;
          }
          return asked != nullptr;
        },
        "the next request");
    ASSERT_NE(asked, nullptr);
    asked->write(ok("x"));
    expect(c, ok("x"));
  }
}

TEST_P(Conversation, ReadsAHeadThatComesByteByByte) {
  start();
  Peer& c = client();
  for (const char byte : std::string_view("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")) {
    c.write(std::string_view(&byte, 1));
    turn();
  }
  expect(upstream(), forwarded("GET /slow HTTP/1.1", ""));
  for (const char byte : ok("x")) {
    upstream().write(std::string_view(&byte, 1));
    turn();
  }
  expect(c, ok("x"));
  EXPECT_GE(meters().heads_in_pieces.value(), 1u);
}

TEST_P(Conversation, PassesALargeHeadInOneRequest) {
  start();
  Peer& c = client();
  const std::string cookie(20'000, 'c');
  c.write("GET / HTTP/1.1\r\nHost: h\r\nCookie: " + cookie + "\r\n\r\n");
  expect(upstream(), forwarded("GET / HTTP/1.1", "Cookie: " + cookie + "\r\n"));
  const std::string fields = "X-Long: " + std::string(25'000, 'x') + "\r\n";
  upstream().write(ok("body", fields));
  expect(c, ok("body", fields));
}

TEST_P(Conversation, ClosesAfterTheAnswerWhenTheClientAsks) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /ignored HTTP/1.1\r\nHost: h\r\n\r\n");
  expect(upstream(), forwarded("GET / HTTP/1.1", ""));
  upstream().write(ok("bye"));
  expect(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbye");
  expect_end(c);
  expect_nothing(upstream());
  EXPECT_EQ(meters().requests.value(), 1u);
}

TEST_P(Conversation, SkipsTheBodyThatHeadAndNotModifiedDoNotHave) {
  start();
  Peer& c = client();
  c.write("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  expect(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  c.write("GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: x\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n");
  expect(c, "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n");
  c.write("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 204 No Content\r\n\r\n");
  expect(c, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(Conversation, DoesNotReuseAConnectionOnWhichBytesFollowTheAnswer) {
  start();
  Peer& c = client();
  c.write("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write(ok("one") + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  expect(c, ok("one"));
  Peer& first = upstream();
  expect_end(first);
  c.write("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
  run_until([&] { return &upstream() != &first; }, "a new connection");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write(ok("two"));
  expect(c, ok("two"));
}

TEST_P(Conversation, ForgetsAnIdleUpstreamConnectionThatTheReplicaCloses) {
  start();
  expect_service();
  Peer& first = upstream();
  first.end();
  run_until([&] { return replica(0).meters[0].connections.value() == 0; }, "the end of the idle connection");
  expect_service();
  EXPECT_EQ(upstream_connections(), 2u);
  EXPECT_EQ(meters().retries.value(), 0u);
}

TEST_P(Conversation, AddsADateWhereTheReplicaGivesNone) {
  date = true;
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 204 No Content\r\n\r\n");
  wait_for(c, "\r\nDate: ");
  wait_for(c, " GMT\r\n");
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
  wait_for(c, "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
}

// --- bodies ---------------------------------------------------------------------------------------------------------

TEST_P(Conversation, StreamsABodyByLengthBothWays) {
  start();
  Peer& c = client();
  std::string body(1'000'000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 251);
  c.write("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + body);
  expect(upstream(), forwarded("POST /up HTTP/1.1", "Content-Length: 1000000\r\n") + body);
  upstream().write(ok(body));
  expect(c, ok(body));
  expect_service();
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(Conversation, RewritesChunksAndDropsExtensionsAndTrailers) {
  start();
  Peer& c = client();
  c.write(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0005;ext=\"1\"\r\nhello\r\n6\r\n world\r\n0\r\n"
      "X-Trailer: 1\r\n\r\n");
  Peer& up = upstream();
  wait_for(up, "Transfer-Encoding: chunked\r\n");
  wait_for(up, "\r\n\r\n");
  wait_for(up, "0\r\n\r\n");
  EXPECT_EQ(up.received().find("ext"), std::string::npos);
  EXPECT_EQ(up.received().find("Trailer"), std::string::npos);
  up.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n");
  wait_for(c, "Transfer-Encoding: chunked\r\n\r\n");
  wait_for(c, "abc\r\n");
  wait_for(c, "0\r\n\r\n");
  EXPECT_EQ(unread(c), "");
  expect_service();
}

TEST_P(Conversation, ChunksAnAnswerThatEndsWithItsConnection) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\n\r\nhello");
  wait_for(c, "Transfer-Encoding: chunked\r\n\r\n");
  upstream().end();
  wait_for(c, "0\r\n\r\n");
  EXPECT_FALSE(c.ended());
  expect_service();
}

TEST_P(Conversation, GivesAnHttp10ClientABareBodyAndAnEnd) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.0\r\n\r\n");
  wait_for(upstream(), "GET / HTTP/1.1\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  expect(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
  expect_end(c);
}

// One pass of a multishot receive reads 32 times at most (the kernel's MULTISHOT_MAX_RETRY); no second pass begins
// while its arrivals wait; some more come before the cancel takes hold.
constexpr uint32_t leased_max = 32 + 8;

TEST_P(Conversation, StopsReadingFromTheReplicaWhileTheClientDoesNotRead) {
  start();
  Peer& c = client();
  c.pause_reading();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  const std::string body(64 * 1024 * 1024, 'b');
  upstream().write(ok(body));
  run_for(200ms);
  EXPECT_LE(worker_buffers_leased(), leased_max);
  c.resume_reading();
  expect(c, ok(body));
}

TEST_P(Conversation, StopsReadingFromTheClientWhileTheReplicaDoesNotRead) {
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 33554432\r\n\r\n");
  Peer& up = upstream();
  wait_for(up, "\r\n\r\n");
  up.pause_reading();
  const std::string body(32 * 1024 * 1024, 'b');
  c.write(body);
  run_for(200ms);
  EXPECT_LE(worker_buffers_leased(), leased_max);
  up.resume_reading();
  expect(up, body);
  up.write(ok("thanks"));
  expect(c, ok("thanks"));
}

// --- 1xx and upgrades -----------------------------------------------------------------------------------------------

TEST_P(Conversation, AnswersExpectContinueItselfAndDoesNotPassItOn) {
  start();
  Peer& c = client();
  c.write("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  expect(c, "HTTP/1.1 100 Continue\r\n\r\n");
  c.write("abc");
  expect(upstream(), forwarded("PUT / HTTP/1.1", "Content-Length: 3\r\n") + "abc");
  upstream().write("HTTP/1.1 100 Continue\r\n\r\n" + ok("done"));
  expect(c, ok("done"));
}

TEST_P(Conversation, PassesEarlyHintsOnAndRefusesAFloodOfThem) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n");
  expect(c, "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n");
  upstream().write(ok("page"));
  expect(c, ok("page"));
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  std::string flood;
  for (int i = 0; i < 50; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
  upstream().write(flood);
  wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
  EXPECT_EQ(refusals(http::Cause::response_too_many_interim), 1u);
}

TEST_P(Conversation, TunnelsAWebSocketOnlyAfterTheReplicaHasSwitched) {
  start();
  Peer& c = client();
  c.write("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly");
  expect(upstream(), forwarded("GET /ws HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  expect_nothing(upstream());  // bytes of the tunnel wait for the 101
  upstream().write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi");
  wait_for(c, "HTTP/1.1 101 Switching Protocols\r\n");
  wait_for(c, "\r\n\r\n");
  expect(c, "hi");
  expect(upstream(), "early");
  EXPECT_EQ(meters().tunnels.value(), 1u);
  const std::string much(300'000, 'w');
  c.write(much);
  expect(upstream(), much);
  upstream().write(much);
  expect(c, much);
  c.end();
  expect_end(upstream());
  upstream().write("last");
  expect(c, "last");
  upstream().end();
  expect_end(c);
  run_until([&] { return meters().tunnels.value() == 0; }, "the end of the tunnel");
}

TEST_P(Conversation, GoesOnWithHttpWhenTheReplicaDoesNotSwitch) {
  start();
  Peer& c = client();
  c.write(
      "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: "
      "h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write(ok("no"));
  expect(c, ok("no"));
  expect(upstream(), forwarded("GET /smuggled HTTP/1.1", ""));  // a request like any other, read and rebuilt
  upstream().write(ok("yes"));
  expect(c, ok("yes"));
  EXPECT_EQ(meters().requests.value(), 2u);
}

TEST_P(Conversation, RefusesASwitchThatNobodyAskedFor) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
  wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
  EXPECT_EQ(refusals(http::Cause::response_unasked_upgrade), 1u);
}

// --- refusals -------------------------------------------------------------------------------------------------------

struct Refused {
  std::string_view bytes;
  std::string_view status_line;
  http::Cause cause;
};

TEST_P(Conversation, RefusesWithTheStatusOfTheCauseAndLingers) {
  start();
  const Refused list[] = {
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", http::Cause::host_missing},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 ",
       http::Cause::framing_conflict},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP/1.1 505 ", http::Cause::version_not_supported},
      {"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ", http::Cause::connect_not_allowed},
      {"POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 417 ",
       http::Cause::expectation_failed},
  };
  for (const Refused& refused : list) {
    Peer& c = client();
    c.write(std::string(refused.bytes) + "GET /never HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(c, refused.status_line);
    wait_for(c, "\r\n\r\n");
    run_until([&] { return c.ended() || c.was_reset(); }, "the end");
    EXPECT_FALSE(c.was_reset()) << refused.bytes;  // the reply must not be lost to a reset
    EXPECT_NE(c.received().find("\"status\":\"failure\""), std::string::npos);
    EXPECT_EQ(refusals(refused.cause), 1u) << refused.bytes;
  }
  EXPECT_EQ(upstream_connections(), 0u);
  expect_service();
}

TEST_P(Conversation, RefusesLongLinesManyFieldsAndLargeBodies) {
  settings.limits.body_bytes = 1000;
  start();
  const auto refused = [&](const std::string& bytes, std::string_view status_line) {
    Peer& c = client();
    c.write(bytes);
    wait_for(c, status_line);
  };
  refused("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n", "HTTP/1.1 414 ");
  refused("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(40'000, 'a'), "HTTP/1.1 431 ");
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 200; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  refused(many, "HTTP/1.1 431 ");
  refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 ");
  EXPECT_EQ(upstream_connections(), 0u);
  refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x') + "\r\n",
          "HTTP/1.1 413 ");
  expect_service();
}

TEST_P(Conversation, BreaksOffTheReplicasRequestWhenAChunkIsMalformed) {
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  Peer& up = upstream();
  wait_for(up, "hello\r\n");
  c.write("nonsense\r\n");
  wait_for(c, "HTTP/1.1 400 Bad Request\r\n");
  expect_end(up);
  EXPECT_EQ(refusals(http::Cause::chunk_malformed), 1u);
}

// --- the replica fails ----------------------------------------------------------------------------------------------

TEST_P(Conversation, TriesTheNextReplicaWhenOneRefuses) {
  start({refusing(), server(), refusing()});
  for (int i = 0; i < 8; ++i) {
    Peer& c = client();
    c.write("POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    wait_for(upstream(), "\r\n\r\nx");
    upstream().write(ok("served"));
    expect(c, ok("served"));
  }
  EXPECT_GE(meters().retries.value(), 1u);
  int reported = 0;
  control().take_troubles([&](const Trouble& trouble) {
    ++reported;
    EXPECT_EQ(trouble.cause, http::Cause::replica_refused);
    EXPECT_NE(trouble.upstream_id, replica(1).id);
  });
  EXPECT_GE(reported, 1);
}

TEST_P(Conversation, SaysWhyWhenNoReplicaIsLeft) {
  start({refusing(), refusing()});
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
  wait_for(c, "\"cause\":\"replica_refused\"");
  EXPECT_FALSE(c.ended());  // nothing is wrong with the client
}

TEST_P(Conversation, TriesOnceMoreWhenAKeptConnectionWasClosedAsItWasTaken) {
  start();
  expect_service();
  Peer& first = upstream();
  Peer& c = client();
  c.write("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(first, "GET /again");
  first.reset();
  run_until([&] { return &upstream() != &first; }, "a second connection");
  wait_for(upstream(), "GET /again");
  upstream().write(ok("here"));
  expect(c, ok("here"));
  EXPECT_EQ(meters().retries.value(), 1u);
  EXPECT_EQ(replica(0).meters[0].ejections.value(), 0u);
}

TEST_P(Conversation, NeverHandsAPostOverTwiceOnceAReplicaHasReadOfIt) {
  start({server(), server()});
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  wait_for(upstream(), "\r\n\r\nx");
  upstream().reset();
  wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
  wait_for(c, "\"cause\":\"replica_reset\"");
  EXPECT_EQ(upstream_connections(), 1u);
  EXPECT_EQ(meters().retries.value(), 0u);
}

TEST_P(Conversation, RefusesAnAnswerThatIsNotHttp) {
  start();
  for (const std::string_view garbage :
       {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"}) {
    Peer& c = client();
    c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    const uint32_t before = upstream_connections();
    run_until([&] { return upstream_connections() > before || !unread(upstream()).empty(); }, "the request");
    wait_for(upstream(), "\r\n\r\n");
    upstream().write(garbage);
    wait_for(c, "HTTP/1.1 502 Bad Gateway\r\n");
    expect_end(upstream());
  }
}

TEST_P(Conversation, CutsAnAnswerThatTheReplicaBreaksOff) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  wait_for(c, "half");
  upstream().end();
  expect_end(c);
  EXPECT_EQ(meters().answers_truncated.value(), 1u);
}

TEST_P(Conversation, ResetsAnHttp10ClientWhoseAnswerBreaksOff) {
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  wait_for(c, "half");
  upstream().end();
  run_until([&] { return c.ended() || c.was_reset(); }, "the reset");
  EXPECT_TRUE(c.was_reset());  // an orderly end would look like a whole answer
}

TEST_P(Conversation, PassesAnEarlyAnswerOnAndReusesNeitherConnection) {
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome");
  wait_for(upstream(), "some");
  upstream().write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  expect(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  expect_end(c);
  expect_end(upstream());
}

// --- time -----------------------------------------------------------------------------------------------------------

TEST_P(Conversation, GivesUpOnAClientThatDoesNotFinishItsHead) {
  settings.timeouts.request_header = 50ms;
  start();
  Peer& silent = client();
  Peer& slow = client();
  slow.write("GET / HTTP/1.1\r\nHost");
  wait_for(slow, "HTTP/1.1 408 Request Timeout\r\n");
  run_until([&] { return slow.ended() && silent.ended(); }, "the end of both");
  EXPECT_EQ(silent.received(), "");
  EXPECT_EQ(refusals(http::Cause::request_timeout), 1u);
}

TEST_P(Conversation, GivesUpOnAReplicaThatDoesNotAnswerAndTriesTheNext) {
  settings.timeouts.response = 400ms;   // the second must answer within it, however busy the machine
  start({server(), server()});
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer& hanging = upstream();
  wait_for(hanging, "\r\n\r\n");
  run_until([&] { return &upstream() != &hanging; }, "the second try");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write(ok("alive"));
  expect(c, ok("alive"));
  expect_end(hanging);
  EXPECT_EQ(meters().retries.value(), 1u);
}

TEST_P(Conversation, AnswersGatewayTimeoutForAPostThatHangs) {
  settings.timeouts.response = 40ms;
  start({server(), server()});
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  wait_for(c, "HTTP/1.1 504 Gateway Timeout\r\n");
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(Conversation, ClosesIdleConnectionsAfterKeepAlive) {
  settings.timeouts.keep_alive = 50ms;
  settings.timeouts.upstream_keep_alive = 50ms;
  start();
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write(ok("x"));
  expect(c, ok("x"));
  expect_end(c);
  expect_end(upstream());
}

// --- tables and endings ---------------------------------------------------------------------------------------------

TEST_P(Conversation, LetsADepartedReplicaFinishAndThenReleasesIt) {
  start();
  Peer& c = client();
  c.write("GET /old HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer& old = upstream();
  wait_for(old, "\r\n\r\n");
  const Upstream& departed = replica(0);
  const UpstreamPtr hold = control().published()->upstreams[0];
  publish({server()});
  run_for(10ms);
  EXPECT_FALSE(control().released(departed));
  old.write(ok("from the old one"));
  expect(c, ok("from the old one"));
  run_until([&] { return control().released(departed); }, "the release");
  expect_service();
}

TEST_P(Conversation, DrainsByFinishingWhatIsUnderWayAndSayingClose) {
  start();
  Peer& busy = client();
  busy.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  control().set_phase(Phase::draining);
  run_for(10ms);
  upstream().write(ok("last"));
  expect(busy, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast");
  expect_end(busy);
}

TEST_P(Conversation, DrainsWhoHasConnectedAndWasNotAcceptedYet) {
  settings.limits.connections = 1;
  start();
  Peer& busy = client();
  busy.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  Peer& its_upstream = upstream();
  wait_for(its_upstream, "\r\n\r\n");
  Peer& waiting = client();
  waiting.write("GET /waiting HTTP/1.1\r\nHost: h\r\n\r\n");
  run_for(10ms);
  control().set_phase(Phase::draining);
  run_until([&] { return upstream_connections() == 2; }, "a connection for the one that waited");
  wait_for(upstream(), "GET /waiting");
  its_upstream.write(ok("last"));
  wait_for(busy, "last");
  upstream().write(ok("of all"));
  expect(waiting, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nof all");
  expect_end(waiting);
}

TEST_P(Conversation, KeepsTheOnlyClientThatItMayHave) {
  settings.limits.connections = 1;
  start();
  Peer& only = client();
  run_for(200ms);
  only.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write(ok("served"));
  wait_for(only, "served");
  EXPECT_EQ(meters().connections_retired.value(), 0u);
}

// The last answer and the end leave together; the descriptor may be another client's before its completion is seen.
TEST_P(Conversation, ClosesWithTheAnswerThatTheClientAskedToBeTheLast) {
  start();
  for (int i = 0; i < 8; ++i) {
    Peer& c = client();
    Peer& next = client();
    c.write("GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    wait_for(upstream(), "GET /last");
    upstream().write(ok("bye"));
    expect(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbye");
    expect_end(c);
    EXPECT_FALSE(c.was_reset());
    next.write("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(upstream(), "GET /next");
    upstream().write(ok("on"));
    wait_for(next, "\r\n\r\non");
    next.end();
  }
  run_until([&] { return meters().client_connections.value() == 0; }, "the end of all clients");
}

// A reader that stops in the middle of its last answer is given up, although the close waits behind the send.
TEST_P(Conversation, GivesUpOnAReaderThatStopsInItsLastAnswer) {
  settings.timeouts.response_idle = 300ms;
  start();
  Peer& c = client();
  c.pause_reading();
  c.write("GET /last HTTP/1.0\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "GET /last");
  const std::string body(16 << 20, 'x');
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  run_until([&] { return meters().client_connections.value() == 0; }, "the end of its connection");
  EXPECT_GE(meters().client_aborts.value(), 1u);
  expect_service();
}

TEST_P(Conversation, RetiresTheLongestIdleClientToServeANewOne) {
  settings.limits.connections = 3;
  start();
  Peer& first = client();
  run_until([&] { return meters().client_connections.value() == 1; }, "the first");
  for (int i = 0; i < 2; ++i) client();
  run_until([&] { return meters().connections_accepted.value() == 3; }, "three clients");
  expect_service();
  run_until([&] { return first.ended() || first.was_reset(); }, "the end of the longest idle");
  EXPECT_GE(meters().connections_retired.value(), 1u);
}

TEST_P(Conversation, TranslatesNotFoundInDropInMode) {
  settings.proxy.drop_in = true;
  start();
  Peer& c = client();
  c.write("GET /other?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!");
  wait_for(c, "HTTP/1.1 400 Bad Request\r\n");
  wait_for(c, "\r\n\r\n");
  expect(c, R"({"message":"<Error> '/other' endpoint does not exist in server replicas","status":"failure"})");
  EXPECT_FALSE(c.ended());
  c.write("GET /home HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "GET /home");
  EXPECT_EQ(upstream_connections(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Kernel, Conversation, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, Conversation, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, Conversation, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
