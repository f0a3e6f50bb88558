// The access log's lines, as the requests and their ends make them.
#include <nlohmann/json.hpp>
#include <regex>

#include "conversation.h"

namespace ringmaster::proxy {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class AccessLines : public Conversation {
 protected:
  AccessLines() { access = std::make_unique<LineQueue>(1 << 16); }

  std::string line() {
    run_until([&] { return !access->empty(); }, "a line");
    std::string text;
    access->take(text, 1 << 20);
    return text;
  }
  json object() {
    const std::string text = line();
    EXPECT_TRUE(text.ends_with("}\n")) << text;
    return json::parse(text);
  }
  void answer_with(std::string_view bytes) {
    wait_for(upstream(), "\r\n\r\n");
    upstream().write(bytes);
  }
};

TEST_P(AccessLines, CombinedIsAsNginxWritesIt) {
  start();
  Peer& c = client();
  c.write("GET /a?b=\"c\" HTTP/1.1\r\nHost: h\r\nReferer: http://from/\r\nUser-Agent: \xC3\xA9 \\ \"x\"\r\n\r\n");
  answer_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  const std::string text = line();
  const std::regex form(R"(127\.0\.0\.1 - - \[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET )"
                        R"(/a\?b=\\x22c\\x22 HTTP/1\.1" 200 5 "http://from/" "\\xc3\\xa9 \\x5c \\x22x\\x22"\n)");
  EXPECT_TRUE(std::regex_match(text, form)) << text;
  EXPECT_EQ(meters().access_lines.value(), 1u);
}

TEST_P(AccessLines, CombinedHasTheFirstLineOfARefusedHeadAsItCame) {
  start();
  const auto logged = [&](std::string_view sent) {
    Peer& c = client();
    c.write(sent);
    wait_for(c, "HTTP/1.1 4");
    const std::string text = line();
    std::smatch found;
    const std::regex form(R"~(127\.0\.0\.1 - - \[[^\]]*\] "(.*)" 4\d\d \d+ "-" "-"\n)~");
    EXPECT_TRUE(std::regex_match(text, found, form)) << text;
    return found[1].str();
  };
  EXPECT_EQ(logged("nonsense\r\n\r\n"), "nonsense");
  EXPECT_EQ(logged("GET /a\"b HTTP/1.1\r\n\r\n"), R"(GET /a\x22b HTTP/1.1)");   // without Host
  EXPECT_EQ(logged("\r\nCONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"), "CONNECT h:1 HTTP/1.1");
  EXPECT_TRUE(logged(std::string("\x16\x03\x01\0\n", 5)).starts_with(R"(\x16)"));   // refused at its first byte
  EXPECT_EQ(logged("\n"), "-");
}

TEST_P(AccessLines, JsonHasTheFirstLineOfARefusedHeadAndTheCause) {
  settings.log.access_format = config::AccessFormat::json;
  start();
  client().write("GET /a\"b HTTP/1.1\r\n\r\n");
  const json told = object();
  EXPECT_EQ(told["request_line"], "GET /a\"b HTTP/1.1");
  EXPECT_EQ(told["cause"], "host_missing");
  EXPECT_FALSE(told.contains("method"));
}

TEST_P(AccessLines, JsonTellsReplicaTriesAndTime) {
  settings.log.access_format = config::AccessFormat::json;
  start({refusing(), server()});
  bool tried_twice = false;
  for (int i = 0; i < 40 && !tried_twice; ++i) {
    Peer& c = client();
    c.write("GET /x HTTP/1.1\r\nHost: h\r\nUser-Agent: a\"b\\c\t\r\n\r\n");
    if (i == 0 && upstream_connections() == 0) upstream();
    run_until([&] { return unread(upstream()).find("\r\n\r\n") != std::string::npos || c.ended(); }, "the request");
    answer_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    wait_for(c, "0\r\n\r\n");
    const json told = object();
    EXPECT_EQ(told["status"], 200);
    EXPECT_EQ(told["remote_addr"], "127.0.0.1");
    EXPECT_EQ(told["method"], "GET");
    EXPECT_EQ(told["user_agent"], "a\"b\\c");
    EXPECT_EQ(told["host"], "h");
    EXPECT_EQ(told["replica"], "S2");
    EXPECT_GE(told["body_bytes"].get<int>(), 15);  // a chunk that came in pieces leaves in as many
    EXPECT_GE(told["duration_ms"].get<double>(), 0.0);
    EXPECT_TRUE(std::regex_match(told["time"].get<std::string>(),
                                 std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
    EXPECT_FALSE(told.contains("cause"));
    tried_twice = told["attempts"] == 2;
  }
  EXPECT_TRUE(tried_twice);
}

TEST_P(AccessLines, JsonNamesTheCauseOfARefusal) {
  settings.log.access_format = config::AccessFormat::json;
  start({refusing()});
  Peer& c = client();
  c.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(c, "HTTP/1.1 502 ");
  const json told = object();
  EXPECT_EQ(told["status"], 502);
  EXPECT_EQ(told["cause"], "replica_refused");
  EXPECT_EQ(told["attempts"], 1);
}

TEST_P(AccessLines, AClientThatHasGoneIsA499) {
  start();
  Peer& c = client();
  c.write("GET /gone HTTP/1.1\r\nHost: h\r\n\r\n");
  wait_for(upstream(), "\r\n\r\n");
  c.reset();
  EXPECT_NE(line().find("\"GET /gone HTTP/1.1\" 499 0 "), std::string::npos);
}

TEST_P(AccessLines, ALongTargetIsCutAndTheLineIsStillOne) {
  settings.log.access_format = config::AccessFormat::json;
  start();
  Peer& c = client();
  c.write("GET /" + std::string(5000, 'l') + " HTTP/1.1\r\nHost: h\r\nReferer: " + std::string(3000, '"') + "\r\n\r\n");
  answer_with("HTTP/1.1 204 No Content\r\n\r\n");
  const json told = object();
  EXPECT_EQ(told["uri"].get<std::string>(), "/" + std::string(2047, 'l'));
  EXPECT_EQ(told["referer"].get<std::string>(), std::string(1024, '"'));
}

TEST_P(AccessLines, AFullQueueDropsWholeLinesAndCountsThem) {
  access = std::make_unique<LineQueue>(256);
  start();
  for (int i = 0; i < 10; ++i) {
    Peer& c = client();
    c.write("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nUser-Agent: somebody\r\n\r\n");
    run_until([&] { return unread(upstream()).find("\r\n\r\n") != std::string::npos; }, "the request");
    answer_with("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for(c, "HTTP/1.1 204 ");
  }
  run_until([&] { return meters().access_lines.value() + meters().access_lines_dropped.value() == 10; }, "the lines");
  EXPECT_GE(meters().access_lines.value(), 1u);
  EXPECT_GE(meters().access_lines_dropped.value(), 5u);
  std::string text;
  access->take(text, 1 << 20);
  EXPECT_EQ(static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')), meters().access_lines.value());
  EXPECT_TRUE(text.ends_with("\"somebody\"\n")) << text;
}

INSTANTIATE_TEST_SUITE_P(Kernel, AccessLines, testing::Values(&uring::make_kernel_world));
INSTANTIATE_TEST_SUITE_P(Fake, AccessLines, testing::Values(&uring::make_fake_world));
INSTANTIATE_TEST_SUITE_P(Unkind, AccessLines, testing::Values(&uring::make_unkind_world));

}  // namespace
}  // namespace ringmaster::proxy
