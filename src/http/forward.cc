#include "http/forward.h"

#include <algorithm>

#include "http/writer.h"

namespace ringmaster::http {
namespace {

// Every byte that is written without coming from the head, with room to spare: own start line parts, framing,
// Connection and Upgrade, three forwarding fields, Via, Date, their names and line ends.
constexpr uint32_t own_bytes_max = 448;

// A field on the wire has at least name, colon, value and CRLF, and the rebuilt one a space more.
template <class Head>
uint32_t rebuilt_bytes_max(const Head& head) noexcept {
  return head.head_bytes + static_cast<uint32_t>(head.fields.size()) + own_bytes_max;
}

bool is_forwarding(FieldId id) noexcept {
  return id == FieldId::forwarded || id == FieldId::x_forwarded_for || id == FieldId::x_forwarded_host ||
         id == FieldId::x_forwarded_proto || id == FieldId::x_forwarded_other;
}

std::string_view host_for_upstream(const RequestHead& head, const ForwardContext& context) noexcept {
  return head.host.empty() ? context.default_host : head.host;
}

void write_via(Writer& writer, uint8_t minor) noexcept {
  writer.literal("Via: 1.");
  writer.byte(static_cast<char>('0' + minor));
  writer.literal(" ringmaster\r\n");
}

// What a trusted client has said of the way so far, and its own address behind it, in one line.
void write_forwarded_for(Writer& writer, const RequestHead& head, const ForwardContext& context) noexcept {
  bool begun = false;
  const auto add = [&](std::string_view value) {
    if (value.empty()) return;
    if (begun) {
      writer.literal(", ");
    } else {
      writer.literal("X-Forwarded-For: ");
    }
    begun = true;
    writer.text(value);
  };
  if (context.trust_forwarded) {
    for (const Field& field : head.fields) {
      if (field.id == FieldId::x_forwarded_for) add(field.value);
    }
  }
  add(context.client_ip);
  if (begun) writer.literal("\r\n");
}

void write_forwarding(Writer& writer, const RequestHead& head, const ForwardContext& context, bool has_proto,
                      bool has_host) noexcept {
  write_forwarded_for(writer, head, context);
  if (!has_proto) {
    writer.literal("X-Forwarded-Proto: ");
    writer.text(context.scheme);
    writer.literal("\r\n");
  }
  if (!has_host && !head.host.empty()) {
    writer.literal("X-Forwarded-Host: ");
    writer.text(head.host);
    writer.literal("\r\n");
  }
}

}  // namespace

uint32_t upstream_request_bytes_max(const RequestHead& head, const ForwardContext& context) noexcept {
  const auto added = 2 * head.host.size() + context.default_host.size() + context.client_ip.size() +
                     context.scheme.size();
  return rebuilt_bytes_max(head) + static_cast<uint32_t>(added);
}

uint32_t write_upstream_request(const RequestHead& head, const ForwardContext& context, std::span<char> out) noexcept {
  if (out.size() < upstream_request_bytes_max(head, context)) return 0;
  Writer writer(out.data());
  writer.text(head.method_name);
  writer.byte(' ');
  if (head.target.starts_with('?')) writer.byte('/');
  writer.text(head.target);
  writer.literal(" HTTP/1.1\r\nHost: ");
  writer.text(host_for_upstream(head, context));
  writer.literal("\r\n");

  bool has_proto = false, has_host = false;
  for (const Field& field : head.fields) {
    if (field.drop) continue;
    if (is_forwarding(field.id)) {
      if (!context.trust_forwarded || field.id == FieldId::x_forwarded_for) continue;
      has_proto = has_proto || field.id == FieldId::x_forwarded_proto;
      has_host = has_host || field.id == FieldId::x_forwarded_host;
    } else if (field.id == FieldId::max_forwards && head.max_forwards > 0) {
      continue;
    }
    writer.field(field);
  }

  if (head.max_forwards > 0) {
    writer.literal("Max-Forwards: ");
    writer.number(static_cast<uint64_t>(head.max_forwards) - 1);
    writer.literal("\r\n");
  }
  if (head.framing == Framing::length) {
    writer.literal("Content-Length: ");
    writer.number(head.content_length);
    writer.literal("\r\n");
  } else if (head.framing == Framing::chunked) {
    writer.literal("Transfer-Encoding: chunked\r\n");
  }
  if (head.upgrade_websocket) writer.literal("Connection: upgrade\r\nUpgrade: websocket\r\n");
  write_forwarding(writer, head, context, has_proto, has_host);
  if (context.via) write_via(writer, head.minor);
  writer.literal("\r\n");
  return writer.size();
}

namespace {

void write_status_line(Writer& writer, uint16_t status, std::string_view reason) noexcept {
  writer.literal("HTTP/1.1 ");
  writer.number(status);
  writer.byte(' ');
  writer.text(reason);
  writer.literal("\r\n");
}

}  // namespace

Framing answer_framing(const ResponseHead& head, const AnswerContext& context) noexcept {
  if (context.head_request) return Framing::none;
  if (head.framing == Framing::none || head.framing == Framing::length) return head.framing;
  return context.client_minor == 0 ? Framing::until_close : Framing::chunked;
}

uint32_t answer_bytes_max(const ResponseHead& head, const AnswerContext& context) noexcept {
  return rebuilt_bytes_max(head) + static_cast<uint32_t>(context.date.size() + context.own_fields.size());
}

uint32_t write_answer(const ResponseHead& head, const AnswerContext& context, std::span<char> out) noexcept {
  if (out.size() < answer_bytes_max(head, context)) return 0;
  Writer writer(out.data());
  write_status_line(writer, head.status, head.reason);
  bool has_date = false;
  for (const Field& field : head.fields) {
    if (field.drop) continue;
    has_date = has_date || field.id == FieldId::date;
    writer.field(field);
  }

  const Framing framing = answer_framing(head, context);
  if (framing == Framing::chunked) {
    writer.literal("Transfer-Encoding: chunked\r\n");
  } else if (head.has_content_length) {  // of HEAD and 304 too, where it tells what a GET would bring
    writer.literal("Content-Length: ");
    writer.number(head.declared_length);
    writer.literal("\r\n");
  }
  if (!context.keep_alive || framing == Framing::until_close) {
    writer.literal("Connection: close\r\n");
  } else if (context.client_minor == 0) {
    writer.literal("Connection: keep-alive\r\n");
  }
  if (!has_date && !context.date.empty()) {
    writer.literal("Date: ");
    writer.text(context.date);
    writer.literal("\r\n");
  }
  if (context.via) write_via(writer, head.minor);
  writer.text(context.own_fields);
  writer.literal("\r\n");
  return writer.size();
}

uint32_t write_interim_answer(const ResponseHead& head, std::span<char> out) noexcept {
  if (out.size() < rebuilt_bytes_max(head)) return 0;
  Writer writer(out.data());
  write_status_line(writer, head.status, head.reason);
  if (head.upgrade_websocket) writer.literal("Connection: upgrade\r\nUpgrade: websocket\r\n");
  for (const Field& field : head.fields) {
    if (!field.drop) writer.field(field);
  }
  writer.literal("\r\n");
  return writer.size();
}

}  // namespace ringmaster::http
