// Answers of the proxy's own making: small, JSON, never HTML.
#include <algorithm>
#include <chrono>

#include "http/forward.h"
#include "http/writer.h"

namespace ringmaster::http {
namespace {

// The bytes of the well-formed UTF-8 sequence at the front of `text`, 0 where there is none (Unicode table 3-7).
size_t utf8_sequence(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const int first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second >= 0xA0;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90;
    const bool too_large = first == 0xF4 && second >= 0x90;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

// At most two bytes for each of `text`.
void write_json_text(Writer& writer, std::string_view text) noexcept {
  constexpr std::string_view plain = "\"\\\b\f\n\r\t";
  constexpr std::string_view letters = "\"\\bfnrt";
  while (!text.empty()) {
    const char c = text[0];
    const size_t escape = plain.find(c);
    const size_t size = utf8_sequence(text);
    if (escape != std::string_view::npos) {
      writer.byte('\\');
      writer.byte(letters[escape]);
    } else if (size == 0 || static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      writer.byte('?');
    } else {
      writer.text(text.substr(0, size));
    }
    text.remove_prefix(std::max<size_t>(size, 1));
  }
}

struct Reason {
  uint16_t status;
  std::string_view text;
};

// The IANA registry (October 2025), but for 1xx that the proxy never says; in order.
constexpr Reason reasons[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {103, "Early Hints"},
    {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"}, {204, "No Content"},
    {205, "Reset Content"}, {206, "Partial Content"},
    {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
    {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
    {400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
    {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {407, "Proxy Authentication Required"},
    {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"},
    {412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"}, {417, "Expectation Failed"}, {421, "Misdirected Request"},
    {422, "Unprocessable Content"}, {423, "Locked"}, {424, "Failed Dependency"}, {425, "Too Early"},
    {426, "Upgrade Required"}, {428, "Precondition Required"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"},
    {508, "Loop Detected"}, {511, "Network Authentication Required"},
};
static_assert(std::ranges::is_sorted(reasons, {}, &Reason::status));

// The longest answer without message, cause and date: well below the 512 bytes that the header promises, of which 64
// are left to the cause and 40 to the date.
constexpr uint32_t frame_bytes_max = 400;
constexpr uint32_t cause_bytes_max = 64;
static_assert(frame_bytes_max + cause_bytes_max + date_bytes + 8 <= 512);

void write_head(Writer& writer, const LocalAnswer& answer) noexcept {
  writer.literal("HTTP/1.1 ");
  writer.number(answer.status);
  writer.byte(' ');
  writer.text(reason_of(answer.status));
  writer.literal("\r\nContent-Type: application/json\r\n");
  if (answer.status == 405) writer.literal("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n");
  if (answer.status == 503 && answer.retry_after_s > 0) {
    writer.literal("Retry-After: ");
    writer.number(answer.retry_after_s);
    writer.literal("\r\n");
  }
  if (!answer.keep_alive) {
    writer.literal("Connection: close\r\n");
  } else if (answer.client_minor == 0) {
    writer.literal("Connection: keep-alive\r\n");
  }
  if (!answer.date.empty()) {
    writer.literal("Date: ");
    writer.text(answer.date);
    writer.literal("\r\n");
  }
}

uint32_t write_body(const LocalAnswer& answer, char* out) noexcept {
  Writer writer(out);
  writer.literal("{\"message\":\"");
  write_json_text(writer, answer.before);
  write_json_text(writer, answer.message);
  write_json_text(writer, answer.behind);
  if (!answer.cause.empty()) {
    writer.literal("\",\"cause\":\"");
    write_json_text(writer, answer.cause);
  }
  writer.literal("\",\"status\":\"failure\"}");
  return writer.size();
}

}  // namespace

std::string_view reason_of(uint16_t status) noexcept {
  const auto found = std::ranges::lower_bound(reasons, status, {}, &Reason::status);
  return found != std::end(reasons) && found->status == status ? found->text : std::string_view();
}

uint32_t write_local_answer(const LocalAnswer& answer, std::span<char> out) noexcept {
  const size_t message_size = answer.before.size() + answer.message.size() + answer.behind.size();
  const size_t needed = frame_bytes_max + 2 * message_size + 2 * answer.cause.size() + answer.date.size();
  if (out.size() < needed) return 0;
  // The body is written where it cannot be in the head's way, and moved up when its length is known.
  char* const body = out.data() + frame_bytes_max - 128 + answer.date.size();
  const uint32_t body_bytes = write_body(answer, body);
  Writer writer(out.data());
  write_head(writer, answer);
  writer.literal("Content-Length: ");
  writer.number(body_bytes);
  writer.literal("\r\n\r\n");
  if (answer.head_request) return writer.size();
  std::memmove(out.data() + writer.size(), body, body_bytes);
  return writer.size() + body_bytes;
}

void write_date(int64_t unix_seconds, std::span<char, date_bytes> out) noexcept {
  constexpr std::string_view days = "ThuFriSatSunMonTueWed";  // 1 January 1970 was a Thursday
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const int64_t day_number = unix_seconds / 86400;
  const auto second_of_day = static_cast<uint32_t>(unix_seconds % 86400);
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day_number}}};

  Writer writer(out.data());
  const auto two_digits = [&](uint32_t number) {
    writer.byte(static_cast<char>('0' + number / 10 % 10));
    writer.byte(static_cast<char>('0' + number % 10));
  };
  const auto year = static_cast<uint32_t>(static_cast<int>(date.year()));
  writer.text(days.substr(static_cast<size_t>(day_number % 7) * 3, 3));
  writer.literal(", ");
  two_digits(static_cast<unsigned>(date.day()));
  writer.byte(' ');
  writer.text(months.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3));
  writer.byte(' ');
  two_digits(year / 100);
  two_digits(year);
  writer.byte(' ');
  two_digits(second_of_day / 3600);
  writer.byte(':');
  two_digits(second_of_day / 60 % 60);
  writer.byte(':');
  two_digits(second_of_day % 60);
  writer.literal(" GMT");
}

}  // namespace ringmaster::http
