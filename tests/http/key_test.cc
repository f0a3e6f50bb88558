#include "http/key.h"

#include <gtest/gtest.h>

#include "every_way.h"

namespace ringmaster::http {
namespace {

std::string key_of(const std::string& source, const std::string& target, const std::string& fields = "") {
  const ParsedRequest parsed("GET " + target + " HTTP/1.1\r\nHost: Example:80\r\n" + fields + "\r\n");
  const KeySource sources[] = {KeySource::parse(source).value()};
  const RequestKey key = find_key(parsed.head, "10.0.0.9", sources);
  EXPECT_EQ(key.source == RequestKey::no_source, key.bytes.empty());
  return std::string(key.bytes);
}

TEST(KeySource, ReadsAndWritesItsText) {
  for (const char* text : {"query:request_id", "header:X-Request-Id", "cookie:id", "path", "path_segment:2", "uri",
                           "host", "client_ip", "random"}) {
    const Result<KeySource> source = KeySource::parse(text);
    ASSERT_TRUE(source) << text;
    EXPECT_EQ(source->text(), text);
  }
  for (const char* text : {"", "query", "query:", "query:a&b", "query:a=b", "header:", "header:a b", "cookie:a;b",
                           "path:1", "path_segment", "path_segment:", "path_segment:0", "path_segment:-1",
                           "path_segment:1x", "path_segment:99999999999", "random:", "Path", "nothing"}) {
    const Result<KeySource> source = KeySource::parse(text);
    ASSERT_FALSE(source) << text;
    EXPECT_EQ(source.error().kind, ErrorKind::malformed);
  }
}

TEST(RequestKey, TakesTheFirstQueryParameterOfThatNameRaw) {
  EXPECT_EQ(key_of("query:id", "/?id=132574"), "132574");
  EXPECT_EQ(key_of("query:id", "/?a=b&id=x%20+y=z&id=2"), "x%20+y=z");
  EXPECT_EQ(key_of("query:id", "/?xid=1&id2=2&ID=3&i%64=4"), "");
  EXPECT_EQ(key_of("query:id", "/?a;id=1"), "");
  EXPECT_EQ(key_of("query:id", "/?id=&id=2"), "") << "an empty value is no key, and it is the first";
  EXPECT_EQ(key_of("query:id", "/?id&x"), "");
  EXPECT_EQ(key_of("query:id", "/?&&id=1&"), "1");
  EXPECT_EQ(key_of("query:id", "/id=1"), "");
  EXPECT_EQ(key_of("query:id", "http://Example?id=7"), "7");
}

TEST(RequestKey, TakesTheFirstHeaderOfThatNameInAnyCase) {
  EXPECT_EQ(key_of("header:X-Request-Id", "/", "x-request-ID:  7 \r\nX-Request-Id: 8\r\n"), "7");
  EXPECT_EQ(key_of("header:Host", "/"), "Example:80");
  EXPECT_EQ(key_of("header:X_Id", "/", "X_Id: 5\r\n"), "5") << "also where the field itself is not passed on";
  EXPECT_EQ(key_of("header:X-Request-Id", "/", "X-Request-Id:\r\n"), "");
}

TEST(RequestKey, TakesTheFirstCookieOfThatName) {
  EXPECT_EQ(key_of("cookie:id", "/", "Cookie: a=b; id=7; id=8\r\n"), "7");
  EXPECT_EQ(key_of("cookie:id", "/", "Cookie: a=b\r\ncookie: xid=1;id=\"7=\" \r\n"), "\"7=\"");
  EXPECT_EQ(key_of("cookie:id", "/", "Cookie: ID=1; idx=2; a=id=3\r\n"), "");
  EXPECT_EQ(key_of("cookie:id", "/", "Cookie: id; id=2\r\n"), "");
  EXPECT_EQ(key_of("cookie:id", "/", "X-Cookie: id=2\r\n"), "");
}

TEST(RequestKey, TakesPartsOfTheTarget) {
  EXPECT_EQ(key_of("path", "/a/b?c"), "/a/b");
  EXPECT_EQ(key_of("uri", "/a/b?c"), "/a/b?c");
  EXPECT_EQ(key_of("path_segment:1", "/a/b?c"), "a");
  EXPECT_EQ(key_of("path_segment:2", "/a/b?c"), "b");
  EXPECT_EQ(key_of("path_segment:3", "/a/b?c"), "");
  EXPECT_EQ(key_of("path_segment:2", "/a//b"), "");
  EXPECT_EQ(key_of("path_segment:1", "/"), "");
  EXPECT_EQ(key_of("path_segment:1", "/%61"), "%61");
  EXPECT_EQ(key_of("host", "/"), "Example:80");
  EXPECT_EQ(key_of("client_ip", "/"), "10.0.0.9");
}

TEST(RequestKey, TakesTheFirstSourceThatIsPresent) {
  const KeySource sources[] = {KeySource::parse("query:id").value(), KeySource::parse("header:X-Id").value(),
                               KeySource::parse("random").value(), KeySource::parse("path").value()};
  const ParsedRequest both("GET /?id=1 HTTP/1.1\r\nHost: a\r\nX-Id: 2\r\n\r\n");
  EXPECT_EQ(find_key(both.head, "", sources).source, 0);
  const ParsedRequest second("GET /?id= HTTP/1.1\r\nHost: a\r\nX-Id: 2\r\n\r\n");
  EXPECT_EQ(find_key(second.head, "", sources).source, 1);
  EXPECT_EQ(find_key(second.head, "", sources).bytes, "2");
  const ParsedRequest neither("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const RequestKey key = find_key(neither.head, "", sources);
  EXPECT_TRUE(key.random);
  EXPECT_EQ(key.source, 2);
  const RequestKey none = find_key(neither.head, "", std::span(sources).first(2));
  EXPECT_FALSE(none.random);
  EXPECT_EQ(none.source, RequestKey::no_source);
}

}  // namespace
}  // namespace ringmaster::http
