// The exact bytes of rebuilt heads.
#include <gtest/gtest.h>

#include "every_way.h"
#include "http/forward.h"

namespace ringmaster::http {
namespace {

std::string upstream_request(const std::string& bytes, const ForwardContext& context = {.client_ip = "10.0.0.9"}) {
  const ParsedRequest parsed(bytes);
  std::vector<char> out(upstream_request_bytes_max(parsed.head, context));
  const uint32_t size = write_upstream_request(parsed.head, context, out);
  EXPECT_GT(size, 0u);
  EXPECT_EQ(write_upstream_request(parsed.head, context, std::span(out).first(out.size() - 1)), 0u);
  return {out.data(), size};
}

std::string answer(const std::string& bytes, const AnswerContext& context = {}, llhttp_method_t method = HTTP_GET) {
  const ParsedResponse parsed(bytes, method);
  std::vector<char> out(answer_bytes_max(parsed.head, context));
  const uint32_t size = write_answer(parsed.head, context, out);
  EXPECT_GT(size, 0u);
  EXPECT_EQ(write_answer(parsed.head, context, std::span(out).first(out.size() - 1)), 0u);
  return {out.data(), size};
}

std::string interim(const std::string& bytes) {
  const ParsedResponse parsed(bytes);
  std::vector<char> out(answer_bytes_max(parsed.head, {}));
  return {out.data(), write_interim_answer(parsed.head, out)};
}

constexpr const char* forwarded = "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n";

TEST(UpstreamRequest, IsRebuiltWithCanonicalWhiteSpaceAndOwnFraming) {
  EXPECT_EQ(upstream_request("POST /p?q HTTP/1.1\r\nX-A:b\r\nhost:  a \r\nx-B:\t c\t\r\nX-Empty:\r\nX-Blank: \r\n"
                             "Content-Length: 0005\r\nConnection: close\r\n\r\n"),
            std::string("POST /p?q HTTP/1.1\r\nHost: a\r\nX-A: b\r\nx-B: c\r\nX-Empty: \r\nX-Blank: \r\n"
                        "Content-Length: 5\r\n") + forwarded);
  EXPECT_EQ(upstream_request("PUT / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING:Chunked\r\n\r\n"),
            std::string("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n") + forwarded);
  EXPECT_EQ(upstream_request("\r\nGET / HTTP/1.0\r\nHost: a\r\n\r\n"),
            std::string("GET / HTTP/1.1\r\nHost: a\r\n") + forwarded);
}

TEST(UpstreamRequest, LeavesOutWhatEndsHere) {
  EXPECT_EQ(upstream_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Own\r\nX-Own: 1\r\n"
                             "Keep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: y\r\n"
                             "Proxy-Connection: close\r\nProxy-Authorization: z\r\nUnder_Score: 1\r\n"
                             "Expect: 100-continue\r\nForwarded: for=1\r\nX-Forwarded-For: 2\r\n"
                             "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n"
                             "Range: bytes=0-1\r\n\r\n"),
            std::string("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n") + forwarded);
}

TEST(UpstreamRequest, AppendsToWhatATrustedProxyForwarded) {
  const ForwardContext trusted{.client_ip = "10.0.0.9", .scheme = "https", .trust_forwarded = true};
  EXPECT_EQ(upstream_request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1\r\n"
                             "x-forwarded-for: 2.2.2.2 \r\nX-Forwarded-Host: outer\r\nX-Forwarded-Port: 8\r\n\r\n",
                             trusted),
            "GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=1\r\nX-Forwarded-Host: outer\r\nX-Forwarded-Port: 8\r\n"
            "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9\r\nX-Forwarded-Proto: https\r\n\r\n");
  EXPECT_EQ(upstream_request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For:\r\n\r\n",
                             trusted),
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: 10.0.0.9\r\n"
            "X-Forwarded-Host: a\r\n\r\n");
}

