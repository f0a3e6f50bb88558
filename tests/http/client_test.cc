#include "http/client.h"

#include <gtest/gtest.h>

#include "every_way.h"

namespace ringmaster::http {
namespace {

std::string client_behind(const std::string& peer, const std::string& fields) {
  Networks trusted;
  EXPECT_TRUE(trusted.add("10.0.0.0/8"));
  EXPECT_TRUE(trusted.add("192.0.2.7"));
  EXPECT_TRUE(trusted.add("fd00::/8"));
  const ParsedRequest parsed("GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
  return std::string(client_of(parsed.head, peer, trusted));
}

TEST(Networks, HoldTheAddressesOfTheirBlocks) {
  Networks networks;
  for (const char* text : {"10.1.0.0/16", "192.0.2.129/25", "2001:db8::/33", "0.0.0.0/32", "::1"}) {
    EXPECT_TRUE(networks.add(text)) << text;
  }
  for (const char* text : {"", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/1x", "::/129", "10.0.0", "10.0.0.0/-1"}) {
    EXPECT_FALSE(networks.add(text)) << text;
  }
  for (const char* text : {"10.1.255.3", "192.0.2.128", "2001:db8:7fff::9", "0.0.0.0", "::1"}) {
    EXPECT_TRUE(networks.contains(text)) << text;
  }
  for (const char* text : {"10.2.0.0", "192.0.2.127", "2001:db8:8000::", "0.0.0.1", "::2", "", "10.1.0", "ten"}) {
    EXPECT_FALSE(networks.contains(text)) << text;
  }
  Networks all;
  EXPECT_TRUE(all.add("0.0.0.0/0"));
  EXPECT_TRUE(all.contains("255.255.255.255"));
  EXPECT_FALSE(all.contains("::1"));
}

TEST(Client, IsThePeerWhereThatIsNotTrusted) {
  EXPECT_EQ(client_behind("203.0.113.1", ""), "203.0.113.1");
  EXPECT_EQ(client_behind("203.0.113.1", "X-Forwarded-For: 198.51.100.1\r\n"), "203.0.113.1");
  EXPECT_EQ(client_behind("", "X-Forwarded-For: 198.51.100.1\r\n"), "") << "a unix socket";
}

TEST(Client, IsTheLastAddressThatNoTrustedProxyHas) {
  EXPECT_EQ(client_behind("10.0.0.1", ""), "10.0.0.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 198.51.100.1\r\n"), "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 1.1.1.1, 198.51.100.1\r\n"), "198.51.100.1") << "made up";
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 1.1.1.1, 198.51.100.1 ,10.9.9.9,192.0.2.7\r\n"),
            "198.51.100.1");
  EXPECT_EQ(client_behind("fd00::5", "X-Forwarded-For: 2001:db8::1, fd00::7\r\n"), "2001:db8::1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 1.1.1.1\r\nVia: x\r\nx-forwarded-for: 198.51.100.1\r\n"),
            "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 10.0.0.3\r\n"),
            "198.51.100.1");
}

TEST(Client, IsTheFirstWhereAllAreTrusted) {
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n"), "10.0.0.3");
}

TEST(Client, IsTheProxyWhoseListSaysNoAddress) {
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 198.51.100.1, unknown\r\n"), "10.0.0.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 198.51.100.1, _hidden, 10.0.0.2\r\n"), "10.0.0.2");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: " + std::string(200, '1') + "\r\n"), "10.0.0.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: [::1\r\n"), "10.0.0.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For:\r\n"), "10.0.0.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 198.51.100.1, ,\r\n"), "198.51.100.1") << "empty elements";
}

TEST(Client, HasNoPort) {
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: 198.51.100.1:5000\r\n"), "198.51.100.1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: [2001:db8::1]:5000\r\n"), "2001:db8::1");
  EXPECT_EQ(client_behind("10.0.0.1", "X-Forwarded-For: [2001:db8::1]\r\n"), "2001:db8::1");
}

}  // namespace
}  // namespace ringmaster::http
