#include "proxy/access_log.h"

#include <ctime>

#include "http/forward.h"
#include "http/writer.h"

namespace ringmaster::proxy {

namespace {

using http::Writer;

constexpr std::string_view digits = "0123456789abcdef";
constexpr uint16_t client_has_gone = 499;

void write_digits(Writer& writer, uint32_t number, int count) noexcept {
  uint32_t divisor = 1;
  while (--count > 0) divisor *= 10;
  for (; divisor > 0; divisor /= 10) writer.byte(static_cast<char>('0' + number / divisor % 10));
}

void write_hex(Writer& writer, char c) noexcept {
  writer.byte(digits[static_cast<uint8_t>(c) >> 4]);
  writer.byte(digits[static_cast<uint8_t>(c) & 15]);
}

void write_quoted(Writer& writer, std::string_view text) noexcept {
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      writer.byte(c);
    } else {
      writer.literal("\\x");
      write_hex(writer, c);
    }
  }
}

void write_or_dash(Writer& writer, std::string_view text) noexcept { write_quoted(writer, text.empty() ? "-" : text); }

void write_json_text(Writer& writer, std::string_view text) noexcept {
  writer.byte('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') writer.byte('\\');
    if (c >= 0x20 && c < 0x7F) {
      writer.byte(c);
    } else {
      writer.literal("\\u00");
      write_hex(writer, c);
    }
  }
  writer.byte('"');
}

void write_member(Writer& writer, std::string_view name, std::string_view text) noexcept {
  writer.literal(",\"");
  writer.text(name);
  writer.literal("\":");
  write_json_text(writer, text);
}

// "06/Nov/1994:08:49:37 +0000"
void write_local_time(Writer& writer, int64_t seconds) noexcept {
  std::array<char, http::date_bytes> date;  // "Sun, 06 Nov 1994 08:49:37 GMT"
  http::write_date(seconds, date);
  const std::string_view text(date.data(), date.size());
  writer.text(text.substr(5, 2));
  writer.byte('/');
  writer.text(text.substr(8, 3));
  writer.byte('/');
  writer.text(text.substr(12, 4));
  writer.byte(':');
  writer.text(text.substr(17, 8));
  writer.literal(" +0000");
}

// "1994-11-06T08:49:37.123Z"
void write_timestamp(Writer& writer, const timespec& now) noexcept {
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  write_digits(writer, static_cast<uint32_t>(utc.tm_year + 1900), 4);
  writer.byte('-');
  write_digits(writer, static_cast<uint32_t>(utc.tm_mon + 1), 2);
  writer.byte('-');
  write_digits(writer, static_cast<uint32_t>(utc.tm_mday), 2);
  writer.byte('T');
  write_digits(writer, static_cast<uint32_t>(utc.tm_hour), 2);
  writer.byte(':');
  write_digits(writer, static_cast<uint32_t>(utc.tm_min), 2);
  writer.byte(':');
  write_digits(writer, static_cast<uint32_t>(utc.tm_sec), 2);
  writer.byte('.');
  write_digits(writer, static_cast<uint32_t>(now.tv_nsec / 1'000'000), 3);
  writer.byte('Z');
}

// The wall clock, for people to read; nothing is measured by it.
timespec wall_clock() noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

uint64_t body_bytes(const AccessRecord& record) noexcept {
  return record.sent_bytes > record.head_bytes ? record.sent_bytes - record.head_bytes : 0;
}

std::string_view field(const http::RequestHead& head, std::string_view name) noexcept {
  const http::Field* found = http::find_field(head.fields, name);
  return found ? found->value : std::string_view();
}

std::string_view protocol(const AccessRecord& record) noexcept { return record.minor == 0 ? "HTTP/1.0" : "HTTP/1.1"; }

}  // namespace

AccessRecord* AccessLog::make(uint64_t now_ns) noexcept {
  AccessRecord* const record = records_.make();
  if (record) record->begun_ns = now_ns;
  else meters_.access_lines_dropped.add();
  return record;
}

AccessRecord* AccessLog::begin(const http::RequestHead& head, uint64_t now_ns) noexcept {
  AccessRecord* const record = make(now_ns);
  if (!record) return nullptr;
  record->read = true;
  record->minor = head.minor;
  record->method.set(head.method_name);
  record->target.set(head.target);
  record->host.set(head.host);
  record->referer.set(field(head, "Referer"));
  record->user_agent.set(field(head, "User-Agent"));
  return record;
}

AccessRecord* AccessLog::begin_unread(std::string_view bytes, uint64_t now_ns) noexcept {
  AccessRecord* const record = make(now_ns);
  if (record) record->target.set(bytes.substr(0, bytes.find_first_of("\r\n")));
  return record;
}

void AccessLog::end(AccessRecord& record, std::string_view client_ip, uint64_t now_ns) noexcept {
  if (record.status == 0) record.status = client_has_gone;
  const std::string_view line =
      format_ == config::AccessFormat::json ? json(record, client_ip, now_ns) : combined(record, client_ip);
  (queue_.push(line) ? meters_.access_lines : meters_.access_lines_dropped).add();
  records_.free(record.index);
}

std::string_view AccessLog::combined(const AccessRecord& record, std::string_view client_ip) noexcept {
  Writer writer(line_.data());
  writer.text(client_ip.empty() ? "-" : client_ip);
  writer.literal(" - - [");
  write_local_time(writer, wall_clock().tv_sec);
  writer.literal("] \"");
  if (record.read) {
    writer.text(record.method.view());
    writer.byte(' ');
    write_quoted(writer, record.target.view());
    writer.byte(' ');
    writer.text(protocol(record));
  } else {
    write_or_dash(writer, record.target.view());
  }
  writer.literal("\" ");
  writer.number(record.status);
  writer.byte(' ');
  writer.number(body_bytes(record));
  writer.literal(" \"");
  write_or_dash(writer, record.referer.view());
  writer.literal("\" \"");
  write_or_dash(writer, record.user_agent.view());
  writer.literal("\"\n");
  return {line_.data(), writer.size()};
}

std::string_view AccessLog::json(const AccessRecord& record, std::string_view client_ip, uint64_t now_ns) noexcept {
  Writer writer(line_.data());
  writer.literal("{\"time\":\"");
  write_timestamp(writer, wall_clock());
  writer.byte('"');
  write_member(writer, "remote_addr", client_ip);
  if (record.read) {
    write_member(writer, "method", record.method.view());
    write_member(writer, "uri", record.target.view());
    write_member(writer, "protocol", protocol(record));
    write_member(writer, "host", record.host.view());
    write_member(writer, "referer", record.referer.view());
    write_member(writer, "user_agent", record.user_agent.view());
  } else {
    write_member(writer, "request_line", record.target.view());
  }
  writer.literal(",\"status\":");
  writer.number(record.status);
  writer.literal(",\"body_bytes\":");
  writer.number(body_bytes(record));
  const uint64_t took_us = (now_ns - record.begun_ns) / 1000;
  writer.literal(",\"duration_ms\":");
  writer.number(took_us / 1000);
  writer.byte('.');
  write_digits(writer, static_cast<uint32_t>(took_us % 1000), 3);
  writer.literal(",\"attempts\":");
  writer.number(record.attempts);
  if (record.attempts > 0) write_member(writer, "replica", record.replica.view());
  if (record.cause != http::Cause::none) write_member(writer, "cause", http::name_of(record.cause));
  writer.literal("}\n");
  return {line_.data(), writer.size()};
}

}  // namespace ringmaster::proxy
