#include "config/passed_sockets.h"

#include <gtest/gtest.h>

namespace ringmaster::config {
namespace {

std::string error_of(const char* pid, const char* fds, const char* names) {
  const auto result = read_passed_sockets(pid, fds, names, 42);
  return result ? "" : to_string(result.error());
}

TEST(PassedSockets, AreNoneWithoutTheVariables) {
  EXPECT_TRUE(read_passed_sockets(nullptr, nullptr, nullptr, 42)->empty());
  EXPECT_TRUE(read_passed_sockets("42", nullptr, nullptr, 42)->empty());
  EXPECT_TRUE(read_passed_sockets(nullptr, "1", nullptr, 42)->empty());
}

TEST(PassedSockets, AreNoneWhereTheyAreMeantForAnotherProcess) {
  EXPECT_TRUE(read_passed_sockets("43", "2", nullptr, 42)->empty());
  EXPECT_TRUE(read_passed_sockets("43", "nonsense", nullptr, 42)->empty());
}

TEST(PassedSockets, BeginAtThree) {
  const auto sockets = read_passed_sockets("42", "2", nullptr, 42);
  ASSERT_EQ(sockets->size(), 2u);
  EXPECT_EQ((*sockets)[0].descriptor, 3);
  EXPECT_EQ((*sockets)[1].descriptor, 4);
  EXPECT_EQ((*sockets)[1].name, "");
}

TEST(PassedSockets, HaveNames) {
  const auto sockets = read_passed_sockets("42", "3", "web::v6", 42);
  ASSERT_EQ(sockets->size(), 3u);
  EXPECT_EQ((*sockets)[0].name, "web");
  EXPECT_EQ((*sockets)[1].name, "");
  EXPECT_EQ((*sockets)[2].name, "v6");
  EXPECT_TRUE(read_passed_sockets("42", "0", "", 42)->empty());
}

TEST(PassedSockets, AreRefusedWhereTheVariablesMakeNoSense) {
  EXPECT_EQ(error_of("", "1", nullptr), "LISTEN_PID: malformed");
  EXPECT_EQ(error_of("-42", "1", nullptr), "LISTEN_PID: malformed");
  EXPECT_EQ(error_of("42", "", nullptr), "LISTEN_FDS: malformed");
  EXPECT_EQ(error_of("42", "two", nullptr), "LISTEN_FDS: malformed");
  EXPECT_EQ(error_of("42", "-1", nullptr), "LISTEN_FDS: malformed");
  EXPECT_EQ(error_of("42", "1025", nullptr), "LISTEN_FDS: malformed");
  EXPECT_EQ(error_of("42", "4294967297", nullptr), "LISTEN_FDS: malformed");
  EXPECT_EQ(error_of("42", "2", "one"), "LISTEN_FDNAMES: malformed");
  EXPECT_EQ(error_of("42", "1", "one:two"), "LISTEN_FDNAMES: malformed");
}

}  // namespace
}  // namespace ringmaster::config
