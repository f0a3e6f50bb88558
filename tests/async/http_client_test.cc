#include "async/http_client.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "fixture.h"

namespace ringmaster::async {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// The client against a server that says exactly what it is told to.
class HttpClientTest : public LoopTest {
 protected:
  enum class End : uint8_t { close, reset, hold };

  // One connection: reads a whole request, says `answer`, ends as `end` says.
  Task<void> answer_once(int listener, std::string answer, End end) {
    heard_.clear();
    Acceptor acceptor(loop_, listener);
    Result<Socket> socket = co_await acceptor.next(loop_.within(long_time));
    EXPECT_TRUE(socket);
    co_await acceptor.end();
    if (!socket) co_return;
    while (heard_.find("\r\n\r\n") == std::string::npos) {
      char bytes[4096];
      const Result<size_t> got = co_await loop_.receive(socket->get(), bytes, loop_.within(long_time));
      if (!got || *got == 0) break;
      heard_.append(bytes, *got);
    }
    if (!answer.empty()) (void)co_await loop_.send(socket->get(), answer, loop_.within(long_time));
    if (end == End::hold) {
      char bytes[16];
      (void)co_await loop_.receive(socket->get(), bytes, loop_.within(long_time));
    }
    // What was said must have been taken before a reset throws it away.
    if (end == End::reset) {
      (void)co_await loop_.sleep(milliseconds(20));
      loop_.ring().reset_on_close(socket->get());
    }
  }
  Task<void> ask(const ClientRequest& request, Result<ClientAnswer>& answer, milliseconds time) {
    answer = co_await fetch(loop_, request, loop_.within(time));
  }
  Result<ClientAnswer> exchange(std::string answer, End end = End::close, milliseconds time = seconds(10)) {
    const Listener listener = listen();
    request_.address = address_of(listener);
    Result<ClientAnswer> result;
    loop_.spawn(answer_once(listener.get(), std::move(answer), end));
    loop_.spawn(ask(request_, result, time));
    loop_.run();
    return result;
  }
  Task<void> ask_streaming(PieceHandler piece, Result<ClientAnswer>& answer, CancelScope& scope, milliseconds idle) {
    answer = co_await fetch_stream(loop_, request_, std::move(piece), loop_.within(long_time, &scope), idle);
  }
  Result<ClientAnswer> stream(std::string answer, PieceHandler piece, End end, milliseconds idle = {}) {
    const Listener listener = listen();
    request_.address = address_of(listener);
    Result<ClientAnswer> result;
    CancelScope scope;
    loop_.spawn(answer_once(listener.get(), std::move(answer), end));
    loop_.spawn(ask_streaming(std::move(piece), result, scope, idle));
    loop_.run();
    return result;
  }
  std::string body_of(std::string answer, End end = End::close) {
    const Result<ClientAnswer> result = exchange(std::move(answer), end);
    return result ? result->body : "<" + to_string(result.error()) + ">";
  }
  ErrorKind kind_of(std::string answer, End end = End::close) {
    const Result<ClientAnswer> result = exchange(std::move(answer), end);
    EXPECT_FALSE(result);
    return result ? ErrorKind::os : result.error().kind;
  }

  ClientRequest request_;
  std::string heard_;
};

TEST_F(HttpClientTest, SendsAWholeRequestAndAsksToClose) {
  request_.method = "POST";
  request_.target = "/v1/x?y=z";
  request_.host = "docker";
  request_.fields = {{"Content-Type", "application/json"}};
  request_.body = "{}";
  EXPECT_TRUE(exchange("HTTP/1.1 204 No Content\r\n\r\n"));
  EXPECT_EQ(heard_,
            "POST /v1/x?y=z HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 2\r\n"
            "Content-Type: application/json\r\n\r\n{}");
}

TEST_F(HttpClientTest, ReadsBodiesOfEveryFraming) {
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc", End::hold), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", End::hold),
            "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\n\r\nabc"), "abc");
  EXPECT_EQ(body_of("HTTP/1.0 200 OK\r\n\r\nabc"), "abc");
  const Result<ClientAnswer> answer =
      exchange("HTTP/1.1 404 Not Found\r\nx-a: b\r\nContent-Length: 0\r\n\r\n", End::hold);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->field("X-A"), "b");
  EXPECT_EQ(answer->body, "");
}

