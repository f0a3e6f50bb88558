#include "async/http_server.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "async/http_client.h"
#include "fixture.h"

namespace ringmaster::async {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A server whose handler says what it was asked; paths choose what else it does.
class HttpServerTest : public LoopTest {
 protected:
  Task<Answer> handle(const Request& request) {
    seen_.push_back(std::string(request.method()) + " " + std::string(request.target()));
    Answer answer;
    answer.content_type = "text/plain";
    if (request.path() == "/slow") (void)co_await loop_.sleep(milliseconds(60), request.scope);
    if (request.path() == "/held") (void)co_await held_.wait({UINT64_MAX, request.scope});
    if (request.path() == "/endless") (void)co_await loop_.sleep(seconds(1000), request.scope);
    if (request.path() == "/empty") {
      answer.status = 204;
      co_return answer;
    }
    if (request.path() == "/bad-field") answer.fields.emplace_back("X-Bad", "a\r\nX-Injected: b");
    if (request.path() == "/events") {
      answer.content_type = "text/event-stream";
      answer.stream = [this](BodyWriter& writer) { return write_events(writer); };
      co_return answer;
    }
    if (request.path() == "/large") {
      answer.stream = [this](BodyWriter& writer) { return write_large(writer); };
      co_return answer;
    }
    answer.fields.emplace_back("X-Seen", std::string(request.field("x-test")));
    answer.body = std::string(request.method()) + " " + std::string(request.target()) + " [" + request.body + "]";
    co_return answer;
  }
  Task<void> write_events(BodyWriter& writer) {
    EXPECT_TRUE(co_await writer.write("data: one\n\n"));
    EXPECT_TRUE(co_await writer.write("data: two\n\n"));
    if (endless_events_) {
      while (true) {
        const Result<void> slept = co_await loop_.sleep(seconds(1000), &writer.stopping());
        if (!slept) break;
      }
      stream_was_stopped_ = true;
    }
  }
  static constexpr size_t large_piece = 100'000;
  Task<void> write_large(BodyWriter& writer) {
    for (char c = 'a'; c < 'e' && !writer.broken(); ++c) (void)co_await writer.write(std::string(large_piece, c));
  }

  // Starts the server, runs `client` against it, stops.
  template <class Client>
  void with_server(Client client) {
    HttpServer server(loop_, [this](const Request& request) { return handle(request); }, settings_);
    Listener listener = listen();
    const SocketAddress address = address_of(listener);
    server.serve(std::move(listener));
    loop_.spawn(drive(client, server, address));
    loop_.run();
    EXPECT_EQ(server.connections(), 0u);
  }
  template <class Client>
  Task<void> drive(Client& client, HttpServer& server, SocketAddress address) {
    co_await client(server, address);
    co_await server.stop(milliseconds(1000));
  }
  // What comes back for these bytes, to the end of the connection.
  std::string answer_to(std::string bytes) {
    std::string heard;
    const auto client = [&](HttpServer&, SocketAddress address) -> Task<void> {
      RawClient raw(loop_);
      co_await raw.connect(address);
      co_await raw.say(bytes);
      heard = co_await raw.hear_all();
    };
    with_server(client);
    return heard;
  }

  HttpServerSettings settings_;
  Event held_{loop_};
  std::vector<std::unique_ptr<RawClient>> fillers_;
  std::vector<std::string> seen_;
  bool endless_events_ = false;
  bool stream_was_stopped_ = false;
};

constexpr const char* host = "Host: a\r\n";

std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\n" + host + fields + "\r\n";
}

