// Bytes of attacks that worked on other programs, as far as a head or a body decides them.
#include <gtest/gtest.h>

#include "chunked_reader.h"
#include "every_way.h"

namespace ringmaster::http {
namespace {

using namespace std::string_view_literals;

const Spelling spellings[] = {
    {"CVE-2021-22959", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"sv, Cause::field_malformed},
    {"CVE-2022-32213", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedchunked\r\n\r\n"sv,
     Cause::transfer_encoding_invalid},
    {"CVE-2022-32213", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, x\r\nContent-Length: 1\r\n\r\n"sv,
     Cause::framing_conflict},
    {"CVE-2022-32214", "POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n"sv,
     Cause::field_malformed},
    {"CVE-2022-32215", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n , identity\r\n\r\n"sv,
     Cause::field_malformed},
    {"CVE-2022-35256", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\rContent-Length: 5\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2023-30589", "GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2024-27982", "POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 5\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2024-27982", "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 5\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2025-23167", "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2025-23167", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\rGET / HTTP/1.1\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2022-1705", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0B" "chunked\r\nContent-Length: 1\r\n\r\n"sv,
     Cause::field_malformed},
    {"CVE-2026-2835",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     Cause::transfer_encoding_invalid},
    {"CVE-2026-2835", "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     Cause::transfer_encoding_in_http10},
    {"CVE-2021-40346", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length0aaaaaaaa:\r\nContent-Length: 5\r\n\r\n"sv,
     Cause::none},
    {"CVE-2023-25725", "POST / HTTP/1.1\r\nHost: a\r\n:\r\nContent-Length: 5\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2023-25725", "GET / HTTP/1.1\r\nHost: a\r\n\0: x\r\n\r\n"sv, Cause::field_malformed},
    {"CVE-2023-40225", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"sv, Cause::content_length_invalid},
    {"CVE-2023-40225", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\nContent-Length: 5\r\n\r\n"sv,
     Cause::content_length_invalid},
    {"CVE-2023-45539", "GET /a.png#.html HTTP/1.1\r\nHost: a\r\n\r\n"sv, Cause::target_invalid},
};

TEST(Cve, HeadsAreJudgedAsTheyMustBeInEveryArrival) {
  for (const Spelling& spelling : spellings) {
    SCOPED_TRACE(std::string(spelling.row) + " " + testing::PrintToString(spelling.bytes));
    EXPECT_EQ(name_of(read_request(spelling.bytes).cause), name_of(spelling.cause));
  }
}

TEST(Cve, ChunksAreRefused) {
  const Spelling bodies[] = {
      {"CVE-2021-22960", "1;\n\r\nx\r\n0\r\n\r\n"sv, Cause::chunk_malformed},
      {"CVE-2025-55315", "2;\nxx\r\n4f\r\n0\r\n\r\n"sv, Cause::chunk_malformed},
      {"CVE-2025-55315", "2;a\nxx\r\n0\r\n\r\n"sv, Cause::chunk_malformed},
      {"CVE-2025-55315", "2;a\rxx\r\n0\r\n\r\n"sv, Cause::chunk_malformed},
      {"CVE-2025-43859", "5\r\nhelloXX0\r\n\r\n"sv, Cause::chunk_malformed},
      {"CVE-2025-43859", "5\r\nhello\r0\r\n\r\n"sv, Cause::chunk_malformed},
  };
  for (const Spelling& body : bodies) {
    std::string bytes(body.bytes);
    ChunkedDecoder decoder;
    EXPECT_EQ(decoder.decode(bytes.data(), static_cast<uint32_t>(bytes.size())).cause, body.cause) << body.row;
  }
}

// CVE-2024-22019: extensions without bound cost a server its bandwidth and time.
TEST(Cve, ExtensionsHaveABound) {
  std::string bytes = "1;" + std::string(100'000, 'a');
  ChunkedDecoder decoder;
  const ChunkedDecoder::Step step = decoder.decode(bytes.data(), static_cast<uint32_t>(bytes.size()));
  EXPECT_EQ(step.cause, Cause::chunk_overhead);
  EXPECT_LT(step.consumed, 300u);
}

// CVE-2026-2833: a request alone opens no tunnel. The head says that one is asked for, and where its own bytes end.
TEST(Cve, BytesBehindAnUpgradeRequestAreNotPartOfIt) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  const ParsedRequest parsed(head + "GET /admin HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(parsed.head.upgrade_websocket);
  EXPECT_EQ(parsed.head.head_bytes, head.size());
  EXPECT_EQ(parsed.head.framing, Framing::none);
}

}  // namespace
}  // namespace ringmaster::http
