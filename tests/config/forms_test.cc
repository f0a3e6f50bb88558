#include "config/forms.h"

#include <gtest/gtest.h>

#include <string>

#include "http/key.h"
#include "proxy/parts.h"

namespace ringmaster::config {
namespace {

TEST(ListenAddress, IsALiteralAddressOrADescriptor) {
  for (const char* text : {"127.0.0.1:5000", "0.0.0.0:0", "[::]:5000", "unix:/run/x.sock", "fd:3", "fd:1048576"}) {
    EXPECT_TRUE(is_listen_address(text)) << text;
  }
  for (const char* text : {"", "localhost:5000", "127.0.0.1", ":5000", "127.0.0.1:70000", "::1:5000", "unix:", "fd:",
                           "fd:2", "fd:-3", "fd:3x", "fd:1048577"}) {
    EXPECT_FALSE(is_listen_address(text)) << text;
  }
}

TEST(AdminAddress, IsNoDescriptor) {
  EXPECT_TRUE(is_admin_address("unix:/run/ringmaster.sock"));
  EXPECT_FALSE(is_admin_address("fd:3"));
}

TEST(ReplicaAddress, NeedsAPort) {
  EXPECT_TRUE(is_replica_address("127.0.0.1:9001"));
  EXPECT_TRUE(is_replica_address("unix:/run/r1.sock"));
  EXPECT_FALSE(is_replica_address("127.0.0.1:0"));
  EXPECT_FALSE(is_replica_address("r1:9001"));
}

TEST(Network, IsAnAddressWithOrWithoutALength) {
  for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "fd00::/8", "::1/128", "10.1.2.3", "::1"}) {
    EXPECT_TRUE(is_network(text)) << text;
  }
  for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8 ", "::/129", "x/8"}) {
    EXPECT_FALSE(is_network(text)) << text;
  }
}

TEST(Network, MeansToTheProxyWhatItSays) {
  const http::Networks networks = http::networks_of({"10.0.0.0/8", "::1", "fd00::/008", "10.1.2.3/32"});
  EXPECT_TRUE(networks.contains("10.200.0.1"));
  EXPECT_FALSE(networks.contains("11.0.0.1"));
  EXPECT_TRUE(networks.contains("::1"));
}

TEST(ReplicaName, IsAContainersNameOfALabelsLength) {
  for (const std::string& text : {std::string("r1"), std::string("server_4"), std::string("web.2-"),
                                  std::string(63, 'a')}) {
    EXPECT_TRUE(is_replica_name(text)) << text;
  }
  for (const std::string& text : {std::string(), std::string("-a"), std::string("_a"), std::string("a b"),
                                  std::string("a/b"), std::string(64, 'a')}) {
    EXPECT_FALSE(is_replica_name(text)) << text;
  }
}

TEST(DnsLabel, IsLettersDigitsAndInnerHyphens) {
  for (const std::string& text : {std::string("r1"), std::string("Server-1"), std::string("5"), std::string(63, 'a')}) {
    EXPECT_TRUE(is_dns_label(text)) << text;
  }
  for (const std::string& text : {std::string(), std::string("-a"), std::string("a-"), std::string("a.b"),
                                  std::string("a_b"), std::string("a b"), std::string(64, 'a')}) {
    EXPECT_FALSE(is_dns_label(text)) << text;
  }
}

TEST(KeySource, IsOneThatTheHttpRoomReads) {
  for (const char* text : {"query:request_id", "query:a[b]", "header:X-Request-Id", "cookie:sid", "path",
                           "path_segment:1", "path_segment:255", "uri", "host", "client_ip", "random"}) {
    EXPECT_TRUE(is_key_source(text)) << text;
    EXPECT_TRUE(http::KeySource::parse(text)) << text;
  }
}

TEST(KeySource, IsNothingElse) {
  for (const char* text : {"", "query", "query:", "query:a=b", "query:a b", "header:", "header:a b", "header:a:b",
                           "cookie:a;b", "path_segment", "path_segment:0", "path_segment:x", "path_segment:256", "Path",
                           "random:1", "body"}) {
    EXPECT_FALSE(is_key_source(text)) << text;
  }
}

// The proxy ends itself over a source that it cannot read: whatever one byte says here, it must be able to.
TEST(KeySource, IsReadByTheHttpRoomForEveryByteOfAName) {
  for (const char* kind : {"query:", "header:", "cookie:", "path_segment:"}) {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string text = std::string(kind) + static_cast<char>(byte);
      if (is_key_source(text)) {
        EXPECT_TRUE(http::KeySource::parse(text)) << text;
      }
    }
  }
}

TEST(RequestPath, IsOriginFormWithoutAFragment) {
  EXPECT_TRUE(is_request_path("/heartbeat?deep=1"));
  for (const char* text : {"", "heartbeat", "/a b", "/a#b", "/a\r\nHost: x", "/\xc3\xa9"}) {
    EXPECT_FALSE(is_request_path(text)) << text;
  }
}

}  // namespace
}  // namespace ringmaster::config
