// Bodies: the strict chunked decoder (rows R18 to R21, U14, U18), and what leaves the transfer.
#include <gtest/gtest.h>

#include <array>

#include "chunked_reader.h"

namespace ringmaster::http {
namespace {

using namespace std::string_literals;

// The verdict on a body in arrivals of every size; all must agree.
ChunkedReading read_every_way(const std::string& body) {
  const ChunkedReading whole = read_chunked(body, body.size());
  for (size_t part = 1; part < body.size(); part = part < 40 ? part + 1 : part * 2) {
    EXPECT_EQ(read_chunked(body, part), whole) << part << ": " << testing::PrintToString(body);
  }
  return whole;
}

Cause cause_of(const std::string& body) {
  std::string copy = body;
  ChunkedDecoder decoder;
  return decoder.decode(copy.data(), static_cast<uint32_t>(copy.size())).cause;
}

TEST(ChunkedDecoder, TakesOffSizesExtensionsAndTrailers) {
  const struct {
    std::string body;
    const char* payload;
  } cases[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello"},
      {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
      {"3\r\nabc\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n", "abcdef"},
      {"2;a\r\n\r\n\r\n0;b=c\r\n\r\n", "\r\n"},
      {"1;a=b;c;d=\"e f\\\"\\\\;\x80\t\"\r\nx\r\n0;z=\"\"\r\n\r\n", "x"},
      {"1\r\nx\r\n0\r\nA: b\r\nX-Trailer:\r\nHost: evil\r\nContent-Lengt: 1\r\nContent-Length1: 1\r\n\r\n", "x"},
      {"1\r\nx\r\n0\r\nA: b \x80\tc\r\n\r\n", "x"},
  };
  for (const auto& c : cases) {
    const ChunkedReading reading = read_every_way(c.body);
    EXPECT_TRUE(reading.finished) << c.body;
    EXPECT_EQ(reading.payload, c.payload) << c.body;
    EXPECT_EQ(reading.consumed, c.body.size()) << c.body;
  }
}

TEST(ChunkedDecoder, LeavesWhatFollowsTheBody) {
  const std::string body = "1\r\nx\r\n0\r\n\r\n";
  const ChunkedReading reading = read_every_way(body + "GET / HTTP/1.1\r\n");
  EXPECT_TRUE(reading.finished);
  EXPECT_EQ(reading.consumed, body.size());
}

TEST(ChunkedDecoder, RefusesEveryOtherSpelling) {
  const std::string bodies[] = {
      // R18: extensions
      "1;\r\nx\r\n0\r\n\r\n", "1;;a\r\nx\r\n0\r\n\r\n", "1;=b\r\nx\r\n0\r\n\r\n", "1;a=\r\nx\r\n0\r\n\r\n",
      "1;a\nx\r\n0\r\n\r\n", "1;a=b\nx\r\n0\r\n\r\n", "1;\nx\r\n0\r\n\r\n", "1;a\rb\r\nx\r\n0\r\n\r\n",
      "1;a=\"b\r\nx\r\n0\r\n\r\n", "1;a=\"b\n\"\r\nx\r\n0\r\n\r\n", "1;a=\"b\"c\r\nx\r\n0\r\n\r\n",
      "1;a=\"\\\x01\"\r\nx\r\n0\r\n\r\n", "1;a=\x01\r\nx\r\n0\r\n\r\n", "1;a\0\r\nx\r\n0\r\n\r\n"s,
      "1 ;a\r\nx\r\n0\r\n\r\n", "1; a\r\nx\r\n0\r\n\r\n", "1;a =b\r\nx\r\n0\r\n\r\n", "1;a= b\r\nx\r\n0\r\n\r\n",
      "1;\xC3\xA4\r\nx\r\n0\r\n\r\n", "1,a\r\nx\r\n0\r\n\r\n",
      // R19: sizes
      "00000000000000001\r\nx\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF\r\n", "8000000000000000\r\n", "10000000000000000\r\n",
      "0x1\r\nx\r\n0\r\n\r\n", "+1\r\nx\r\n0\r\n\r\n", "-1\r\nx\r\n0\r\n\r\n", " 1\r\nx\r\n0\r\n\r\n",
      "1 \r\nx\r\n0\r\n\r\n", "1\t\r\nx\r\n0\r\n\r\n", "\r\n1\r\nx\r\n0\r\n\r\n", "g\r\n", "1_0\r\n", "1.0\r\n",
      "\x01\r\n", "1\0\r\n"s, "1\x80\r\n",
      // R20: line ends
      "1\nx\r\n0\r\n\r\n", "1\rx\r\n0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nx0\r\n\r\n", "1\r\nx\r\n\r\n0\r\n\r\n",
      "1\r\nx\r0\r\n\r\n", "1\r\nxy\r\n0\r\n\r\n", "0\n\r\n", "0\r\n\n", "0\n\n", "0\r\n\rX", "0\rX",
      // R21: trailers
      "0\r\nContent-Length: 5\r\n\r\n", "0\r\ntransfer-ENCODING: chunked\r\n\r\n",
      "0\r\nA: b\r\nCONTENT-LENGTH:1\r\n\r\n",
      "0\r\nA : b\r\n\r\n", "0\r\n A: b\r\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "0\r\n: b\r\n\r\n", "0\r\nA\r\n\r\n",
      "0\r\nA: b\nC: d\r\n\r\n", "0\r\nA: b\rC: d\r\n\r\n", "0\r\nA: \x01\r\n\r\n", "0\r\nGET / HTTP/1.1\r\n",
  };
  for (const std::string& body : bodies) {
    const ChunkedReading reading = read_every_way(body);
    EXPECT_TRUE(reading.refused) << testing::PrintToString(body);
    EXPECT_EQ(cause_of(body), Cause::chunk_malformed) << testing::PrintToString(body);
  }
}

TEST(ChunkedDecoder, TakesTheLargestSizeAndNoLarger) {
  std::string largest = "7FFFFFFFFFFFFFFF\r\nx";
  EXPECT_EQ(cause_of(largest), Cause::none);
  EXPECT_EQ(cause_of("8000000000000000\r\nx"), Cause::chunk_malformed);
}

TEST(ChunkedDecoder, BoundsExtensionsOfAChunkAndOfTheMessage) {
  const auto chunk = [](size_t extension) { return "1;" + std::string(extension - 1, 'e') + "\r\nx\r\n"; };
  EXPECT_EQ(cause_of(chunk(256)), Cause::none);
  EXPECT_EQ(cause_of(chunk(257)), Cause::chunk_overhead);
  EXPECT_EQ(cause_of("1;" + std::string(1000, 'e')), Cause::chunk_overhead) << "without an end in sight";
  std::string many;
  for (int i = 0; i < 64; ++i) many += chunk(256);
  EXPECT_EQ(cause_of(many + "1\r\nx\r\n0\r\n\r\n"), Cause::none);
  EXPECT_EQ(cause_of(many + chunk(2)), Cause::chunk_overhead);
}

TEST(ChunkedDecoder, BoundsTrailers) {
  const std::string line = "A: " + std::string(11, 'b') + "\r\n";  // 16 bytes
  std::string trailers = "0\r\n";
  for (int i = 0; i < 1024; ++i) trailers += line;
  EXPECT_EQ(cause_of(trailers + "\r\n"), Cause::none);
  EXPECT_EQ(cause_of(trailers + "A"), Cause::chunk_overhead);
}

TEST(ChunkedDecoder, SaysTheSameCauseEverAfter) {
  ChunkedDecoder decoder;
  std::string bad = "x";
  EXPECT_EQ(decoder.decode(bad.data(), 1).cause, Cause::chunk_malformed);
  std::string good = "0\r\n\r\n";
  const ChunkedDecoder::Step step = decoder.decode(good.data(), 5);
  EXPECT_EQ(step.cause, Cause::chunk_malformed);
  EXPECT_EQ(step.consumed, 0u);
}

// A transfer fed in arrivals of at most `part` bytes. Each lies in a buffer with exactly the room that the header
// promises around it; bytes behind `consumed` must stay as they are.
struct Transferred {
  std::string sent;
  size_t consumed = 0;
  Cause cause = Cause::none;
  bool finished = false;
};

Transferred transfer(BodyTransfer body, std::string_view bytes, size_t part) {
  Transferred result;
  while (!bytes.empty() && !body.finished() && result.cause == Cause::none) {
    const size_t size = std::min(part, bytes.size());
    std::vector<char> room(BodyTransfer::front_bytes_max + size + BodyTransfer::back_bytes_max);
    char* const begin = room.data() + BodyTransfer::front_bytes_max;
    bytes.copy(begin, size);
    const BodyTransfer::Step step = body.transform(begin, begin + size);
    result.sent.append(step.begin, step.end);
    result.consumed += step.consumed;
    result.cause = step.cause;
    if (step.consumed < size) {
      EXPECT_EQ(std::string_view(begin + step.consumed, size - step.consumed),
                bytes.substr(step.consumed, size - step.consumed))
          << "what follows the body was written to";
      EXPECT_TRUE(body.finished() || step.cause != Cause::none);
    }
    bytes.remove_prefix(step.consumed);
  }
  result.finished = body.finished();
  return result;
}

TEST(BodyTransfer, WithoutABodyIsFinishedAtOnce) {
  for (BodyTransfer body : {BodyTransfer(), BodyTransfer(Framing::none, 0, Framing::none, 0),
                            BodyTransfer(Framing::length, 0, Framing::length, 0)}) {
    EXPECT_TRUE(body.finished());
    EXPECT_EQ(body.remaining(), 0u);
    std::array<char, 64> room;
    const BodyTransfer::Step step = body.transform(room.data() + 20, room.data() + 30);
    EXPECT_EQ(step.begin, step.end);
    EXPECT_EQ(step.consumed, 0u);
    std::string_view last = "x";
    EXPECT_TRUE(body.finish(last));
    EXPECT_EQ(last, "");
  }
}

TEST(BodyTransfer, PassesALengthAsItIsAndNoByteMore) {
  for (size_t part : {1, 3, 5, 100}) {
    const Transferred result = transfer({Framing::length, 5, Framing::length, 0}, "helloGET /", part);
    EXPECT_EQ(result.sent, "hello");
    EXPECT_EQ(result.consumed, 5u);
    EXPECT_TRUE(result.finished);
  }
}

TEST(BodyTransfer, CountsWhatIsToComeAndWhatHasPassed) {
  BodyTransfer body(Framing::length, 10, Framing::length, 0);
  std::array<char, 64> room{};
  body.transform(room.data(), room.data() + 4);
  EXPECT_EQ(body.remaining(), 6u);
  EXPECT_EQ(body.passed(), 4u);
  EXPECT_FALSE(body.finished());
  std::string_view last;
  EXPECT_FALSE(body.finish(last)) << "a length that ends early is truncated";
  EXPECT_EQ(BodyTransfer(Framing::chunked, 0, Framing::chunked, 0).remaining(), UINT64_MAX);
  EXPECT_EQ(BodyTransfer(Framing::until_close, 0, Framing::chunked, 0).remaining(), UINT64_MAX);
}

TEST(BodyTransfer, RebuildsChunksWithoutTheirExtensionsAndTrailers) {
  const std::string body = "5;a=b\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0;z\r\nTrailer: x\r\n\r\n";
  EXPECT_EQ(transfer({Framing::chunked, 0, Framing::chunked, 0}, body, 1000).sent, "c\r\nhello world!\r\n0\r\n\r\n");
  for (size_t part = 1; part <= body.size(); ++part) {
    const Transferred result = transfer({Framing::chunked, 0, Framing::chunked, 0}, body + "GET /next", part);
    EXPECT_TRUE(result.finished);
    EXPECT_EQ(result.consumed, body.size());
    const ChunkedReading read = read_chunked(result.sent, result.sent.size());
    EXPECT_TRUE(read.finished) << result.sent;
    EXPECT_EQ(read.payload, "hello world!");
    EXPECT_EQ(read.consumed, result.sent.size());
    EXPECT_EQ(transfer({Framing::chunked, 0, Framing::until_close, 0}, body + "GET /next", part).sent, "hello world!");
  }
}

TEST(BodyTransfer, HasRoomForTheLongestChunkHeader) {
  const std::string payload(1 << 20, 'p');
  const Transferred result = transfer({Framing::until_close, 0, Framing::chunked, 0}, payload, payload.size());
  EXPECT_EQ(result.sent, "100000\r\n" + payload + "\r\n");
}

TEST(BodyTransfer, RechunksABodyThatEndsWithTheConnection) {
  BodyTransfer body(Framing::until_close, 0, Framing::chunked, 0);
  std::vector<char> room(100, 'x');
  const BodyTransfer::Step step = body.transform(room.data() + 30, room.data() + 40);
  EXPECT_EQ(std::string_view(step.begin, step.end), "a\r\nxxxxxxxxxx\r\n");
  EXPECT_FALSE(body.finished());
  std::string_view last;
  EXPECT_TRUE(body.finish(last));
  EXPECT_EQ(last, "0\r\n\r\n");
  EXPECT_TRUE(body.finished());
  BodyTransfer bare(Framing::until_close, 0, Framing::until_close, 0);
  EXPECT_TRUE(bare.finish(last));
  EXPECT_EQ(last, "");
}

TEST(BodyTransfer, TellsATruncatedChunkedBodyFromAFinishedOne) {
  for (const char* body : {"5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "0\r\n\r"}) {
    BodyTransfer transfer(Framing::chunked, 0, Framing::chunked, 0);
    std::vector<char> room(100);
    std::string_view(body).copy(room.data() + 20, 50);
    transfer.transform(room.data() + 20, room.data() + 20 + strlen(body));
    std::string_view last;
    EXPECT_FALSE(transfer.finish(last)) << body;
  }
}

TEST(BodyTransfer, StopsAtTheLimitInEveryFraming) {
  const std::string chunked = "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
  for (size_t part : {1, 7, 100}) {
    EXPECT_EQ(transfer({Framing::length, 10, Framing::length, 10}, "helloworld", part).cause, Cause::none);
    EXPECT_EQ(transfer({Framing::length, 10, Framing::length, 9}, "helloworld", part).cause, Cause::body_too_large);
    EXPECT_EQ(transfer({Framing::chunked, 0, Framing::chunked, 10}, chunked, part).cause, Cause::none);
    EXPECT_EQ(transfer({Framing::chunked, 0, Framing::chunked, 9}, chunked, part).cause, Cause::body_too_large);
    EXPECT_EQ(transfer({Framing::until_close, 0, Framing::chunked, 9}, "helloworld", part).cause,
              Cause::body_too_large);
  }
}

TEST(BodyTransfer, SendsNothingOfAnArrivalThatIsMalformed) {
  const Transferred result = transfer({Framing::chunked, 0, Framing::chunked, 0}, "5\r\nhello\r\nxyz", 100);
  EXPECT_EQ(result.cause, Cause::chunk_malformed);
  EXPECT_EQ(result.sent, "");
}

}  // namespace
}  // namespace ringmaster::http