TEST_F(HttpClientTest, AnAnswerToHeadHasNoBodyWhateverItsLengthSays) {
  request_.method = "HEAD";
  const Result<ClientAnswer> answer = exchange("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", End::hold);
  EXPECT_TRUE(answer);
}

TEST_F(HttpClientTest, PassesOverInterimAnswersButNotOverTooManyNorASwitch) {
  EXPECT_EQ(body_of("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"), "a");
  std::string many;
  for (int i = 0; i < 50; ++i) many += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_EQ(kind_of(many), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            ErrorKind::malformed);
}

TEST_F(HttpClientTest, RefusesMalformedAnswers) {
  EXPECT_EQ(kind_of("SSH-2.0-OpenSSH\r\n"), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"), ErrorKind::malformed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'a') + "\r\n\r\n"), ErrorKind::malformed);
}

TEST_F(HttpClientTest, ToldApartAreEndsResetsAndSilence) {
  EXPECT_EQ(kind_of(""), ErrorKind::closed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nContent-Le"), ErrorKind::closed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), ErrorKind::closed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"), ErrorKind::closed);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\n\r\nabc", End::reset), ErrorKind::os);
  const Result<ClientAnswer> late =
      exchange("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", End::hold, milliseconds(30));
  EXPECT_EQ(late.error().kind, ErrorKind::timed_out);
}

TEST_F(HttpClientTest, RefusesAnswersOverTheLimitInEveryFraming) {
  request_.answer_bytes_max = 4;
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"), ErrorKind::full);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"), ErrorKind::full);
  EXPECT_EQ(kind_of("HTTP/1.1 200 OK\r\n\r\nabcde"), ErrorKind::full);
}

TEST_F(HttpClientTest, RefusesToSendWhatWouldBreakTheHead) {
  request_.target = "/a b";
  EXPECT_EQ(kind_of(""), ErrorKind::malformed);
  request_.target = "/a\r\nX: y";
  EXPECT_EQ(kind_of(""), ErrorKind::malformed);
  request_.target = "/";
  request_.fields = {{"X", "a\r\nY: b"}};
  EXPECT_EQ(kind_of(""), ErrorKind::malformed);
}

TEST_F(HttpClientTest, HandsOverPiecesAsTheyComeAndKeepsNone) {
  std::string collected;
  const PieceHandler collect = [&](std::string_view piece) {
    collected += piece;
    return true;
  };
  const Result<ClientAnswer> answer =
      stream("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", collect,
             End::hold);
  ASSERT_TRUE(answer);
  EXPECT_EQ(collected, "abcde");
  EXPECT_EQ(answer->body, "");
}

TEST_F(HttpClientTest, APieceHandlerMayEndTheConversation) {
  const PieceHandler enough = [](std::string_view) { return false; };
  EXPECT_TRUE(stream("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", enough, End::hold));
}

TEST_F(HttpClientTest, AStreamEndsAfterTooLongASilence) {
  const PieceHandler any = [](std::string_view) { return true; };
  const Result<ClientAnswer> answer =
      stream("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", any, End::hold, milliseconds(30));
  EXPECT_EQ(answer.error().kind, ErrorKind::timed_out);
}

TEST_F(HttpClientTest, AStreamKeepsTheBodyOfAnAnswerThatIsNoSuccess) {
  const PieceHandler none = [](std::string_view) {
    ADD_FAILURE() << "not a success";
    return true;
  };
  const Result<ClientAnswer> answer = stream("HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nabc", none, End::close);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body, "abc");
}

TEST_F(HttpClientTest, SpeaksToUnixSocketsAsLocalhost) {
  char name[] = "/tmp/ringmaster-test-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  request_.address = *SocketAddress::parse("unix:" + std::string(name) + "/s");
  Result<ClientAnswer> result;
  {
    const Result<Listener> listener = listen_on(request_.address);
    ASSERT_TRUE(listener);
    loop_.spawn(answer_once(listener->get(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", End::close));
    loop_.spawn(ask(request_, result, seconds(10)));
    loop_.run();
  }
  rmdir(name);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->body, "hi");
  EXPECT_THAT(heard_, HasSubstr("Host: localhost\r\n"));
}

TEST_F(HttpClientTest, SaysThatNobodyListens) {
  {
    const Listener listener = listen();
    request_.address = address_of(listener);
  }
  Result<ClientAnswer> result;
  run(ask(request_, result, seconds(10)));
  EXPECT_EQ(result.error().number, ECONNREFUSED);
}

}  // namespace
}  // namespace ringmaster::async
