#include "replica/endpoints.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replica/prepared_answers.h"
#include "replica/settings.h"

namespace ringmaster::replica {
namespace {

Wish wish_of(std::string_view path, std::string_view query = "", llhttp_method_t method = HTTP_GET) {
  http::RequestHead head;
  head.method = method;
  head.path = path;
  head.query = query;
  return find_wish(head);
}

TEST(EndpointsTest, FindsWhatIsAskedFor) {
  EXPECT_EQ(wish_of("/home").endpoint, Endpoint::home);
  EXPECT_EQ(wish_of("/home", "", HTTP_HEAD).endpoint, Endpoint::home);
  EXPECT_EQ(wish_of("/heartbeat").endpoint, Endpoint::heartbeat);
  EXPECT_EQ(wish_of("/").endpoint, Endpoint::root);
  EXPECT_EQ(wish_of("/echo", "", HTTP_DELETE).endpoint, Endpoint::echo);
  EXPECT_EQ(wish_of("/upload", "", HTTP_PUT).endpoint, Endpoint::upload);
  EXPECT_EQ(wish_of("/ws").endpoint, Endpoint::websocket);
  EXPECT_EQ(wish_of("/fault/heartbeat", "fail=1", HTTP_POST).endpoint, Endpoint::fault_heartbeat);
}

TEST(EndpointsTest, EverythingElseIsNotFound) {
  EXPECT_EQ(wish_of("/other").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/home/").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/home", "", HTTP_POST).endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/fault/heartbeat", "fail=1", HTTP_GET).endpoint, Endpoint::not_found);
}

TEST(EndpointsTest, NumbersHaveBounds) {
  EXPECT_EQ(wish_of("/bytes/10737418240").number, bytes_max);
  EXPECT_EQ(wish_of("/bytes/10737418240").endpoint, Endpoint::bytes);
  EXPECT_EQ(wish_of("/bytes/10737418241").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/bytes/-1").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/bytes/1x").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/bytes/").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/status/199").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/status/600").endpoint, Endpoint::not_found);
  EXPECT_EQ(wish_of("/status/599").endpoint, Endpoint::status);
  EXPECT_EQ(wish_of("/delay/600001").endpoint, Endpoint::not_found);
}

TEST(EndpointsTest, FaultsComeByQueryAndMisspeltOnesShow) {
  EXPECT_EQ(wish_of("/home", "request_id=1&fault=hang").fault, Fault::hang);
  EXPECT_EQ(wish_of("/home", "default=hang").fault, Fault::none);
  EXPECT_EQ(wish_of("/home", "fault=hnag").fault, Fault::unknown);
  EXPECT_EQ(wish_of("/home", "fault=slow&ms=7").fault_number, 7u);
  EXPECT_EQ(wish_of("/home", "fault=slow&ms=x").fault, Fault::unknown);
  EXPECT_EQ(wish_of("/home", "fault=status&status=503").fault_number, 503u);
  EXPECT_EQ(wish_of("/home", "fault=status&status=100").fault, Fault::unknown);
}

TEST(EndpointsTest, ParametersAreReadRawAndTheFirstCounts) {
  EXPECT_EQ(parameter("a=1&b=2&a=3", "a"), "1");
  EXPECT_EQ(parameter("ab=1&a", "a"), "");
  EXPECT_EQ(parameter("ab=1", "a"), std::nullopt);
  EXPECT_EQ(parameter("", "a"), std::nullopt);
}

TEST(PreparedAnswersTest, DateIsOfFixedFormAndTheServersNameIsEscaped) {
  EXPECT_EQ(date_field(784111777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  PreparedAnswers answers("a\"b\xFF");
  const std::string_view home = answers.get(Endpoint::home, {}, 0);
  EXPECT_TRUE(home.ends_with("{\"message\":\"Hello from Server: a\\\"b\xEF\xBF\xBD\",\"status\":\"successful\"}"));
}

class SettingsTest : public testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"SERVER_ID", "PORT", "LISTEN"}) unsetenv(name);
  }
  static std::optional<Settings> read(std::vector<std::string> arguments) {
    std::vector<char*> pointers;
    arguments.insert(arguments.begin(), "ringmaster-replica");
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    return read_settings(static_cast<int>(pointers.size()), pointers.data());
  }
};

TEST_F(SettingsTest, ListensOnLoopbackPort5000UnlessToldOtherwise) {
  EXPECT_EQ(read({})->address.text(), "127.0.0.1:5000");
  setenv("PORT", "81", 1);
  setenv("SERVER_ID", "7", 1);
  EXPECT_EQ(read({})->address.text(), "127.0.0.1:81");
  EXPECT_EQ(read({})->server_id, "7");
  EXPECT_EQ(read({"--listen", "0.0.0.0"})->address.text(), "0.0.0.0:81");
  setenv("LISTEN", "[::]", 1);
  EXPECT_EQ(read({})->address.text(), "[::]:81");
  EXPECT_EQ(read({"--listen", "127.0.0.2:82"})->address.text(), "127.0.0.2:82");
  EXPECT_EQ(read({"--listen", "fd:3", "--workers", "2"})->inherited_listener, 3);
}

TEST_F(SettingsTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_THROW(read({"--port", "1"}), StartError);
  EXPECT_THROW(read({"--workers", "0"}), StartError);
  EXPECT_THROW(read({"--workers"}), StartError);
  EXPECT_THROW(read({"--listen", "localhost"}), StartError);
  setenv("PORT", "65536", 1);
  EXPECT_THROW(read({}), StartError);
}

}  // namespace
}  // namespace ringmaster::replica
