// Rows U1 to U19 of the acceptance table as far as one head decides them, and what an accepted answer means.
#include <gtest/gtest.h>

#include "every_way.h"

namespace ringmaster::http {
namespace {

using namespace std::string_view_literals;

#define OK "HTTP/1.1 200 OK\r\n"

const Spelling spellings[] = {
    {"U1", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::response_framing},
    {"U1", OK "transfer-encoding: chunked\r\nContent-Length: 0\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: 5\r\ncontent-length: 6\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: 5, 5\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: +5\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: 5\t\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length:\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: 9223372036854775808\r\n\r\n"sv, Cause::response_framing},
    {"U2", OK "Content-Length: 007\r\n\r\n"sv, Cause::none},
    {"U3", OK "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "Transfer-Encoding: identity\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "Transfer-Encoding: chunked, gzip\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "Transfer-Encoding: gzip, chunked\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "Transfer-Encoding: xchunked\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "Transfer-Encoding:\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::response_framing},
    {"U3", OK "TRANSFER-ENCODING:Chunked\r\n\r\n"sv, Cause::none},
    {"U4", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::response_framing},
    {"U5", "HTTP/1.1 200 OK\nA: b\r\n\r\n"sv, Cause::response_malformed},
    {"U5", OK "A: b\n\r\n"sv, Cause::response_malformed},
    {"U5", OK "A: b\r\n\n"sv, Cause::response_malformed},
    {"U6", OK "A: b\r\n c\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK " A: b\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK "A: \x01\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK "A: b\0\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK "A: b\rc\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK "A : b\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK "no colon\r\n\r\n"sv, Cause::response_malformed},
    {"U6", OK ": b\r\n\r\n"sv, Cause::response_malformed},
    {"U6", "HTTP/1.1 200 O\x01K\r\n\r\n"sv, Cause::response_malformed},
    {"U6", "HTTP/1.1 200 O\rK\r\n\r\n"sv, Cause::response_malformed},
    {"U6", "HTTP/1.1 200 O\tK \x80\xFF\r\nX_Y: under_score\r\n\r\n"sv, Cause::none},
    {"U15", "SSH-2.0-OpenSSH_9.9\r\n"sv, Cause::response_malformed},
    {"U15", "\x15\x03\x01"sv, Cause::response_malformed},
    {"U15", "<html>"sv, Cause::response_malformed},
    {"U15", "\r\nHTTP/1.1 200 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/0.9 200 OK\r\n\r\n"sv, Cause::response_version},
    {"U15", "HTTP/2.0 200 OK\r\n\r\n"sv, Cause::response_version},
    {"U15", "HTTP/2 200 OK\r\n\r\n"sv, Cause::response_version},
    {"U15", "HTTP/1.2 200 OK\r\n\r\n"sv, Cause::response_version},
    {"U15", "HTTP/1.10 200 OK\r\n\r\n"sv, Cause::response_version},
    {"U15", "http/1.1 200 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "RTSP/1.0 200 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "ICY 200 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1  200 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1 20 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1 2000 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1 2x0 OK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1 200\tOK\r\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1 200\n\r\n"sv, Cause::response_malformed},
    {"U15", "HTTP/1.1 200\r\n\r\n"sv, Cause::none},
    {"U15", "HTTP/1.0 200 \r\n\r\n"sv, Cause::none},
    {"U17", "HTTP/1.1 000 x\r\n\r\n"sv, Cause::response_status},
    {"U17", "HTTP/1.1 099 x\r\n\r\n"sv, Cause::response_status},
    {"U17", "HTTP/1.1 600 x\r\n\r\n"sv, Cause::response_status},
    {"U17", "HTTP/1.1 999 x\r\n\r\n"sv, Cause::response_status},
    {"U17", "HTTP/1.1 599 x\r\n\r\n"sv, Cause::none},
    {"U10", "HTTP/1.1 204 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv, Cause::response_framing},
};

TEST(ResponseRows, EverySpellingIsJudgedTheSameInEveryArrival) {
  for (const Spelling& spelling : spellings) {
    SCOPED_TRACE(std::string(spelling.row) + " " + testing::PrintToString(spelling.bytes));
    const Verdict verdict = read_response(spelling.bytes);
    EXPECT_EQ(name_of(verdict.cause), name_of(spelling.cause));
    EXPECT_EQ(verdict.status, spelling.cause == Cause::none ? HeadStatus::complete : HeadStatus::refused);
  }
}

TEST(ResponseHead, TellsTheWholeMeaningOfAnOrdinaryAnswer) {
  const ParsedResponse parsed("HTTP/1.1 404 Not Found\r\nContent-Length: 0010\r\nDate: now\r\n\r\n0123456789");
  const ResponseHead& head = parsed.head;
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Not Found");
  EXPECT_EQ(head.minor, 1);
  EXPECT_EQ(head.framing, Framing::length);
  EXPECT_EQ(head.content_length, 10u);
  EXPECT_TRUE(head.has_content_length);
  EXPECT_EQ(head.declared_length, 10u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.head_bytes, parsed.bytes.size() - 10);
  ASSERT_EQ(head.fields.size(), 2u);
  EXPECT_TRUE(head.fields[0].drop);
  EXPECT_EQ(head.fields[1].id, FieldId::date);
}

TEST(ResponseHead, EndsTheBodyAsTheMessageSays) {
  const auto framing = [](std::string bytes, llhttp_method_t method = HTTP_GET) {
    return ParsedResponse(std::move(bytes), method).head.framing;
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Framing::chunked);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Framing::length);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n"), Framing::until_close);
  EXPECT_EQ(framing("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"), Framing::until_close);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_HEAD), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n", HTTP_HEAD), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n"), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n"), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n"), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 103 x\r\nLink: y\r\n\r\n"), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n"), Framing::length);
}

