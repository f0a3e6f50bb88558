// Rows U1 to U21 of the acceptance table through the whole proxy: what a replica says, what the client gets for it,
// whether what was cut looks cut, and whether the replica's connection may serve again.
#include <string>

#include "law.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using http::Cause;

#define OK "HTTP/1.1 200 OK\r\n"

std::string ok(std::string_view body) {
  return OK "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

enum class Ending : uint8_t { none, end, reset };

class LawOfResponses : public Law {
 protected:
  // A client asks, and the replica's connection on which the request has come.
  Peer& ask(Peer& c, std::string_view method = "GET", std::string_view fields = "") {
    c.write(std::string(method) + " / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n");
    std::string head;
    EXPECT_EQ(request_at_replica(head).first, method);
    return upstream();
  }
  void say(Peer& up, const Arrival& arrival, Ending ending) {
    write(up, arrival);
    if (ending == Ending::none) return;
    run_for(1ms);
    if (ending == Ending::end) up.end();
    else up.reset();
  }
  void expect_end_of(Peer& up) {
    run_until([&] { return up.ended() || up.was_reset(); }, "the end of the replica's connection");
  }
  // The client's connection serves on; on the same connection to the replica, or on a new one?
  void expect_next(Peer& c, bool reused) {
    const uint32_t before = upstream_connections();
    Peer& next = ask(c);
    EXPECT_EQ(upstream_connections(), reused ? before : before + 1);
    next.write(ok("next"));
    expect(c, ok("next"));
    c.end();
    expect_orderly_end(c);
  }
};

// --- refused --------------------------------------------------------------------------------------------------------

struct Refused {
  const char* row;
  std::string bytes;
  Cause cause;
  Ending ending = Ending::none;
};

std::string many_fields() {
  std::string text = OK;
  for (int i = 0; i < 5000; ++i) text += "X-" + std::to_string(i) + ": 1\r\n";
  return text + "\r\n";
}

std::string interim(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "HTTP/1.1 102 Processing\r\n\r\n";
  return text;
}

const Refused refused_answers[] = {
    {"U1", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", Cause::response_framing},
    {"U1", OK "transfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n", Cause::response_framing},
    {"U2", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Cause::response_framing},
    {"U2", OK "Content-Length: 5\r\ncontent-length: 6\r\n\r\nhello", Cause::response_framing},
    {"U2", OK "Content-Length: 5, 5\r\n\r\nhello", Cause::response_framing},
    {"U2", OK "Content-Length: 9223372036854775808\r\n\r\n", Cause::response_framing},
    {"U3", OK "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", Cause::response_framing},
    {"U3", OK "Transfer-Encoding: chunked, gzip\r\n\r\n", Cause::response_framing},
    {"U3", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", Cause::response_framing},
    {"U3", OK "Transfer-Encoding: xchunked\r\n\r\n", Cause::response_framing},
    {"U3", OK "Transfer-Encoding:\r\n\r\n", Cause::response_framing},
    {"U4", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Cause::response_framing},
    {"U4", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\ntransfer-encoding:CHUNKED\r\n\r\n0\r\n\r\n",
     Cause::response_framing},
    {"U5", "HTTP/1.1 200 OK\nA: b\r\n\r\n", Cause::response_malformed},
    {"U5", OK "A: b\n\r\n", Cause::response_malformed},
    {"U6", OK "A: b\r\n c\r\n\r\n", Cause::response_malformed},
    {"U6", OK "A: \x01\r\n\r\n", Cause::response_malformed},
    {"U6", OK "A: b\0\r\n\r\n"s, Cause::response_malformed},
    {"U6", OK "A: b\rc\r\n\r\n", Cause::response_malformed},
    {"U6", OK "A : b\r\n\r\n", Cause::response_malformed},
    {"U8", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     Cause::response_unasked_upgrade},
    {"U13", OK "Content-Le", Cause::response_truncated, Ending::end},
    {"U13", OK "Content-Length: 5\r\n", Cause::response_truncated, Ending::reset},
    {"U15", "SSH-2.0-OpenSSH_9.9\r\n", Cause::response_malformed},
    {"U15", "\x15\x03\x01\x00\x02\x02\x16"s, Cause::response_malformed},
    {"U15", "<html>hello</html>", Cause::response_malformed},
    {"U15", "HTTP/0.9 200 OK\r\n\r\n", Cause::response_version},
    {"U15", "HTTP/2.0 200 OK\r\n\r\n", Cause::response_version},
    {"U16", OK "X: " + std::string(200'000, 'x') + "\r\n\r\n", Cause::response_too_large},
    {"U16", many_fields(), Cause::response_too_large},
    {"U17", "HTTP/1.1 000 x\r\n\r\n", Cause::response_status},
    {"U17", "HTTP/1.1 999 x\r\n\r\n", Cause::response_status},
};

TEST_P(LawOfResponses, RefusesWhatHasNoOneMeaningAndKeepsTheClient) {
  start();
  for (const Refused& refused : refused_answers) {
    SCOPED_TRACE(std::string(refused.row) + " " + testing::PrintToString(refused.bytes.substr(0, 200)));
    for (const Arrival& arrival : arrivals(refused.bytes)) {
      SCOPED_TRACE(arrival.front().size());
      const uint64_t before = refusals(refused.cause), failures = replica(0).meters[0].failures.value();
      Peer& c = client();
      Peer& up = ask(c);
      say(up, arrival, refused.ending);
      const Message reply = answer(c);
      EXPECT_EQ(reply.second, "502");
      EXPECT_NE(reply.body.find("\"cause\":\"" + std::string(http::name_of(refused.cause)) + "\""), std::string::npos)
          << reply.body;
      EXPECT_EQ(refusals(refused.cause), before + 1);
      EXPECT_EQ(replica(0).meters[0].failures.value(), failures + 1);
      if (refused.ending != Ending::reset) expect_end_of(up);
      expect_next(c, false);
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(meters().retries.value(), 0u);
  EXPECT_EQ(meters().answers_truncated.value(), 0u);
}

// --- passed on ------------------------------------------------------------------------------------------------------

struct Passed {
  const char* row;
  const char* method;
  std::string bytes;
  std::string head;       // as the client gets it
  std::string body;       // without its framing
  bool reused = true;
  Ending ending = Ending::none;
};

const std::string chunked_head = OK "Transfer-Encoding: chunked\r\n\r\n";
std::string length_head(size_t length) { return OK "Content-Length: " + std::to_string(length) + "\r\n\r\n"; }

const Passed passed_answers[] = {
    {"U2", "GET", OK "content-length:007 \r\n\r\nhello!!", length_head(7), "hello!!"},
    {"U3", "GET", OK "TRANSFER-ENCODING:Chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\n\r\n", chunked_head, "hi"},
    {"U6", "GET", "HTTP/1.1 200 O\tK \x80\r\nX_Y: under_score\r\nContent-Length: 1\r\n\r\nx",
     "HTTP/1.1 200 O\tK \x80\r\nX_Y: under_score\r\nContent-Length: 1\r\n\r\n", "x"},
    {"U7", "GET", ok("one") + ok("evil"), length_head(3), "one", false},
    {"U7", "GET", chunked_head + "1\r\nx\r\n0\r\n\r\n" + ok("evil"), chunked_head, "x", false},
    {"U10", "HEAD", OK "Content-Length: 1000\r\n\r\n", length_head(1000), ""},
    {"U10", "HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", OK "\r\n", ""},
    {"U10", "HEAD", OK "Content-Length: 5\r\n\r\nhello", length_head(5), "", false},
    {"U10", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", ""},
    {"U10", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 204 No Content\r\n\r\n", "",
     false},
    {"U10", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""},
    {"U10", "GET", "HTTP/1.1 304 Not Modified\r\n\r\nhello", "HTTP/1.1 304 Not Modified\r\n\r\n", "", false},
    {"U11", "GET", OK "\r\nhello", chunked_head, "hello", false, Ending::end},
    {"U11", "GET", "HTTP/1.0 200 OK\r\n\r\n", chunked_head, "", false, Ending::end},
    {"U13", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", length_head(2), "hi", false},
    {"U15", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", ""},
    {"U17", "GET", "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n",
     ""},
    {"U18", "GET", chunked_head + "2\r\nhi\r\n0\r\nX-Admin: 1\r\nSet-Cookie: a\r\n\r\n", chunked_head, "hi"},
    {"U18", "GET", OK "Trailer: host\r\ntransfer-encoding:chunked\r\n\r\n2\r\nhi\r\n00;x\r\nhost: evil\r\n\r\n",
     chunked_head, "hi"},
    {"U19", "GET", OK "Connection: X-Own\r\nx-own: 1\r\nX-Ours: 2\r\nKeep-Alive: 3\r\nContent-Length: 0\r\n\r\n",
     OK "X-Ours: 2\r\nContent-Length: 0\r\n\r\n", ""},
    {"U19", "GET", OK "Connection: close\r\nContent-Length: 0\r\n\r\n", OK "Content-Length: 0\r\n\r\n", "", false},
};

TEST_P(LawOfResponses, PassesOneSpellingOnAndReusesOnlyWhatIsBeyondDoubt) {
  start();
  for (const Passed& passed : passed_answers) {
    SCOPED_TRACE(std::string(passed.row) + " " + testing::PrintToString(passed.bytes));
    for (const Arrival& arrival : arrivals(passed.bytes)) {
      SCOPED_TRACE(arrival.front().size());
      Peer& c = client();
      Peer& up = ask(c, passed.method);
      say(up, arrival, passed.ending);
      ReadResult read;
      run_until([&] { return (read = read_answer(unread(c), passed.method, false)).reading != Reading::more; },
                "an answer");
      EXPECT_EQ(unread(c).substr(0, read.message.head_bytes), passed.head);
      EXPECT_EQ(read.message.body, passed.body);
      expect(c, unread(c).substr(0, read.bytes));
      if (!passed.reused) expect_end_of(up);
      expect_next(c, passed.reused);
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(meters().answers_truncated.value(), 0u);
}

// --- cut ------------------------------------------------------------------------------------------------------------

struct Cut {
  const char* row;
  std::string bytes;
  Ending ending;
};

const Cut cut_answers[] = {
    {"U12", OK "\r\nhello", Ending::reset},
    {"U12", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nhello", Ending::reset},
    {"U13", OK "Content-Length: 10\r\n\r\nhello", Ending::end},
    {"U13", OK "Content-Length: 10\r\n\r\nhello", Ending::reset},
    {"U13", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Ending::end},
    {"U13", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Ending::end},
    {"U13", OK "Transfer-Encoding: chunked\r\n\r\nA\r\nhello", Ending::reset},
};

TEST_P(LawOfResponses, ShowsTheClientThatAnAnswerIsCut) {
  start();
  for (const Cut& cut : cut_answers) {
    SCOPED_TRACE(std::string(cut.row) + " " + testing::PrintToString(cut.bytes));
    for (const Arrival& arrival : arrivals(cut.bytes)) {
      SCOPED_TRACE(arrival.front().size());
      const uint64_t before = meters().answers_truncated.value();
      Peer& c = client();
      Peer& up = ask(c);
      write(up, arrival);
      run_until([&] { return read_answer(unread(c), "GET", false).message.body == "hello"; }, "what there is of it");
      if (cut.ending == Ending::end) up.end();
      else up.reset();
      run_until([&] { return c.ended() || c.was_reset(); }, "the end");
      EXPECT_EQ(read_answer(unread(c), "GET", !c.was_reset()).reading, Reading::more) << unread(c);
      EXPECT_EQ(meters().answers_truncated.value(), before + 1);
      c.end();
      if (HasFailure()) return;
    }
  }
  expect_service();
}

// A body that turns out malformed is refused as long as nothing of it has been sent on, and cut from then on.
TEST_P(LawOfResponses, U14RefusesOrCutsAMalformedBody) {
  start();
  for (const std::string_view body : {"5\r\nhello!\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF\r\nhello",
                                      "5;\x01\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nno colon\r\n\r\n"}) {
    const std::string bytes = chunked_head + std::string(body);
    SCOPED_TRACE(testing::PrintToString(bytes));
    for (const Arrival& arrival : arrivals(bytes)) {
      SCOPED_TRACE(arrival.front().size());
      Peer& c = client();
      Peer& up = ask(c);
      write(up, arrival);
      expect_end_of(up);
      run_until(
          [&] {
            return c.ended() || c.was_reset() ||
                   read_answer(unread(c), "GET", false).reading == Reading::message;
          },
          "the refusal or the cut");
      ReadResult read = read_answer(unread(c), "GET", false);
      EXPECT_NE(read.reading, Reading::malformed);
      const bool at_once = arrival.size() == 1 && GetParam() != &uring::make_unkind_world;
      if (at_once || read.reading == Reading::message) {
        EXPECT_EQ(read.message.second, "502");
      } else {
        EXPECT_TRUE(c.ended() || c.was_reset());
      }
      c.end();
      if (HasFailure()) return;
    }
  }
  EXPECT_GE(refusals(Cause::response_malformed) + meters().answers_truncated.value(), 5u);
}

// --- in several steps -----------------------------------------------------------------------------------------------

TEST_P(LawOfResponses, U8PassesHintsOnSwallowsContinueAndCountsThem) {
  start();
  Peer& c = client();
  Peer& up = ask(c);
  up.write(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nLink: </a>\r\n\r\n" +
      interim(6) + ok("page"));
  expect(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + interim(6) + ok("page"));
  Peer& again = ask(c);
  again.write(interim(8));
  expect(c, interim(8));
  again.write(interim(1) + ok("page"));
  EXPECT_EQ(answer(c).second, "502");
  EXPECT_EQ(refusals(Cause::response_too_many_interim), 1u);
}

TEST_P(LawOfResponses, U9ClosesBothSidesBehindAnAnswerThatCameBeforeTheRequestsEnd) {
  start();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  wait_for(upstream(), "hello");
  Peer& up = upstream();
  up.write(ok("early"));
  expect(c, OK "Content-Length: 5\r\nConnection: close\r\n\r\nearly");
  c.write("5\r\nworld\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
  expect_orderly_end(c);
  expect_end_of(up);
  EXPECT_EQ(unread(up).find("/next"), std::string::npos);
  expect_service();
}

TEST_P(LawOfResponses, U20TakesTheEndOfANewConnectionForAFailure) {
  start();
  for (const Ending ending : {Ending::end, Ending::reset}) {
    Peer& c = client();
    say(ask(c), {}, ending);
    EXPECT_EQ(answer(c).second, "502");
  }
  EXPECT_EQ(refusals(Cause::replica_reset), 2u);
  EXPECT_EQ(replica(0).meters[0].failures.value(), 2u);
  EXPECT_EQ(meters().retries.value(), 0u);
}

TEST_P(LawOfResponses, U20TriesAgainOnANewConnectionWhenAKeptOneEndsUnanswered) {
  start();
  expect_service();
  for (const Ending ending : {Ending::end, Ending::reset}) {
    const uint32_t before = upstream_connections();
    Peer& c = client();
    Peer& up = ask(c);
    EXPECT_EQ(upstream_connections(), before);
    say(up, {}, ending);
    run_until([&] { return upstream_connections() == before + 1; }, "a new connection");
    std::string head;
    request_at_replica(head);
    upstream().write(ok("again"));
    expect(c, ok("again"));
  }
  EXPECT_EQ(meters().retries.value(), 2u);
  EXPECT_EQ(replica(0).meters[0].failures.value(), 0u);
}

TEST_P(LawOfResponses, U20NeverTriesAPostAgainThatAKeptConnectionMayHaveTaken) {
  start();
  expect_service();
  Peer& c = client();
  c.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  Peer& up = upstream();
  wait_for(up, "\r\n\r\nx");
  up.reset();
  EXPECT_EQ(answer(c).second, "502");
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(LawOfResponses, U21GivesASilentReplicasRequestToTheNextAndLooksAway) {
  settings.timeouts.response = 400ms;
  settings.ejection.consecutive_failures = 1;
  start({server(), server()});
  Peer& c = client();
  Peer& silent = ask(c);
  run_until([&] { return &upstream() != &silent; }, "the second try");
  std::string head;
  request_at_replica(head);
  upstream().write(ok("alive"));
  expect(c, ok("alive"));
  EXPECT_EQ(replica(0).meters[0].ejections.value() + replica(1).meters[0].ejections.value(), 1u);
}

struct Silence {
  const char* method;
  const char* said;        // by the replica, before it falls silent
  bool to_the_next;        // or it is the end: 504
};

const Silence silences[] = {
    {"HEAD", "", true}, {"PUT", "", true},  {"DELETE", "", true},
    {"GET", "H", false}, {"GET", OK "Content-Le", false},
    {"POST", "", false}, {"PATCH", "", false}, {"POST", "HTTP/1.1 20", false},
};

// The time runs to the whole of its head; nobody else is asked once it has begun to speak.
TEST_P(LawOfResponses, U21AsksAnotherReplicaOnlyForWhatIsIdempotent) {
  settings.timeouts.response = 400ms;
  settings.ejection.consecutive_failures = 0;
  start({server(), server()});
  for (const Silence& silence : silences) {
    SCOPED_TRACE(std::string(silence.method) + " " + silence.said);
    const uint64_t retries = meters().retries.value();
    Peer& c = client();
    Peer& silent = ask(c, silence.method);
    silent.write(silence.said);
    if (silence.to_the_next) {
      run_until([&] { return &upstream() != &silent; }, "the second try");
      std::string head;
      EXPECT_EQ(request_at_replica(head).first, silence.method);
      upstream().write("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
      expect(c, "HTTP/1.1 204 No Content\r\n\r\n");
    } else {
      EXPECT_EQ(answer(c).second, "504");
    }
    EXPECT_EQ(meters().retries.value(), retries + silence.to_the_next);
    expect_end_of(silent);
    c.end();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernel, LawOfResponses, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, LawOfResponses, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, LawOfResponses, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