TEST(UpstreamRequest, SendsOriginFormWithTheTargetsAuthority) {
  EXPECT_EQ(upstream_request("GET http://A:80/p?q HTTP/1.1\r\nHost: a\r\n\r\n", {}),
            "GET /p?q HTTP/1.1\r\nHost: A:80\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: A:80\r\n\r\n");
  EXPECT_EQ(upstream_request("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n"),
            std::string("GET /?q HTTP/1.1\r\nHost: a\r\n") + forwarded);
  EXPECT_EQ(upstream_request("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
            std::string("OPTIONS * HTTP/1.1\r\nHost: a\r\n") + forwarded);
}

TEST(UpstreamRequest, NamesTheReplicaWhereHttp10NamedNobody) {
  EXPECT_EQ(upstream_request("GET / HTTP/1.0\r\n\r\n", {.client_ip = "::1", .default_host = "127.0.0.1:9001"}),
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nX-Forwarded-For: ::1\r\nX-Forwarded-Proto: http\r\n\r\n");
}

TEST(UpstreamRequest, AsksForAWebsocketInItsOwnWords) {
  EXPECT_EQ(upstream_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                             "Sec-WebSocket-Key: k\r\n\r\n"),
            std::string("GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: upgrade\r\n"
                        "Upgrade: websocket\r\n") + forwarded);
}

TEST(UpstreamRequest, CountsMaxForwardsDown) {
  EXPECT_EQ(upstream_request("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n"),
            std::string("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 9\r\n") + forwarded);
  EXPECT_EQ(upstream_request("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n"),
            std::string("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n") + forwarded);
}

TEST(UpstreamRequest, SaysViaWhichVersionItCame) {
  const ForwardContext context{.via = true};
  EXPECT_EQ(upstream_request("GET / HTTP/1.0\r\nHost: a\r\nVia: 1.1 x\r\n\r\n", context),
            "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 x\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
            "Via: 1.0 ringmaster\r\n\r\n");
}

TEST(UpstreamRequest, FitsItsBoundWhateverIsAdded) {
  std::string bytes = "OPTIONS * HTTP/1.1\r\nHost: " + std::string(200, 'h') + "\r\nMax-Forwards: 999999999\r\n";
  for (int i = 0; i < 60; ++i) bytes += "x-forwarded-for:1\r\na:\r\n";
  bytes += "Content-Length:9223372036854775807\r\n\r\n";
  upstream_request(bytes, {.client_ip = std::string_view("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
                           .scheme = "https", .trust_forwarded = true, .via = true,
                           .default_host = std::string_view("a-long-name-that-is-not-needed")});
}

TEST(Answer, IsRebuiltWithOwnFraming) {
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\ncontent-length:  007\r\nServer:x\r\nDate: d\r\nSet-Cookie: 1\r\n"
                   "Set-Cookie: 2\r\nKeep-Alive: 5\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nServer: x\r\nDate: d\r\nSet-Cookie: 1\r\nSet-Cookie: 2\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.0 404\r\nConnection: close, x-own\r\nX-Own: 1\r\n\r\n"),
            "HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 200 All is well\r\nTransfer-Encoding: CHUNKED\r\nTrailer: x\r\n\r\n"),
            "HTTP/1.1 200 All is well\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(Answer, SuitsTheClientsVersionAndConnection) {
  const std::string by_length = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(answer(by_length, {.keep_alive = false}),
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer(by_length, {.client_minor = 0, .keep_alive = true}),
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer(chunked, {.client_minor = 0, .keep_alive = false}), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer(chunked, {.client_minor = 0, .keep_alive = true}), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
      << "a body that ends with the connection ends the connection";
}

TEST(Answer, ChoosesTheFramingTowardsTheClient) {
  const auto framing = [](const char* bytes, const AnswerContext& context, llhttp_method_t method = HTTP_GET) {
    return answer_framing(ParsedResponse(bytes, method).head, context);
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", {.client_minor = 0}), Framing::length);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n", {}), Framing::chunked);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n", {.client_minor = 0}), Framing::until_close);
  EXPECT_EQ(framing("HTTP/1.1 204 OK\r\n\r\n", {.client_minor = 0}), Framing::none);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n", {.head_request = true}, HTTP_HEAD), Framing::none);
}

TEST(Answer, TellsTheLengthOfABodyThatDoesNotFollow) {
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", {.head_request = true}, HTTP_HEAD),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {.head_request = true}, HTTP_HEAD),
            "HTTP/1.1 200 OK\r\n\r\n");
}

TEST(Answer, HasADateAndSaysVia) {
  EXPECT_EQ(answer("HTTP/1.0 204 No Content\r\n\r\n", {.via = true, .date = "now"}),
            "HTTP/1.1 204 No Content\r\nDate: now\r\nVia: 1.0 ringmaster\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\nDATE: then\r\n\r\n", {.date = "now"}),
            "HTTP/1.1 204 No Content\r\nDATE: then\r\n\r\n");
}

TEST(InterimAnswer, PassesHintsAndSwitchesProtocols) {
  EXPECT_EQ(interim("HTTP/1.1 103 Early Hints\r\nLink:x\r\nContent-Length: 5\r\nConnection: y\r\n\r\n"),
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
  EXPECT_EQ(interim("HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nSec-WebSocket-Accept: k\r\n"
                    "connection: Upgrade\r\n\r\n"),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: k\r\n\r\n");
}

}  // namespace
}  // namespace ringmaster::http
