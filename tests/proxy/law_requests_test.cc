// Rows R1 to R34 of the acceptance table through the whole proxy: what is refused, how, and that no byte of it reaches
// a replica; what is accepted, and the very bytes that a replica gets for it.
#include <string>

#include "law.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using http::Cause;

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

const std::string next_request = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

std::string ok(std::string_view body, std::string_view fields = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" +
         std::string(body);
}

// --- refused --------------------------------------------------------------------------------------------------------

struct Refused {
  const char* row;
  std::string bytes;
  Cause cause;
};

class LawOfRequests : public Law {
 protected:
  // In every way in which its bytes may arrive: the reply, an orderly end behind it, and one more of its cause.
  void expect_refusal(const Refused& refused, auto and_then) {
    SCOPED_TRACE(std::string(refused.row) + " " + testing::PrintToString(refused.bytes));
    for (const Arrival& arrival : arrivals(refused.bytes)) {
      SCOPED_TRACE(arrival.front().size());
      const uint64_t before = refusals(refused.cause);
      Peer& c = client();
      write(c, arrival);
      c.write(next_request);
      const Message reply = answer(c);
      EXPECT_EQ(reply.second, std::to_string(http::status_of(refused.cause)));
      EXPECT_NE(reply.body.find("\"cause\":\"" + std::string(http::name_of(refused.cause)) + "\""), std::string::npos);
      EXPECT_EQ(reply.field("Connection"), "close");
      expect_orderly_end(c);
      c.end();
      EXPECT_EQ(refusals(refused.cause), before + 1);
      and_then();
      if (HasFailure()) return;
    }
  }
};

