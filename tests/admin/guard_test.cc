#include "admin/guard.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "../support/temp_file.h"
#include "base/error.h"

namespace ringmaster::admin {
namespace {

Credentials good() {
  Credentials given;
  given.host = "127.0.0.1:5001";
  given.content_type = "application/json";
  given.has_body = true;
  return given;
}

class GuardTest : public testing::Test {
 protected:
  static uint16_t change_status(const Guard& guard, const Credentials& given) {
    const auto objection = guard.check_change(given);
    return objection ? objection->status : 200;
  }
  static uint16_t with_host(const Guard& guard, std::string_view host) {
    Credentials given = good();
    given.host = host;
    return change_status(guard, given);
  }
  Guard guard_{*SocketAddress::parse("127.0.0.1:5001"), ""};
};

TEST_F(GuardTest, TakesJsonForItsOwnAddress) {
  EXPECT_EQ(change_status(guard_, good()), 200);
  EXPECT_EQ(with_host(guard_, "localhost:5001"), 200);
  EXPECT_EQ(with_host(guard_, "LocalHost:5001"), 200);
}

TEST_F(GuardTest, RefusesHostsThatAreNotItsOwn) {
  for (const char* host : {"", "127.0.0.1", "localhost", "127.0.0.1:5000", "127.0.0.2:5001", "evil.example:5001",
                           "evil.example", "127.0.0.1:5001.evil.example", "localhost:5001:5001", "[::1]:5001",
                           "unix:/x"}) {
    EXPECT_EQ(with_host(guard_, host), 421) << host;
  }
}

TEST_F(GuardTest, OnEveryAddressAnyLiteralIsItsOwnButNoName) {
  const Guard open(*SocketAddress::parse("0.0.0.0:5001"), "");
  EXPECT_EQ(with_host(open, "192.0.2.7:5001"), 200);
  EXPECT_EQ(with_host(open, "[2001:db8::1]:5001"), 200);
  EXPECT_EQ(with_host(open, "evil.example:5001"), 421);
}

TEST_F(GuardTest, OnPort80TheHostNeedsNone) {
  const Guard web(*SocketAddress::parse("127.0.0.1:80"), "");
  EXPECT_EQ(with_host(web, "localhost"), 200);
  EXPECT_EQ(with_host(web, "127.0.0.1"), 200);
  EXPECT_EQ(with_host(web, "127.0.0.1:81"), 421);
}

TEST_F(GuardTest, AUnixSocketHasAnyHost) {
  EXPECT_EQ(with_host(Guard(*SocketAddress::parse("unix:@x"), ""), "whatever"), 200);
}

TEST_F(GuardTest, RefusesForeignOrigins) {
  for (const char* origin : {"http://evil.example", "null", "http://127.0.0.1:5000", "http://localhost:5001", "x"}) {
    Credentials given = good();
    given.origin = origin;
    EXPECT_EQ(change_status(guard_, given), 403) << origin;
  }
  Credentials own = good();
  own.origin = "http://127.0.0.1:5001";
  EXPECT_EQ(change_status(guard_, own), 200);
  own.one_origin = false;
  EXPECT_EQ(change_status(guard_, own), 403);
}

TEST_F(GuardTest, RefusesWhatIsNotJson) {
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"}) {
    Credentials given = good();
    given.content_type = type;
    EXPECT_EQ(change_status(guard_, given), 415) << type;
  }
  Credentials given = good();
  given.content_type = "Application/JSON ; charset=utf-8";
  EXPECT_EQ(change_status(guard_, given), 200);
  given.content_type = "";
  given.has_body = false;
  EXPECT_EQ(change_status(guard_, given), 200) << "a DELETE that needs no body";
}

TEST_F(GuardTest, ATokenIsAskedForOnlyWhereOneIsSet) {
  EXPECT_FALSE(guard_.check_token({}));
  const Guard locked(*SocketAddress::parse("127.0.0.1:5001"), "s3cret");
  const auto status = [&](std::string_view field) {
    Credentials given;
    given.authorization = field;
    const auto objection = locked.check_token(given);
    return objection ? objection->status : 200;
  };
  EXPECT_EQ(status("Bearer s3cret"), 200);
  EXPECT_EQ(status("bearer s3cret"), 200);
  for (const char* wrong : {"", "Bearer", "Bearer ", "s3cret", "Basic s3cret", "Bearer s3cre", "Bearer s3crets"}) {
    EXPECT_EQ(status(wrong), 401) << wrong;
  }
}

TEST(DropInOrigin, IsComparedWithTheRequestsHost) {
  Credentials given;
  given.host = "lb.example:5000";
  EXPECT_FALSE(check_origin(given));
  given.origin = "http://lb.example:5000";
  EXPECT_FALSE(check_origin(given));
  given.origin = "http://evil.example";
  ASSERT_TRUE(check_origin(given));
  EXPECT_EQ(check_origin(given)->status, 403);
  given.host = "";
  given.origin = "http://";
  EXPECT_TRUE(check_origin(given));
}

TEST(TokenFile, IsReadWithoutItsLineEndAndRefusedWhereUseless) {
  TempFile file("abc123\n");
  EXPECT_EQ(read_token(file.path()), "abc123");
  for (const std::string& useless : {std::string(), std::string("\n"), std::string("a b"), std::string(5000, 'x')}) {
    file.write(useless);
    EXPECT_THROW(read_token(file.path()), StartError);
  }
  std::remove(file.path().c_str());
  EXPECT_THROW(read_token(file.path()), StartError);
}

}  // namespace
}  // namespace ringmaster::admin
