#include "replica/prepared_answers.h"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "http/forward.h"

namespace ringmaster::replica {

namespace {

constexpr std::string_view date_name = "Date: ";
constexpr size_t date_field_bytes = 37;  // with its line end

bool has_no_body(uint16_t status) { return status == 204 || status == 304; }

}  // namespace

Persistence persistence_of(const http::RequestHead& head) noexcept {
  if (!head.keep_alive) return Persistence::close;
  return head.minor == 0 ? Persistence::keep_alive_http10 : Persistence::keep_alive;
}

std::string_view connection_field(Persistence persistence) noexcept {
  switch (persistence) {
    case Persistence::keep_alive: return "";
    case Persistence::keep_alive_http10: return "Connection: keep-alive\r\n";
    case Persistence::close: return "Connection: close\r\n";
  }
  return "";
}

std::string date_field(std::time_t now) {
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, date_field_bytes + 1> text{};
  const size_t bytes = std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  ensure(bytes == date_field_bytes);  // fixed width until the year 10000
  return {text.data(), bytes};
}

std::string answer_head(uint16_t status, uint64_t body_bytes, Persistence persistence) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, http::reason_of(status));
  head += date_field(std::time(nullptr));
  if (!has_no_body(status)) {
    if (body_bytes > 0) head += "Content-Type: application/json\r\n";
    head += fmt::format("Content-Length: {}\r\n", body_bytes);
  }
  head += connection_field(persistence);
  head += "\r\n";
  return head;
}

std::string json_answer(uint16_t status, std::string_view body, const http::RequestHead& head) {
  std::string bytes = answer_head(status, body.size(), persistence_of(head));
  if (head.method != HTTP_HEAD && !has_no_body(status)) bytes += body;
  return bytes;
}

std::string message_body(std::string_view message, bool successful) {
  nlohmann::ordered_json body;
  body["message"] = message;
  body["status"] = successful ? "successful" : "failure";
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

PreparedAnswers::PreparedAnswers(std::string_view server_id) {
  const std::string id(server_id);
  const std::array<std::pair<uint16_t, std::string>, 4> all = {{
      {200, message_body("Hello from Server: " + id, true)},
      {200, ""},
      {200, message_body("This is a replica of ringmaster, server " + id, true)},
      {404, message_body("There is no such endpoint", false)},
  }};
  for (size_t endpoint = 0; endpoint < all.size(); ++endpoint) {
    const auto& [status, body] = all[endpoint];
    for (size_t persistence = 0; persistence < 3; ++persistence) {
      Answer& answer = answers_[endpoint][persistence];
      answer.bytes = answer_head(status, body.size(), static_cast<Persistence>(persistence));
      answer.head_bytes = answer.bytes.size();
      answer.date_at = answer.bytes.find(date_name);
      answer.bytes += body;
    }
  }
}

std::string_view PreparedAnswers::get(Endpoint endpoint, const http::RequestHead& head, uint64_t now_ns) noexcept {
  const uint64_t second = now_ns / 1'000'000'000;
  if (second != second_) refresh(second);
  const Answer& answer = answers_[static_cast<size_t>(endpoint)][static_cast<size_t>(persistence_of(head))];
  const std::string_view bytes = answer.bytes;
  return head.method == HTTP_HEAD ? bytes.substr(0, answer.head_bytes) : bytes;
}

void PreparedAnswers::refresh(uint64_t second) noexcept {
  second_ = second;
  const std::string date = date_field(std::time(nullptr));
  for (auto& variants : answers_) {
    for (Answer& answer : variants) std::memcpy(answer.bytes.data() + answer.date_at, date.data(), date.size());
  }
}

}  // namespace ringmaster::replica