TEST(ResponseHead, KeepsTheDeclaredLengthWhereItTellsSomething) {
  const ParsedResponse head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD);
  EXPECT_TRUE(head.head.has_content_length);
  EXPECT_EQ(head.head.declared_length, 5u);
  EXPECT_EQ(head.head.content_length, 0u);
  EXPECT_TRUE(head.head.keep_alive);
  EXPECT_TRUE(ParsedResponse("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n").head.has_content_length);
  EXPECT_FALSE(ParsedResponse("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n").head.has_content_length);
}

TEST(ResponseHead, DoesNotTrustAConnectionWhoseNextBytesAreDoubtful) {
  const auto keeps = [](std::string bytes) { return ParsedResponse(std::move(bytes)).head.keep_alive; };
  EXPECT_TRUE(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 200 OK\r\n\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.1 204 x\r\n\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 101 x\r\n\r\n")) << "what follows is no longer HTTP";
}

TEST(ResponseHead, KnowsAWebsocketHandshakeFromOther101) {
  EXPECT_TRUE(ParsedResponse("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
                  .head.upgrade_websocket);
  EXPECT_FALSE(ParsedResponse("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n").head.upgrade_websocket);
  EXPECT_FALSE(ParsedResponse("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n").head.upgrade_websocket);
  EXPECT_FALSE(ParsedResponse("HTTP/1.1 200 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                   .head.upgrade_websocket);
}

TEST(ResponseHead, DropsWhatConnectionNamesAndKeepsTheRest) {
  const ParsedResponse parsed(
      "HTTP/1.1 200 OK\r\nConnection: X-Own, date\r\nx-own: 1\r\nDate: 2\r\nServer: 3\r\nKeep-Alive: 4\r\n"
      "Proxy-Authenticate: 5\r\nTrailer: 6\r\nUpgrade: 7\r\nSet-Cookie: 8\r\nSet-Cookie: 9\r\nUnder_Score: a\r\n\r\n");
  for (const Field& field : parsed.head.fields) {
    const bool kept = field.name == "Server" || field.name == "Set-Cookie" || field.name == "Under_Score";
    EXPECT_EQ(field.drop, !kept) << field.name;
  }
}

TEST(ResponseLimits, AreOneCause) {
  const HeadLimits limits{.request_line_bytes = 40, .header_bytes = 60, .header_count = 3};
  const auto cause = [&](const std::string& bytes) { return read_response(bytes, HTTP_GET, limits).cause; };
  EXPECT_EQ(cause("HTTP/1.1 200 " + std::string(25, 'r') + "\r\n\r\n"), Cause::none);
  EXPECT_EQ(cause("HTTP/1.1 200 " + std::string(26, 'r') + "\r\n\r\n"), Cause::response_too_large);
  EXPECT_EQ(cause("HTTP/1.1 200 OK\r\n" + std::string(100, 'n')), Cause::response_too_large);
  EXPECT_EQ(cause("HTTP/1.1 200 OK\r\nA:\r\nB:\r\nC:\r\n\r\n"), Cause::none);
  EXPECT_EQ(cause("HTTP/1.1 200 OK\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n"), Cause::response_too_large);
}

}  // namespace
}  // namespace ringmaster::http
