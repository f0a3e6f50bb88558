// What an accepted request means, and the limits.
#include <gtest/gtest.h>

#include "every_way.h"

namespace ringmaster::http {
namespace {

TEST(RequestHead, TellsTheWholeMeaningOfAnOrdinaryRequest) {
  const std::string bytes =
      "POST /a/b?c=d&e HTTP/1.1\r\nHost: Example.org:8080\r\nContent-Length: 0012\r\nX-A:  b c \t\r\n\r\nbody";
  const ParsedRequest parsed(bytes);
  const RequestHead& head = parsed.head;
  EXPECT_EQ(head.method, HTTP_POST);
  EXPECT_EQ(head.method_name, "POST");
  EXPECT_EQ(head.target, "/a/b?c=d&e");
  EXPECT_EQ(head.path, "/a/b");
  EXPECT_EQ(head.query, "c=d&e");
  EXPECT_EQ(head.host, "Example.org:8080");
  EXPECT_EQ(head.minor, 1);
  EXPECT_EQ(head.framing, Framing::length);
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.idempotent);
  EXPECT_EQ(head.head_bytes, bytes.size() - 4);
  EXPECT_EQ(head.max_forwards, -1);
  ASSERT_EQ(head.fields.size(), 3u);
  EXPECT_EQ(head.fields[2].name, "X-A");
  EXPECT_EQ(head.fields[2].value, "b c");
  EXPECT_EQ(head.fields[2].id, FieldId::other);
  EXPECT_FALSE(head.fields[2].drop);
  EXPECT_EQ(head.fields[0].id, FieldId::host);
}

TEST(RequestHead, ReadsNothingBehindTheHead) {
  RequestReader reader;
  const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  const ExactCopy both(first + "GARBAGE \x01 that is another's");
  EXPECT_EQ(reader(both.view()).status, HeadStatus::complete);
  EXPECT_EQ(reader.head.head_bytes, first.size());
}

TEST(RequestHead, CountsAnEmptyLineBeforeTheRequestAsPartOfTheHead) {
  const ParsedRequest parsed("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(parsed.head.head_bytes, parsed.bytes.size());
  EXPECT_EQ(parsed.head.method_name, "GET");
}

TEST(RequestHead, IsUntouchedUntilTheRequestItselfBegins) {
  RequestReader reader;
  EXPECT_TRUE(reader.parser.untouched());
  reader("");
  EXPECT_TRUE(reader.parser.untouched());
  reader("\r");
  EXPECT_FALSE(reader.parser.untouched());
  reader("\r\n");
  EXPECT_TRUE(reader.parser.untouched());
  reader("\r\nG");
  EXPECT_FALSE(reader.parser.untouched());
}

TEST(RequestHead, ReducesAbsoluteFormToOriginForm) {
  const struct {
    const char* method;
    const char* target;
    const char* reduced;
    const char* path;
    const char* query;
  } cases[] = {
      {"GET", "http://a:80/p?q", "/p?q", "/p", "q"},
      {"GET", "HTTP://a:80", "/", "/", ""},
      {"GET", "http://a:80?q=1", "?q=1", "/", "q=1"},
      {"GET", "http://a:80/?q/r", "/?q/r", "/", "q/r"},
      {"OPTIONS", "http://a:80", "*", "*", ""},
      {"OPTIONS", "http://a:80/", "/", "/", ""},
  };
  for (const auto& c : cases) {
    const ParsedRequest parsed(std::string(c.method) + " " + c.target + " HTTP/1.1\r\nHost: A\r\n\r\n");
    EXPECT_EQ(parsed.head.target, c.reduced) << c.target;
    EXPECT_EQ(parsed.head.path, c.path) << c.target;
    EXPECT_EQ(parsed.head.query, c.query) << c.target;
    EXPECT_EQ(parsed.head.host, "a:80") << "the target's authority is the one in force";
  }
}

TEST(RequestHead, TakesTheAuthorityOfTheTargetWhereHttp10HasNoHost) {
  EXPECT_EQ(ParsedRequest("GET http://a/p HTTP/1.0\r\n\r\n").head.host, "a");
  EXPECT_EQ(ParsedRequest("GET /p HTTP/1.0\r\n\r\n").head.host, "");
}

TEST(RequestHead, KeepsTheConnectionByVersionAndConnectionField) {
  const struct {
    const char* version;
    const char* fields;
    bool keep_alive;
  } cases[] = {
      {"1.1", "", true},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "connection: x, CLOSE ,y\r\n", false},
      {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
      {"1.1", "Connection: closed\r\n", true},
      {"1.1", "Proxy-Connection: close\r\n", true},
      {"1.0", "", false},
      {"1.0", "Connection: Keep-Alive\r\n", true},
      {"1.0", "Connection: keep-alive, close\r\n", false},
      {"1.0", "Proxy-Connection: keep-alive\r\n", false},
  };
  for (const auto& c : cases) {
    const ParsedRequest parsed(std::string("GET / HTTP/") + c.version + "\r\nHost: a\r\n" + c.fields + "\r\n");
    EXPECT_EQ(parsed.head.keep_alive, c.keep_alive) << c.version << c.fields;
  }
}

TEST(RequestHead, ExpectsToContinueOnlyWhereABodyIsToCome) {
  const auto expects = [](const std::string& rest) {
    return ParsedRequest("POST / HTTP/" + rest + "Expect: 100-Continue\r\n\r\n").head.expect_continue;
  };
  EXPECT_TRUE(expects("1.1\r\nHost: a\r\nContent-Length: 1\r\n"));
  EXPECT_TRUE(expects("1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(expects("1.1\r\nHost: a\r\nContent-Length: 0\r\n"));
  EXPECT_FALSE(expects("1.1\r\nHost: a\r\n"));
  EXPECT_FALSE(expects("1.0\r\nHost: a\r\nContent-Length: 1\r\n"));
}

TEST(RequestHead, UpgradesOnlyToAWebsocketAskedForProperly) {
  const auto upgrades = [](const std::string& start, const std::string& fields) {
    return ParsedRequest(start + "\r\nHost: a\r\n" + fields + "\r\n").head.upgrade_websocket;
  };
  EXPECT_TRUE(upgrades("GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n"));
  EXPECT_TRUE(upgrades("GET / HTTP/1.1", "Upgrade:websocket\r\nConnection: keep-alive, upgrade\r\n"));
  EXPECT_TRUE(upgrades("GET / HTTP/1.1", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n"));
  EXPECT_FALSE(upgrades("GET / HTTP/1.1", "Upgrade: websocket\r\n"));
  EXPECT_FALSE(upgrades("GET / HTTP/1.1", "Connection: upgrade\r\n"));
  EXPECT_FALSE(upgrades("GET / HTTP/1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_FALSE(upgrades("POST / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n"));
  EXPECT_FALSE(upgrades("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"));
  EXPECT_FALSE(upgrades("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n"));
  EXPECT_FALSE(upgrades("GET / HTTP/1.1", "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"));
}

TEST(RequestHead, KnowsWhichMethodsMayBeTriedAgain) {
  for (std::string_view method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "QUERY"}) {
    EXPECT_TRUE(ParsedRequest(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n\r\n").head.idempotent) << method;
  }
  for (std::string_view method : {"POST", "PATCH", "LOCK", "MKCOL", "M-SEARCH"}) {
    EXPECT_FALSE(ParsedRequest(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n\r\n").head.idempotent) << method;
  }
}

TEST(RequestHead, MarksWhatIsNotPassedOn) {
  const ParsedRequest parsed(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-own\r\nX-Own: 1\r\nx-OWN: 2\r\nX-Kept: 3\r\nTE: trailers\r\n"
      "Keep-Alive: 1\r\nProxy-Connection: x\r\nTrailer: y\r\nProxy-Authorization: z\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: w\r\nUnder_Score: v\r\nAuthorization: u\r\nCookie: t\r\nExpect: 100-continue\r\nVia: s\r\n"
      "Range: bytes=0-1\r\n\r\n");
  for (const Field& field : parsed.head.fields) {
    const bool kept = field.name == "X-Kept" || field.name == "Authorization" || field.name == "Cookie" ||
                      field.name == "Via" || field.name == "Range";
    EXPECT_EQ(field.drop, !kept) << field.name;
  }
}

TEST(RequestHead, PassesUnderscoresOnWhereThatIsAllowedButNeverAmbiguousOnes) {
  const HeadLimits limits{.allow_underscores = true};
  const ParsedRequest parsed("GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\n\r\n", limits);
  EXPECT_FALSE(parsed.head.fields[1].drop);
  EXPECT_EQ(read_request("GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\n\r\n", limits).cause,
            Cause::field_name_ambiguous);
}

TEST(RequestHead, ReadsMaxForwardsOfTraceAndOptionsOnly) {
  EXPECT_EQ(ParsedRequest("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").head.max_forwards, 0);
  EXPECT_EQ(ParsedRequest("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n").head.max_forwards, 10);
  EXPECT_EQ(ParsedRequest("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n").head.max_forwards, -1);
  EXPECT_EQ(ParsedRequest("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0000000000\r\n\r\n").head.max_forwards, 0);
  EXPECT_EQ(ParsedRequest("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 99999999999\r\n\r\n").head.max_forwards,
            999'999'999);
  EXPECT_EQ(ParsedRequest("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").head.max_forwards, -1);
}

TEST(RequestHead, FindsFieldsInAnyCase) {
  const ParsedRequest parsed("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\n\r\n");
  ASSERT_NE(find_field(parsed.head.fields, "x-A"), nullptr);
  EXPECT_EQ(find_field(parsed.head.fields, "x-A")->value, "1");
  EXPECT_EQ(find_field(parsed.head.fields, "x"), nullptr);
}

TEST(RequestHead, RefusesMoreNamedFieldsThanItIsWorthLookingFor) {
  std::string names = "x0";
  for (int i = 1; i < 65; ++i) names += ",x" + std::to_string(i);
  EXPECT_EQ(read_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: " + names + "\r\n\r\n").cause,
            Cause::field_malformed);
  names.resize(names.rfind(','));
  EXPECT_EQ(read_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: " + names + "\r\n\r\n").cause, Cause::none);
}

// Limits. A line of exactly the limit passes, one byte more does not, and a line that never ends is refused as soon as
// the limit is full.
TEST(RequestLimits, HoldTheRequestLineToItsBytes) {
  const HeadLimits limits{.request_line_bytes = 40};
  const auto line_of = [](size_t bytes) { return "GET /" + std::string(bytes - 16, 'x') + " HTTP/1.1\r\n"; };
  ASSERT_EQ(line_of(40).size(), 40u);
  EXPECT_EQ(read_request(line_of(40) + "Host: a\r\n\r\n", limits).status, HeadStatus::complete);
  EXPECT_EQ(read_request("\r\n" + line_of(40) + "Host: a\r\n\r\n", limits).status, HeadStatus::complete);
  EXPECT_EQ(read_request(line_of(41) + "Host: a\r\n\r\n", limits).cause, Cause::request_line_too_long);
  EXPECT_EQ(read_request("GET /" + std::string(35, 'x'), limits).cause, Cause::request_line_too_long);
  EXPECT_EQ(read_request("GET /" + std::string(34, 'x'), limits).status, HeadStatus::incomplete);
  EXPECT_EQ(read_request(std::string(40, 'G'), limits).cause, Cause::request_line_too_long);
}

TEST(RequestLimits, HoldFieldLinesToTheirBytesTogether) {
  const HeadLimits limits{.header_bytes = 40};
  const auto fields_of = [](size_t bytes) { return "Host: a\r\nX: " + std::string(bytes - 14, 'y') + "\r\n"; };
  const std::string line = "GET / HTTP/1.1\r\n";
  ASSERT_EQ(fields_of(40).size(), 40u);
  EXPECT_EQ(read_request(line + fields_of(40) + "\r\n", limits).status, HeadStatus::complete);
  EXPECT_EQ(read_request(line + fields_of(41) + "\r\n", limits).cause, Cause::fields_too_large);
  EXPECT_EQ(read_request(line + fields_of(40) + "Z: 1\r\n\r\n", limits).cause, Cause::fields_too_large);
  EXPECT_EQ(read_request(line + std::string(100, 'n'), limits).cause, Cause::fields_too_large);
  EXPECT_EQ(read_request(line + "N:" + std::string(100, ' '), limits).cause, Cause::fields_too_large);
}

TEST(RequestLimits, HoldFieldLinesToTheirNumber) {
  const HeadLimits limits{.header_count = 3};
  const std::string three = "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n";
  EXPECT_EQ(read_request(three + "\r\n", limits).status, HeadStatus::complete);
  EXPECT_EQ(read_request(three + "C", limits).cause, Cause::too_many_fields);
  EXPECT_EQ(read_request(three + "C: 3\r\n\r\n", limits).cause, Cause::too_many_fields);
}

TEST(RequestLimits, NeverReadMoreFieldsThanTheScratchHolds) {
  const HeadLimits limits{.header_bytes = 1 << 20, .header_count = 60000};
  std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < fields_max; ++i) bytes += "a:\r\n";
  RequestReader reader{.limits = limits};
  EXPECT_EQ(reader(bytes + "\r\n").status, HeadStatus::complete);
  RequestReader one_more{.limits = limits};
  EXPECT_EQ(one_more(bytes + "a:\r\n\r\n").cause, Cause::too_many_fields);
}

TEST(RequestLimits, BoundTheWholeHead) {
  const HeadLimits limits{.request_line_bytes = 40, .header_bytes = 50};
  EXPECT_EQ(head_bytes_max(limits), 94u);
  for (const std::string& endless : {std::string(200, 'G'), "\r\nGET /" + std::string(200, 'x'),
                                     "\r\nGET / HTTP/1.1\r\n" + std::string(200, 'x')}) {
    RequestReader reader{.limits = limits};
    EXPECT_EQ(reader(std::string_view(endless).substr(0, head_bytes_max(limits))).status, HeadStatus::refused);
  }
}

TEST(RequestLimits, ReportAWrongByteBeforeTheLimitAsWhatItIs) {
  const HeadLimits limits{.request_line_bytes = 40};
  EXPECT_EQ(read_request("GET /\x01" + std::string(100, 'x'), limits).cause, Cause::request_line_malformed);
  EXPECT_EQ(read_request("GET /" + std::string(100, 'x') + "\x01", limits).cause, Cause::request_line_too_long);
}

}  // namespace
}  // namespace ringmaster::http