const Refused refused_heads[] = {
    {"R1", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Cause::framing_conflict},
    {"R1", POST "transfer-encoding:CHUNKED\r\ncontent-LENGTH:5\r\n\r\nhello", Cause::framing_conflict},
    {"R2", POST "Transfer-Encoding: xchunked\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked, identity\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: chunked;a=b\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R2", POST "Transfer-Encoding: \vchunked\r\n\r\n", Cause::field_malformed},
    {"R2", POST "Transfer-Encoding: chunked\t\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R3", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", Cause::transfer_encoding_unknown},
    {"R3", POST "Transfer-Encoding: identity,chunked\r\n\r\n", Cause::transfer_encoding_unknown},
    {"R4", POST "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello", Cause::framing_conflict},
    {"R4", POST "Transfer-Encoding: \r\nTransfer-Encoding: chunked\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R4", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", Cause::transfer_encoding_invalid},
    {"R5", POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", Cause::content_length_invalid},
    {"R5", POST "Content-Length: 5, 5\r\n\r\nhello", Cause::content_length_invalid},
    {"R6", POST "Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n\r\nhello", Cause::content_length_invalid},
    {"R6", POST "Content-Length: +5\r\n\r\nhello", Cause::content_length_invalid},
    {"R6", POST "Content-Length: -1\r\n\r\n", Cause::content_length_invalid},
    {"R6", POST "Content-Length: 5 5\r\n\r\n", Cause::content_length_invalid},
    {"R6", POST "Content-Length: 0x5\r\n\r\n", Cause::content_length_invalid},
    {"R6", POST "Content-Length:\r\n\r\n", Cause::content_length_invalid},
    {"R6", POST "Content-Length: 18446744073709551616\r\n\r\n", Cause::content_length_invalid},
    {"R6", POST "Content-Length: 9223372036854775808\r\n\r\n", Cause::content_length_invalid},
    {"R10", "GET / HTTP/1.1\nHost: h\r\n\r\n", Cause::request_line_malformed},
    {"R10", GET "X: y\n\r\n", Cause::field_malformed},
    {"R10", GET "\n", Cause::field_malformed},
    {"R10", "\n" GET "\r\n", Cause::request_line_malformed},
    {"R11", GET "X: a\rb\r\n\r\n", Cause::field_malformed},
    {"R11", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", Cause::request_line_malformed},
    {"R12", GET "X: a\r\n b\r\n\r\n", Cause::field_malformed},
    {"R12", GET "X:\r\n\ta\r\n\r\n", Cause::field_malformed},
    {"R13", POST "Content-Length : 5\r\n\r\nhello", Cause::field_malformed},
    {"R13", GET "X\t: a\r\n\r\n", Cause::field_malformed},
    {"R14", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", Cause::field_malformed},
    {"R14", GET "no colon\r\n\r\n", Cause::field_malformed},
    {"R14", GET ": empty name\r\n\r\n", Cause::field_malformed},
    {"R15", GET "X: a\0b\r\n\r\n"s, Cause::field_malformed},
    {"R15", GET "X: \x01\r\n\r\n", Cause::field_malformed},
    {"R15", GET "X: a\x7F\r\n\r\n", Cause::field_malformed},
    {"R16", GET "X(y): a\r\n\r\n", Cause::field_malformed},
    {"R16", GET "X\xC3\xA4: a\r\n\r\n", Cause::field_malformed},
    {"R17", POST "Transfer_Encoding: chunked\r\n\r\n", Cause::field_name_ambiguous},
    {"R17", POST "content_length: 5\r\n\r\n", Cause::field_name_ambiguous},
    {"R17", GET "X_Forwarded_For: 1.2.3.4\r\n\r\n", Cause::field_name_ambiguous},
    {"R22", "GET http://a/p HTTP/1.1\r\nHost: b\r\n\r\n", Cause::host_mismatch},
    {"R22", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", Cause::target_invalid},
    {"R23", "GET / HTTP/1.1\r\n\r\n", Cause::host_missing},
    {"R23", GET "hOST: h\r\n\r\n", Cause::host_repeated},
    {"R23", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: user@h\r\n\r\n", Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", Cause::host_invalid},
    {"R23", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Cause::host_invalid},
    {"R24", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", Cause::version_not_supported},
    {"R24", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", Cause::version_not_supported},
    {"R24", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", Cause::version_not_supported},
    {"R24", "GET / http/1.1\r\nHost: h\r\n\r\n", Cause::version_not_supported},
    {"R24", "DESCRIBE / RTSP/1.0\r\nHost: h\r\n\r\n", Cause::version_not_supported},
    {"R24", "SOURCE / ICE/1.0\r\nHost: h\r\n\r\n", Cause::version_not_supported},
    {"R24", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Cause::version_not_supported},
    {"R25", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     Cause::transfer_encoding_in_http10},
    {"R25", "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\ntransfer-encoding:CHUNKED\r\n\r\n0\r\n\r\n",
     Cause::transfer_encoding_in_http10},
    {"R27", POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", Cause::expectation_failed},
    {"R27", POST "Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello", Cause::expectation_failed},
    {"R28", GET "Connection: close, Host\r\n\r\n", Cause::connection_names_protected_field},
    {"R28", POST "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello",
     Cause::connection_names_protected_field},
    {"R28", GET "Connection: Authorization\r\nAuthorization: x\r\n\r\n", Cause::connection_names_protected_field},
    {"R28", GET "Connection: x-forwarded-for\r\n\r\n", Cause::connection_names_protected_field},
    {"R29", GET "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
     Cause::upgrade_with_body},
    {"R30", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", Cause::connect_not_allowed},
    {"R30", "CONNECT h:443 HTTP/1.1\r\nContent-Length: 5\r\nHost: h:443\r\n\r\nhello", Cause::connect_not_allowed},
    {"R31", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", Cause::target_invalid},
    {"R31", "GET /#f HTTP/1.1\r\nHost: h\r\n\r\n", Cause::target_invalid},
    {"R31", "GET \\ HTTP/1.1\r\nHost: h\r\n\r\n", Cause::target_invalid},
    {"R31", "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", Cause::request_line_malformed},
    {"20", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", Cause::request_line_malformed},
    {"20", "BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", Cause::method_not_implemented},
};

// The head is in order, the body is not: with the head, or behind it, when a part is on its way already.
const Refused refused_bodies[] = {
    {"R18", CHUNKED "5;\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R18", CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R18", CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R18", CHUNKED "5;a=\"b\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R18", CHUNKED "5\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R18", CHUNKED "5;" + std::string(257, 'e') + "\r\nhello\r\n0\r\n\r\n", Cause::chunk_overhead},
    {"R19", CHUNKED "00000000000000005\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED "FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED "+5\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED " 5\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R19", CHUNKED "\r\nhello\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R20", CHUNKED "5\r\nhello0\r\n\r\n", Cause::chunk_malformed},
    {"R20", CHUNKED "5\r\nhello!\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R20", CHUNKED "5\r\nhello\n0\r\n\r\n", Cause::chunk_malformed},
    {"R20", CHUNKED "5\r\nhello\r\n\r\n0\r\n\r\n", Cause::chunk_malformed},
    {"R20", CHUNKED "5\r\nhello\r\n0\r\n\rX", Cause::chunk_malformed},
    {"R21", CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", Cause::chunk_malformed},
    {"R21", CHUNKED "5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n", Cause::chunk_malformed},
    {"R21", CHUNKED "5\r\nhello\r\n0\r\nno colon\r\n\r\n", Cause::chunk_malformed},
};

TEST_P(LawOfRequests, RefusesWithoutTellingAReplicaAndWithoutLosingTheReply) {
  start();
  for (const Refused& refused : refused_heads) {
    expect_refusal(refused, [] {});
    if (HasFailure()) return;
  }
  EXPECT_EQ(upstream_connections(), 0u);
  EXPECT_EQ(meters().requests.value(), 0u);
  run_until([&] { return meters().client_connections.value() == 0; }, "the end of all");
  expect_service();
}

TEST_P(LawOfRequests, BreaksOffWhatAReplicaHasOfARequestWhoseBodyIsMalformed) {
  start();
  const auto expect_unfinished_request = [this] {
    if (upstream_connections() == 0) return;
    Peer& up = upstream();
    run_until([&] { return up.ended() || up.was_reset(); }, "the end of the replica's connection");
    const ReadResult read = read_forwarded_request(unread(up));
    EXPECT_EQ(read.reading, Reading::more) << unread(up);
    expect(up, unread(up));
  };
  for (const Refused& refused : refused_bodies) {
    EXPECT_EQ(http::status_of(refused.cause), 400);
    expect_refusal(refused, expect_unfinished_request);
    if (HasFailure()) return;
  }
  expect_service();
}

// --- accepted -------------------------------------------------------------------------------------------------------

struct Accepted {
  const char* row;
  std::string bytes;
  std::string head;          // at the replica
  std::string body;          // likewise, without its framing
  bool keeps = true;         // the client's connection
};

std::vector<Accepted> accepted() {
  const auto get = [](std::string_view fields) { return forwarded("GET / HTTP/1.1", fields); };
  const auto post = [](std::string_view fields) { return forwarded("POST / HTTP/1.1", fields); };
  const std::string chunked = post("Transfer-Encoding: chunked\r\n");
  return {
      {"R7", POST "Content-Length: 0005\r\n\r\nhello", post("Content-Length: 5\r\n"), "hello"},
      {"R7", POST "content-length:5 \r\n\r\nhello", post("Content-Length: 5\r\n"), "hello"},
      {"R8", POST "Content-Length: 0\r\n\r\n", post("Content-Length: 0\r\n"), ""},
      {"R8", GET "Content-Length: 5\r\n\r\nhello", get("Content-Length: 5\r\n"), "hello"},
      {"R8", "OPTIONS / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
       forwarded("OPTIONS / HTTP/1.1", "Transfer-Encoding: chunked\r\n"), "hi"},
      {"R10", "\r\n" GET "\r\n", get(""), ""},
      {"R15", GET "X: a\tb \x80\xFF\r\n\r\n", get("X: a\tb \x80\xFF\r\n"), ""},
      {"R15", GET "X:   spaced out \t \r\nY:\r\n\r\n", get("X: spaced out\r\nY: \r\n"), ""},
      {"R16", GET "!#$%&'*+-.^`|~09azAZ: a\r\n\r\n", get("!#$%&'*+-.^`|~09azAZ: a\r\n"), ""},
      {"R17", GET "X_Other: 1\r\nX-Other: 2\r\n\r\n", get("X-Other: 2\r\n"), ""},
      {"R18", CHUNKED "5;a;b=c;d=\"e\\\"f\"\r\nhello\r\n0;last\r\n\r\n", chunked, "hello"},
      {"R18", CHUNKED "5;" + std::string(250, 'e') + "\r\nhello\r\n0\r\n\r\n", chunked, "hello"},
      {"R19", CHUNKED "0000000000000005\r\nhello\r\n000\r\n\r\n", chunked, "hello"},
      {"R19", CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", chunked, "0123456789"},
      {"R19", POST "transfer-encoding:CHUNKED\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", chunked, "hi"},
      {"R21", CHUNKED "5\r\nhello\r\n0\r\nHost: evil\r\nX-Admin: 1\r\nAuthorization: x\r\n\r\n", chunked, "hello"},
      {"R22", "GET http://h/p?q HTTP/1.1\r\nHost: h\r\n\r\n", forwarded("GET /p?q HTTP/1.1", ""), ""},
      {"R22", "GET HTTP://h:80?q HTTP/1.1\r\nHost: H\r\n\r\n", forwarded("GET /?q HTTP/1.1", "", "h:80"), ""},
      {"R26", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", get(""), "", false},
      {"R26", "POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", post("Content-Length: 5\r\n"), "hello",
       false},
      {"R27", "POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
       post("Content-Length: 5\r\n"), "hello", false},
      {"R28",
       GET "Connection: X-Own, keep-alive\r\nx-own: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\n"
           "Proxy-Connection: close\r\nX-Mine: 2\r\n\r\n",
       get("X-Mine: 2\r\n"), ""},
      {"R29", GET "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n", get(""), ""},
      {"R31", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", forwarded("OPTIONS * HTTP/1.1", ""), ""},
      {"R31", "GET /../%00/%0d%0a/./..\\\"<>{}|^`?[]@//?? HTTP/1.1\r\nHost: h\r\n\r\n",
       forwarded("GET /../%00/%0d%0a/./..\\\"<>{}|^`?[]@//?? HTTP/1.1", ""), ""},
      {"R33", GET "Connection: close\r\n\r\n", get(""), "", false},
      {"R33", GET "connection: x, CLOSE\r\n\r\n", get(""), "", false},
      {"R34",
       GET
       "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.2.3.4\r\n"
       "X-Forwarded-Anything: 1\r\n\r\n",
       get(""), ""},
  };
}

TEST_P(LawOfRequests, GivesTheReplicaOneSpellingOfEveryAcceptedRequest) {
  start();
  for (const Accepted& row : accepted()) {
    SCOPED_TRACE(std::string(row.row) + " " + testing::PrintToString(row.bytes));
    for (const Arrival& arrival : arrivals(row.bytes)) {
      SCOPED_TRACE(arrival.front().size());
      Peer& c = client();
      write(c, arrival);
      c.write(next_request);
      std::string head;
      EXPECT_EQ(request_at_replica(head).body, row.body);
      EXPECT_EQ(head, row.head);
      upstream().write(ok("one"));
      expect(c, row.keeps ? ok("one") : ok("one", "Connection: close\r\n"));
      if (row.keeps) {
        request_at_replica(head);
        EXPECT_EQ(head, forwarded("GET /next HTTP/1.1", ""));
        upstream().write(ok("two"));
        expect(c, ok("two"));
        c.end();
      }
      expect_orderly_end(c);
      c.end();
      EXPECT_EQ(unread(upstream()), "");
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(upstream_connections(), 1u);
  EXPECT_EQ(meters().answers_by_class[4].value(), 0u);
}

// --- what is not one message ----------------------------------------------------------------------------------------

TEST_P(LawOfRequests, R8ClosesAfterAReplyOfItsOwnThatCameBeforeTheBody) {
  start({refusing()});
  Peer& c = client();
  c.write(POST "Content-Length: 100000\r\n\r\n" + next_request);
  EXPECT_EQ(answer(c).second, "502");
  expect_orderly_end(c);
  EXPECT_EQ(meters().requests.value(), 1u);
}

struct Early {
  std::string begin;         // of the request
  const char* at_replica;    // the last of it; chunks may be cut anew
  std::string rest;          // of the request
  std::string answer;
};

const Early early_answers[] = {
    {POST "Content-Length: 100\r\n\r\npart", "part", std::string(96, 'x'), ok("early")},
    {POST "content-length:0010\r\n\r\n", "\r\n\r\n", std::string(10, 'x'), ok("early")},
    {POST "Content-Length: 10\r\n\r\n12345678", "12345678", "90",
     "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
    {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nbo", "bo", "dy!", ok("early")},
    {CHUNKED "4\r\nall!\r\n", "!", "0\r\n\r\n", ok("early")},
    {CHUNKED "a\r\nhalf?", "?", "other\r\n0\r\n\r\n", ok("early")},
    {POST "transfer-encoding:CHUNKED\r\n\r\n1\r\nx\r\n0\r\n", "1\r\nx\r\n", "\r\n", ok("early")},
};

TEST_P(LawOfRequests, R9NeverReusesEitherSideWhenTheAnswerCameBeforeTheRequestHadGone) {
  start();
  for (const Early& early : early_answers) {
    SCOPED_TRACE(testing::PrintToString(early.begin));
    Peer& c = client();
    c.write(early.begin);
    // On the connection that is kept or on a new one: whichever has the request.
    run_until([&] { return unread(upstream()).find(early.at_replica) != std::string::npos; }, "it at the replica");
    Peer& first = upstream();
    wait_for(first, early.at_replica);
    first.write(early.answer);
    std::string expected = early.answer;
    expect(c, expected.insert(expected.find("\r\n\r\n") + 2, "Connection: close\r\n"));
    c.write(early.rest + next_request);
    expect_orderly_end(c);
    run_until([&] { return first.ended() || first.was_reset(); }, "the end of the replica's connection");
    EXPECT_EQ(unread(first).find("/next"), std::string::npos);
    c.end();
    expect_service();
    EXPECT_NE(&upstream(), &first);
    if (HasFailure()) return;
  }
}

TEST_P(LawOfRequests, R18BoundsTheExtensionsOfAWholeMessage) {
  start();
  Peer& c = client();
  std::string body;
  for (int i = 0; i < 70; ++i) body += "1;" + std::string(250, 'e') + "\r\nx\r\n";
  c.write(CHUNKED + body + "0\r\n\r\n");
  EXPECT_EQ(answer(c).second, "400");
  EXPECT_EQ(refusals(Cause::chunk_overhead), 1u);
}

TEST_P(LawOfRequests, R26KeepsAnHttp10ConnectionOnlyWhenAskedAndNeverSendsInterimAnswersToIt) {
  start();
  Peer& c = client();
  for (int i = 0; i < 2; ++i) {
    c.write("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
    wait_for(upstream(), "\r\n\r\n");
    upstream().write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("kept"));
    expect(c, ok("kept", "Connection: keep-alive\r\n"));
  }
}

TEST_P(LawOfRequests, R27NeverWaitsForEverForABodyThatWasExpected) {
  settings.timeouts.request_body_idle = 50ms;
  start();
  Peer& c = client();
  c.write(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  expect(c, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(answer(c).second, "408");
  expect_orderly_end(c);
  Peer& up = upstream();
  run_until([&] { return up.ended() || up.was_reset(); }, "the end of the replica's connection");
}

TEST_P(LawOfRequests, R27AsksForTheBodyOnceThoughTheRequestIsTriedTwice) {
  start({refusing(), server(), refusing()});
  for (int i = 0; i < 8; ++i) {
    Peer& c = client();
    c.write(POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    expect(c, "HTTP/1.1 100 Continue\r\n\r\n");
    c.write("hello");
    std::string head;
    EXPECT_EQ(request_at_replica(head).body, "hello");
    EXPECT_EQ(head, forwarded("POST / HTTP/1.1", "Content-Length: 5\r\n"));
    upstream().write(ok("thanks"));
    expect(c, ok("thanks"));
  }
  EXPECT_GE(meters().retries.value(), 1u);
}

TEST_P(LawOfRequests, R32AnswersADeepPipelineInOrder) {
  start();
  Peer& c = client();
  std::string requests, answers;
  constexpr int depth = 100;
  for (int i = 0; i < depth; ++i) {
    const std::string number = std::to_string(i);
    requests += i % 3 == 0 ? "POST /" + number + " HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                                 std::to_string(number.size()) + "\r\n\r\n" + number
                           : "GET /" + number + " HTTP/1.1\r\nHost: h\r\n\r\n";
    answers += ok(number);
  }
  c.write(requests);
  for (int i = 0; i < depth; ++i) {
    std::string head;
    EXPECT_EQ(request_at_replica(head).second, "/" + std::to_string(i));
    EXPECT_EQ(unread(upstream()), "");  // one at a time
    upstream().write(ok(std::to_string(i)));
  }
  expect(c, answers);
  EXPECT_EQ(upstream_connections(), 1u);
}

struct Pipelined {
  std::string request;
  const char* target;
  std::string answer;   // of the replica, and at the client
};

const Pipelined pipelined[] = {
    {"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nGET", "/a", ok("1")},
    {"\r\nPUT /b HTTP/1.1\r\nhost:h\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", "/b",
     ok("22")},
    {"HEAD /c HTTP/1.1\r\nHost: h\r\n\r\n", "/c", "HTTP/1.1 200 OK\r\nContent-Length: 333\r\n\r\n"},
    {"DELETE /d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "/d", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"GET http://h/e HTTP/1.1\r\nHost: h\r\n\r\n", "/e", ok("")},
};

TEST_P(LawOfRequests, R32AnswersPipelinesOfEveryKindInOrderHoweverTheyArrive) {
  start();
  std::string requests, answers;
  for (const Pipelined& one : pipelined) {
    requests += one.request;
    answers += one.answer;
  }
  for (const Arrival& arrival : arrivals(requests)) {
    SCOPED_TRACE(arrival.front().size());
    Peer& c = client();
    write(c, arrival);
    for (const Pipelined& one : pipelined) {
      std::string head;
      EXPECT_EQ(request_at_replica(head).second, one.target);
      EXPECT_EQ(unread(upstream()), "");  // one at a time
      upstream().write(one.answer);
    }
    expect(c, answers);
    c.end();
    expect_orderly_end(c);
    if (HasFailure()) return;
  }
  EXPECT_EQ(upstream_connections(), 1u);
}

TEST_P(LawOfRequests, R34BelievesTheForwardingFieldsOfListedProxiesOnly) {
  settings.proxy.trusted_proxies = {"127.0.0.0/8"};
  start();
  Peer& c = client();
  c.write(GET
          "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: first\r\nForwarded: "
          "for=1.2.3.4\r\n\r\n");
  expect(
      upstream(),
      "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: first\r\nForwarded: for=1.2.3.4\r\n"
      "X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n\r\n");
}

INSTANTIATE_TEST_SUITE_P(Kernel, LawOfRequests, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, LawOfRequests, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, LawOfRequests, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