TEST_F(HttpServerTest, AnswersWithLengthTypeDateAndOwnFields) {
  const std::string heard = answer_to(get("/a?b=c", "X-Test: 42\r\nConnection: close\r\n"));
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(heard, HasSubstr(" GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
                               "X-Seen: 42\r\nConnection: close\r\n"));
  EXPECT_THAT(heard, EndsWith("\r\n\r\nGET /a?b=c []"));
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrderAndKeepsTheConnection) {
  const std::string heard = answer_to(get("/slow") + "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" +
                                      get("/c", "Connection: close\r\n") + get("/never"));
  EXPECT_THAT(seen_, ElementsAre("GET /slow", "POST /b", "GET /c"));
  EXPECT_LT(heard.find("GET /slow []"), heard.find("POST /b [body]"));
  EXPECT_LT(heard.find("POST /b [body]"), heard.find("GET /c []"));
}

TEST_F(HttpServerTest, ReadsABodyThatComesByteByByteInEitherFraming) {
  const auto client = [&](HttpServer&, SocketAddress address) -> Task<void> {
    RawClient raw(loop_);
    co_await raw.connect(address);
    const std::string requests =
        "POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n";
    for (const char c : requests) {
      co_await raw.say(std::string(1, c));
      co_await loop_.turn();
    }
    const std::string heard = co_await raw.hear("POST /c [defgh]");
    EXPECT_THAT(heard, HasSubstr("POST /l [abc]"));
    EXPECT_THAT(heard, EndsWith("POST /c [defgh]"));
  };
  with_server(client);
}

