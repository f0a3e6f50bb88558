// The same loop, server and client over the seeded network in memory: short reads, stalled sends, completions that
// overtake each other, late cancels, failing accepts. A failing seed is said; RINGMASTER_FAKE_SEED replays it.
#include <gmock/gmock.h>

#include <functional>
#include <string>

#include "async/http_client.h"
#include "async/http_server.h"
#include "tests/fake/fake_ring.h"

namespace ringmaster::async {
namespace {

using fake::FakePeer;
using fake::FakeRing;
using fake::FaultRates;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr uint64_t seed_count = 100;

class AsyncFakeTest : public testing::Test {
 protected:
  static Task<Answer> handle(Loop& loop, const Request& request) {
    if (request.path() == "/slow") (void)co_await loop.sleep(milliseconds(100), request.scope);
    if (request.path() == "/endless") (void)co_await loop.sleep(seconds(3600), request.scope);
    Answer answer;
    answer.content_type = "text/plain";
    answer.body = "<" + std::string(request.target()) + "|" + request.body + ">";
    if (request.path() == "/large") answer.body = std::string(300'000, 'L') + ">";
    co_return answer;
  }
  // Waits, in the ring's own time, until done() or long enough; then stops the server.
  static Task<void> stop_when(Loop& loop, HttpServer& server, std::function<bool()> done,
                              seconds at_most = seconds(600)) {
    const uint64_t end_ns = loop.within(at_most).deadline_ns;
    while (!done() && loop.now_ns() < end_ns) (void)co_await loop.sleep(milliseconds(5));
    co_await server.stop(seconds(5));
  }
  static Handler handler(Loop& loop) {
    return [&loop](const Request& request) { return handle(loop, request); };
  }
  static void expect_nothing_left(const FakeRing& ring, uint32_t listeners) {
    EXPECT_EQ(ring.in_flight(), 0u);
    EXPECT_EQ(ring.open_descriptors(), listeners);  // those are their owner's
  }
};

constexpr const char* conversation =
    "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    "POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
    "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n"
    "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
    "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

TEST_F(AsyncFakeTest, AConversationIsTheSameWhateverTheNetworkDoesToItsPieces) {
  for (const uint64_t seed : fake::seeds(seed_count)) {
    FakeRing ring(seed, FaultRates::harmless());
    SCOPED_TRACE(ring.replay());
    Loop loop(ring);
    HttpServer server(loop, handler(loop), {});
    const int listener = ring.listen();
    server.serve(Listener(Fd(listener)));
    FakePeer& first = ring.connect_client(listener);
    FakePeer& second = ring.connect_client(listener);
    first.write(conversation);
    second.write(conversation);
    loop.spawn(stop_when(loop, server, [&] { return first.ended() && second.ended(); }));
    loop.run();
    for (FakePeer* peer : {&first, &second}) {
      const std::string& heard = peer->received();
      size_t at = 0;
      for (const char* part : {"</slow|>", "</l|abcde>", "</c|defgh>", "LLL>", "Connection: close", "</last|>"}) {
        at = heard.find(part, at);
        ASSERT_NE(at, std::string::npos) << part;
      }
      EXPECT_FALSE(peer->was_reset());
    }
    EXPECT_EQ(server.requests(), 10u);
    expect_nothing_left(ring, 1);
  }
}

TEST_F(AsyncFakeTest, NothingIsLeftOverWhateverFails) {
  for (const uint64_t seed : fake::seeds(seed_count)) {
    FakeRing ring(seed, FaultRates::hostile());
    SCOPED_TRACE(ring.replay());
    Loop loop(ring);
    HttpServer server(loop, handler(loop), {});
    const int listener = ring.listen();
    server.serve(Listener(Fd(listener)));
    for (int i = 0; i < 8; ++i) {
      FakePeer& peer = ring.connect_client(listener);
      peer.write(std::string_view(conversation).substr(0, 40 + seed * 37 % 200));
      if (i % 4 == 0) ring.after(30'000'000, [&peer] { peer.reset(); });
      if (i % 4 == 1) ring.after(20'000'000, [&peer] { peer.end(); });
      if (i % 4 == 2) peer.pause_reading();
    }
    loop.spawn(stop_when(loop, server, [] { return false; }, seconds(1)));
    loop.run();
    EXPECT_EQ(server.connections(), 0u);
    expect_nothing_left(ring, 1);
  }
}

TEST_F(AsyncFakeTest, StopCutsReadersThatHaveStoppedReadingAndHandlersThatHang) {
  for (const uint64_t seed : fake::seeds(20)) {
    FakeRing ring(seed, FaultRates::harmless());
    SCOPED_TRACE(ring.replay());
    Loop loop(ring);
    HttpServer server(loop, handler(loop), {});
    const int listener = ring.listen();
    server.serve(Listener(Fd(listener)));
    FakePeer& blocked = ring.connect_client(listener);
    blocked.pause_reading();
    blocked.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    FakePeer& hanging = ring.connect_client(listener);
    hanging.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    loop.spawn(stop_when(loop, server, [] { return false; }, seconds(1)));
    const uint64_t before = ring.now_ns();
    loop.run();
    EXPECT_LT(ring.now_ns() - before, 10'000'000'000u);
    expect_nothing_left(ring, 1);
  }
}

TEST_F(AsyncFakeTest, AnAcceptThatFailsIsTriedAgain) {
  FakeRing ring(1);
  Loop loop(ring);
  HttpServer server(loop, handler(loop), {});
  const int listener = ring.listen();
  ring.fail_next_accept(EMFILE);
  server.serve(Listener(Fd(listener)));
  FakePeer& peer = ring.connect_client(listener);
  peer.write("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  loop.spawn(stop_when(loop, server, [&] { return peer.ended(); }));
  loop.run();
  EXPECT_THAT(peer.received(), EndsWith("</a|>"));
}

// --- the client ------------------------------------------------------------------------------------------------------

Task<void> ask(Loop& loop, const ClientRequest& request, Result<ClientAnswer>& answer, milliseconds time) {
  answer = co_await fetch(loop, request, loop.within(time));
}

TEST_F(AsyncFakeTest, TheClientReadsAnAnswerThatComesInPieces) {
  for (const uint64_t seed : fake::seeds(seed_count)) {
    FakeRing ring(seed, FaultRates::harmless());
    SCOPED_TRACE(ring.replay());
    Loop loop(ring);
    ClientRequest request;
    request.address = SocketAddress::loopback(9000);
    request.method = "POST";
    request.body = std::string(200'000, 'b');
    std::string heard;
    ring.serve(request.address, [&](FakePeer& peer) {
      peer.on_receive([&](FakePeer& self) {
        heard += self.take();
        if (heard.size() < 200'000 || !heard.ends_with('b')) return;
        if (heard.find("\r\n\r\n") + 4 + 200'000 != heard.size()) return;
        self.write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 20; ++i) self.write("5\r\nabcde\r\n");
        self.write("0\r\n\r\n");
      });
    });
    Result<ClientAnswer> answer;
    loop.spawn(ask(loop, request, answer, seconds(60)));
    loop.run();
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(answer->body.size(), 100u);
    EXPECT_THAT(heard, StartsWith("POST / HTTP/1.1\r\n"));
    expect_nothing_left(ring, 0);
  }
}

TEST_F(AsyncFakeTest, ADeadlineHoldsInEveryPhaseAlsoWhereTheCancelComesLate) {
  for (const uint64_t seed : fake::seeds(20)) {
    enum class Silence : uint8_t { connect, head, body, reading };
    for (const Silence silence : {Silence::connect, Silence::head, Silence::body, Silence::reading}) {
      FakeRing ring(seed, FaultRates::harmless());
      SCOPED_TRACE(ring.replay());
      Loop loop(ring);
      ClientRequest request;
      request.address = SocketAddress::loopback(9000);
      if (silence == Silence::reading) request.body = std::string(1'000'000, 'b');
      ring.serve(request.address, [&](FakePeer& peer) {
        if (silence == Silence::reading) peer.pause_reading();
        if (silence == Silence::body) peer.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
      });
      if (silence == Silence::connect) ring.never_answer(request.address);
      ring.delay_next_cancel(20'000'000);
      Result<ClientAnswer> answer;
      loop.spawn(ask(loop, request, answer, milliseconds(500)));
      const uint64_t before = ring.now_ns();
      loop.run();
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().kind, ErrorKind::timed_out);
      EXPECT_GE(ring.now_ns() - before, 500'000'000u);
      EXPECT_LE(ring.now_ns() - before, 560'000'000u);
      expect_nothing_left(ring, 0);
    }
  }
}

TEST_F(AsyncFakeTest, AResultThatOvertakesItsCancelCounts) {
  FakeRing ring(1);
  Loop loop(ring);
  const int listener = ring.listen();
  FakePeer& peer = ring.connect_client(listener);
  const auto task = [](Loop& on, int at, FakeRing& network, FakePeer& client) -> Task<void> {
    Acceptor acceptor(on, at);
    const Result<Socket> socket = co_await acceptor.next();
    network.delay_next_cancel(20'000'000);
    network.after(15'000'000, [&client] { client.write("just in time"); });
    char bytes[64];
    const Result<size_t> got = co_await on.receive(socket->get(), bytes, on.within(milliseconds(10)));
    EXPECT_EQ(std::string_view(bytes, got.value_or(0)), "just in time");
    co_await acceptor.end();
  };
  loop.spawn(task(loop, listener, ring, peer));
  loop.run();
  expect_nothing_left(ring, 1);
}

}  // namespace
}  // namespace ringmaster::async
