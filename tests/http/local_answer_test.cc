// The proxy's own answers, byte by byte; what they say is valid JSON whatever is put in.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "http/forward.h"

namespace ringmaster::http {
namespace {

std::string local_answer(const LocalAnswer& answer) {
  std::vector<char> out(512 + 2 * answer.message.size());
  return {out.data(), write_local_answer(answer, out)};
}

TEST(LocalAnswer, IsASmallJsonDocument) {
  EXPECT_EQ(local_answer({.status = 400, .cause = "host_missing", .message = "No Host"}),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
            "Content-Length: 63\r\n\r\n"
            "{\"message\":\"No Host\",\"cause\":\"host_missing\",\"status\":\"failure\"}");
}

TEST(LocalAnswer, IsExactlyTheAssignmentsWithoutACause) {
  const std::string answer = local_answer(
      {.status = 400, .message = "<Error> '/other' endpoint does not exist in server replicas", .keep_alive = true});
  EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4),
            "{\"message\":\"<Error> '/other' endpoint does not exist in server replicas\",\"status\":\"failure\"}");
  EXPECT_EQ(answer.find("Connection"), std::string::npos);
}

TEST(LocalAnswer, LeavesTheBodyOutForHead) {
  const LocalAnswer get{.status = 502, .cause = "x", .message = "y"};
  LocalAnswer head = get;
  head.head_request = true;
  const std::string with_body = local_answer(get);
  EXPECT_EQ(local_answer(head), with_body.substr(0, with_body.find("\r\n\r\n") + 4));
}

TEST(LocalAnswer, SaysWhatTheConnectionDoesAndWhenToComeBack) {
  EXPECT_NE(local_answer({.status = 503, .retry_after_s = 7}).find("\r\nRetry-After: 7\r\n"), std::string::npos);
  EXPECT_EQ(local_answer({.status = 502, .retry_after_s = 7}).find("Retry-After"), std::string::npos);
  EXPECT_NE(local_answer({.status = 400, .keep_alive = true, .client_minor = 0}).find("\r\nConnection: keep-alive\r\n"),
            std::string::npos);
  EXPECT_NE(local_answer({.status = 405}).find("\r\nAllow: GET, "), std::string::npos);
  EXPECT_NE(local_answer({.status = 400, .date = "now"}).find("\r\nDate: now\r\n"), std::string::npos);
}

TEST(LocalAnswer, EscapesEveryByteAndFitsTheRoomThatIsPromised) {
  std::string message;
  for (int c = 0; c < 256; ++c) message += static_cast<char>(c);
  message +=
      "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x8E\xA9 \xC0\xAF \xED\xA0\x80 \xF4\x90\x80\x80 \xE0\x9F\x80 \xF0\x8F\x80\x80 "
      "\xE2\x82";
  const std::string answer = local_answer({.status = 503, .cause = "replica_response_timeout", .message = message,
                                           .keep_alive = false, .retry_after_s = 4294967295,
                                           .date = "Sun, 06 Nov 1994 08:49:37 GMT"});
  const nlohmann::json body = nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  const std::string read = body["message"];
  EXPECT_NE(read.find("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x8E\xA9 ?? ??? ???? ??? ???? ??"), std::string::npos);
  EXPECT_NE(read.find("!\"#"), std::string::npos);
  EXPECT_NE(read.find("\b\t\n?\f\r"), std::string::npos);
  EXPECT_EQ(body["status"], "failure");
}

TEST(LocalAnswer, FitsWithNothingButQuotes) {
  for (const uint16_t status : std::initializer_list<uint16_t>{400, 405, 431, 503}) {
    const std::string quotes(1000, '"');
    const std::string answer = local_answer({.status = status, .cause = "connection_names_protected_field",
                                             .message = quotes, .retry_after_s = 4294967295,
                                             .date = "Sun, 06 Nov 1994 08:49:37 GMT"});
    EXPECT_EQ(nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4))["message"], quotes);
  }
  std::array<char, 100> small;
  EXPECT_EQ(write_local_answer({.message = "x"}, small), 0u);
}

TEST(Date, IsWrittenAsHttpWantsIt) {
  const auto date = [](int64_t seconds) {
    std::array<char, date_bytes> out;
    write_date(seconds, out);
    return std::string(out.data(), out.size());
  };
  EXPECT_EQ(date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date(951868799), "Tue, 29 Feb 2000 23:59:59 GMT");
}

// Refusals: one table.
TEST(Causes, HaveNamesStatusesAndTextsOfTheirOwn) {
  std::set<std::string_view> names, texts;
  for (int i = 1; i < causes; ++i) {
    const auto cause = static_cast<Cause>(i);
    EXPECT_TRUE(names.insert(name_of(cause)).second) << name_of(cause);
    EXPECT_TRUE(texts.insert(text_of(cause)).second) << text_of(cause);
    EXPECT_NE(reason_of(status_of(cause)), "") << name_of(cause);
  }
  EXPECT_EQ(status_of(Cause::none), 0);
  EXPECT_EQ(name_of(Cause::none), "none");
  EXPECT_EQ(name_of(Cause::internal_error), "internal_error");
  EXPECT_EQ(status_of(Cause::fields_too_large), 431);
}

}  // namespace
}  // namespace ringmaster::http