TEST_F(HttpServerTest, SendsNoBodyForHeadNorWith204) {
  const std::string heard = answer_to("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n" + get("/empty") +
                                      "HEAD /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(heard, HasSubstr("Content-Length: 10\r\n"));  // of "HEAD /h []"
  EXPECT_THAT(heard, HasSubstr("\r\n\r\nHTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(heard, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(heard, EndsWith("\r\n\r\n"));
  EXPECT_THAT(heard, Not(HasSubstr("data:")));
}

TEST_F(HttpServerTest, StreamsInChunksAndToCloseForHttp10) {
  EXPECT_THAT(answer_to(get("/events", "Connection: close\r\n")),
              EndsWith("\r\n\r\nb\r\ndata: one\n\n\r\nb\r\ndata: two\n\n\r\n0\r\n\r\n"));
  const std::string old = answer_to("GET /events HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old, EndsWith("\r\n\r\ndata: one\n\ndata: two\n\n"));
  EXPECT_THAT(old, Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, StreamsPiecesThatAreLargerThanABuffer) {
  const auto client = [&](HttpServer&, SocketAddress address) -> Task<void> {
    ClientRequest request;
    request.address = address;
    request.target = "/large";
    const Result<ClientAnswer> answer = co_await fetch(loop_, request, loop_.within(seconds(10)));
    EXPECT_TRUE(answer);
    if (!answer) co_return;
    EXPECT_EQ(answer->body.size(), 4 * large_piece);
    EXPECT_EQ(answer->body.find('d'), 3 * large_piece);
  };
  with_server(client);
}

TEST_F(HttpServerTest, KeepsHttp10ConnectionsOnlyWhereAsked) {
  EXPECT_THAT(answer_to("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n"), EndsWith("GET /a []"));
  const std::string kept = answer_to("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n");
  EXPECT_THAT(kept, HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(kept, EndsWith("GET /b []"));
}

TEST_F(HttpServerTest, RefusesMalformedHeadsAndNeverCallsTheHandler) {
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer_to("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(answer_to("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(seen_, ElementsAre());
}

TEST_F(HttpServerTest, RefusesHeadsOverTheLimits) {
  settings_.head = {.request_line_bytes = 100, .header_bytes = 200, .header_count = 3};
  EXPECT_THAT(answer_to(get("/" + std::string(200, 'a'))), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(answer_to(get("/", "X: " + std::string(300, 'a') + "\r\n")), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(answer_to(get("/", "A: 1\r\nB: 1\r\nC: 1\r\n")), StartsWith("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, RefusesBodiesOverTheLimitInEitherFraming) {
  settings_.body_bytes_max = 8;
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n12345678"),
              EndsWith("[12345678]"));
}

TEST_F(HttpServerTest, ARefusalReachesAClientThatIsStillSending) {
  settings_.body_bytes_max = 8;
  const std::string heard =
      answer_to("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(heard, Not(HasSubstr("<")));  // no error: an orderly end
}

TEST_F(HttpServerTest, RefusesAMalformedChunk) {
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, SaysContinueOnlyWhereTheBodyIsWantedAndNotYetThere) {
  const auto client = [&](HttpServer&, SocketAddress address) -> Task<void> {
    RawClient raw(loop_);
    co_await raw.connect(address);
    co_await raw.say("POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(co_await raw.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    co_await raw.say("ok");
    EXPECT_THAT(co_await raw.hear("[ok]"), StartsWith("HTTP/1.1 200 "));
    co_await raw.say("POST /f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
    EXPECT_THAT(co_await raw.hear_all(), StartsWith("HTTP/1.1 413 "));
  };
  with_server(client);
}

TEST_F(HttpServerTest, AHeadThatTakesTooLongIsToldSoAndAnIdleConnectionIsClosedInSilence) {
  settings_.header_timeout = milliseconds(30);
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHo"), StartsWith("HTTP/1.1 408 "));
  settings_.idle_timeout = milliseconds(30);
  EXPECT_THAT(answer_to(get("/a")), EndsWith("GET /a []"));
}

TEST_F(HttpServerTest, ABodyThatStopsIsToldSo) {
  settings_.body_idle_timeout = milliseconds(30);
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n12"), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, TurnsAwayConnectionsOverTheLimitWhileAllOthersAreServed) {
  settings_.connections_max = 1;
  const auto client = [&](HttpServer& server, SocketAddress address) -> Task<void> {
    RawClient first(loop_);
    co_await first.connect(address);
    co_await first.say(get("/held"));
    while (seen_.empty()) (void)co_await loop_.sleep(milliseconds(1));
    RawClient second(loop_);
    co_await second.connect(address);
    EXPECT_THAT(co_await second.hear_all(), StartsWith("HTTP/1.1 503 "));
    second.close();
    held_.set();
    EXPECT_THAT(co_await first.hear("GET /held []"), StartsWith("HTTP/1.1 200 "));
    first.close();
    while (server.connections() > 0) (void)co_await loop_.sleep(milliseconds(1));
    RawClient third(loop_);
    co_await third.connect(address);
    co_await third.say(get("/b"));
    EXPECT_THAT(co_await third.hear("GET /b []"), StartsWith("HTTP/1.1 200 "));
  };
  with_server(client);
}

// One that is idle, one in the middle of a head, one in the middle of a body: each makes room for one that asks.
TEST_F(HttpServerTest, WhoKeepsItWaitingLongestMakesRoomForTheNext) {
  settings_.connections_max = 3;
  const auto client = [&](HttpServer& server, SocketAddress address) -> Task<void> {
    RawClient idle(loop_), head(loop_), body(loop_);
    co_await idle.connect(address);
    co_await idle.say(get("/i"));
    (void)co_await idle.hear("GET /i []");
    co_await head.connect(address);
    co_await head.say("GET /h HTTP/1.1\r\n");
    while (server.connections() < 2) (void)co_await loop_.sleep(milliseconds(1));
    co_await body.connect(address);
    co_await body.say("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
    while (server.connections() < 3) (void)co_await loop_.sleep(milliseconds(1));
    for (RawClient* const silent : {&idle, &head, &body}) {
      RawClient next(loop_);
      co_await next.connect(address);
      co_await next.say(get("/next", "Connection: close\r\n"));
      EXPECT_THAT(co_await next.hear_all(), StartsWith("HTTP/1.1 200 "));
      EXPECT_EQ(co_await silent->hear_all(), "");
      while (server.connections() > 2) (void)co_await loop_.sleep(milliseconds(1));
      next.close();
      silent->close();
      if (silent == &body) break;
      fillers_.push_back(std::make_unique<RawClient>(loop_));
      co_await fillers_.back()->connect(address);
      while (server.connections() < 3) (void)co_await loop_.sleep(milliseconds(1));
    }
    for (const auto& filler : fillers_) filler->close();
  };
  with_server(client);
}

TEST_F(HttpServerTest, AFieldThatWouldBreakTheHeadIsLeftOut) {
  EXPECT_THAT(answer_to(get("/bad-field", "Connection: close\r\n")), Not(HasSubstr("X-Injected")));
}

TEST_F(HttpServerTest, StopLetsExchangesFinishAndClosesIdleConnectionsAtOnce) {
  std::string busy_heard, idle_heard;
  const auto client = [&](HttpServer& server, SocketAddress address) -> Task<void> {
    RawClient busy(loop_), idle(loop_);
    co_await idle.connect(address);
    co_await idle.say(get("/i"));
    (void)co_await idle.hear("GET /i []");
    co_await busy.connect(address);
    co_await busy.say(get("/held"));
    while (seen_.size() < 2) (void)co_await loop_.sleep(milliseconds(1));
    Group group(loop_);
    const auto stop = [](HttpServer& stopped) -> Task<void> { co_await stopped.stop(seconds(5)); };
    const auto hear = [](RawClient& raw, std::string& heard) -> Task<void> {
      heard = co_await raw.hear_all();
      raw.close();
    };
    group.spawn(hear(busy, busy_heard));
    group.spawn(hear(idle, idle_heard));
    group.spawn(stop(server));
    while (server.connections() > 1) (void)co_await loop_.sleep(milliseconds(1));
    held_.set();
    co_await group.join();
    const Result<Socket> late = co_await loop_.connect(address, loop_.within(seconds(5)));
    EXPECT_FALSE(late);
  };
  with_server(client);
  EXPECT_THAT(busy_heard, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(busy_heard, EndsWith("GET /held []"));
  EXPECT_EQ(idle_heard, "");
}

TEST_F(HttpServerTest, StopEndsStreamsInOrder) {
  endless_events_ = true;
  std::string heard;
  const auto client = [&](HttpServer& server, SocketAddress address) -> Task<void> {
    RawClient raw(loop_);
    co_await raw.connect(address);
    co_await raw.say(get("/events"));
    heard = co_await raw.hear("two\n\n\r\n");
    Group group(loop_);
    const auto stop = [](HttpServer& stopped) -> Task<void> { co_await stopped.stop(seconds(5)); };
    group.spawn(stop(server));
    heard = co_await raw.hear_all();
    raw.close();
    co_await group.join();
  };
  with_server(client);
  EXPECT_TRUE(stream_was_stopped_);
  EXPECT_EQ(heard, "0\r\n\r\n");
}

TEST_F(HttpServerTest, StopCutsWhatDoesNotFinishWithinItsGrace) {
  const auto client = [&](HttpServer& server, SocketAddress address) -> Task<void> {
    RawClient raw(loop_);
    co_await raw.connect(address);
    co_await raw.say(get("/endless"));
    while (seen_.empty()) (void)co_await loop_.sleep(milliseconds(1));
    co_await server.stop(milliseconds(30));   // or it sleeps for a thousand seconds
    EXPECT_EQ(server.connections(), 0u);
  };
  with_server(client);
}

TEST_F(HttpServerTest, LoopStopCutsEverythingAtOnce) {
  const auto client = [&](HttpServer&, SocketAddress address) -> Task<void> {
    RawClient raw(loop_);
    co_await raw.connect(address);
    co_await raw.say(get("/endless"));
    while (seen_.empty()) (void)co_await loop_.sleep(milliseconds(1));
    loop_.stop();
    EXPECT_EQ(co_await raw.hear_all(), "");
  };
  with_server(client);
}

}  // namespace
}  // namespace ringmaster::async
