#include "wire.h"

#include <gtest/gtest.h>

namespace ringmaster::perf {
namespace {

TEST(Wire, ARequestsTargetLengthAndIdentityAreFound) {
  const auto request =
      parse_request("POST /bytes/128?request_id=1000000042 HTTP/1.1\r\nHost: a\r\ncontent-length:  16384\r\n\r\n");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->body_bytes, 16384U);
  EXPECT_TRUE(request->keep_alive);
  EXPECT_EQ(request_id(request->target), "1000000042");
}

TEST(Wire, ARequestThatAsksForTheEndIsNotKeptAlive) {
  EXPECT_FALSE(parse_request("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse_request("GET / HTTP/1.0\r\n\r\n")->keep_alive);
}

TEST(Wire, ChunkedAndBrokenHeadsAreMalformed) {
  EXPECT_FALSE(parse_request("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_FALSE(parse_request("POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n"));
  EXPECT_FALSE(parse_request("nonsense\r\n\r\n"));
  EXPECT_FALSE(parse_answer("HTTP/1.1 abc\r\n\r\n"));
  EXPECT_FALSE(parse_answer("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"));
}

TEST(Wire, AnAnswersStatusLengthAndIdentityAreFound) {
  const auto answer =
      parse_answer("HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nX-Id: 1000000001\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body_bytes, 12U);
  EXPECT_EQ(answer->id, "1000000001");
  EXPECT_FALSE(answer->keep_alive);
  EXPECT_FALSE(parse_answer("HTTP/1.1 200 OK\r\n\r\n")->has_length);
}

TEST(Wire, TheHeadEndsPastItsEmptyLineOnly) {
  EXPECT_FALSE(head_end("GET / HTTP/1.1\r\nHost: a\r\n"));
  EXPECT_EQ(head_end("GET / HTTP/1.1\r\n\r\nbody"), 18U);
}

TEST(Wire, APieceOfTheBodyFitsOnlyWhereItBelongs) {
  const auto all = pattern();
  EXPECT_EQ(all.size() % 64, 0U);
  EXPECT_TRUE(is_pattern(100, all.substr(100, 5000)));
  EXPECT_FALSE(is_pattern(164, all.substr(100, 5000)));  // one line too early
  EXPECT_FALSE(is_pattern(100, std::string(5000, 'x')));
}

TEST(Wire, BodiesLongerThanThePatternRepeatIt) {
  const auto all = pattern();
  const std::string joint = std::string(all.substr(all.size() - 10)) + std::string(all.substr(0, 10));
  EXPECT_TRUE(is_pattern(all.size() - 10, joint));
  EXPECT_TRUE(is_pattern(3 * all.size() - 10, joint));
}

}  // namespace
}  // namespace ringmaster::perf
