// Heads rebuilt: what is written is accepted when it is read again, and means the same.
#include <vector>

#include "base/error.h"
#include "fuzz_input.h"
#include "http/forward.h"

using namespace ringmaster;
using namespace ringmaster::http;

namespace {

FieldScratch scratch, scratch_again;

constexpr HeadLimits wide{.request_line_bytes = 1 << 20, .header_bytes = 1 << 20, .header_count = fields_max};

bool is_forwarding(FieldId id) {
  return id == FieldId::forwarded || id == FieldId::x_forwarded_for || id == FieldId::x_forwarded_host ||
         id == FieldId::x_forwarded_proto || id == FieldId::x_forwarded_other;
}

// The fields that must arrive as they were.
std::string kept(std::span<const Field> fields) {
  std::string text;
  for (const Field& field : fields) {
    if (field.drop || is_forwarding(field.id) || field.id == FieldId::max_forwards) continue;
    text += std::string(field.name) + "=" + std::string(field.value) + "\n";
  }
  return text;
}

void rewrite_request(std::string_view bytes, bool trusted) {
  HeadParser parser(HeadParser::Kind::request);
  RequestHead head;
  if (parser.parse_request(bytes, {}, scratch, head) != HeadStatus::complete) return;
  const ForwardContext context{.client_ip = "10.0.0.9", .trust_forwarded = trusted, .via = false,
                               .default_host = "127.0.0.1:9001"};
  std::vector<char> out(upstream_request_bytes_max(head, context));
  const uint32_t size = write_upstream_request(head, context, out);
  ensure(size > 0 && size <= out.size());

  HeadParser parser_again(HeadParser::Kind::request);
  RequestHead again;
  const std::string_view rebuilt(out.data(), size);
  ensure(parser_again.parse_request(rebuilt, wide, scratch_again, again) == HeadStatus::complete);
  ensure(again.head_bytes == size && again.method == head.method && again.minor == 1);
  ensure(again.target == (head.target.starts_with('?') ? "/" + std::string(head.target) : std::string(head.target)));
  ensure(again.path == head.path && again.query == head.query);
  ensure(again.host == (head.host.empty() ? "127.0.0.1:9001" : head.host));
  ensure(again.framing == head.framing && again.content_length == head.content_length);
  ensure(again.upgrade_websocket == head.upgrade_websocket && again.keep_alive && !again.expect_continue);
  ensure(kept(again.fields) == kept(head.fields));
  int forwarded_for = 0;
  for (const Field& field : again.fields) {
    if (field.id != FieldId::x_forwarded_for) continue;
    ++forwarded_for;
    ensure(field.value.ends_with("10.0.0.9"));
    ensure(trusted || field.value.size() == 8);
  }
  ensure(forwarded_for == 1);
}

void rewrite_response(std::string_view bytes, const AnswerContext& context) {
  HeadParser parser(HeadParser::Kind::response);
  ResponseHead head;
  const llhttp_method_t method = context.head_request ? HTTP_HEAD : HTTP_GET;
  if (parser.parse_response(bytes, method, {}, scratch, head) != HeadStatus::complete) return;
  std::vector<char> out(answer_bytes_max(head, context));
  const bool interim = head.status < 200;
  const uint32_t size = interim ? write_interim_answer(head, out) : write_answer(head, context, out);
  ensure(size > 0 && size <= out.size());

  HeadParser parser_again(HeadParser::Kind::response);
  ResponseHead again;
  ensure(parser_again.parse_response({out.data(), size}, method, wide, scratch_again, again) == HeadStatus::complete);
  ensure(again.head_bytes == size && again.status == head.status && again.reason == head.reason && again.minor == 1);
  ensure(again.framing == answer_framing(head, context));
  ensure(again.content_length == head.content_length && again.declared_length == head.declared_length);
  if (interim) ensure(again.upgrade_websocket == head.upgrade_websocket);
  if (!interim) ensure(again.keep_alive == (context.keep_alive && again.framing != Framing::until_close));
  ensure(kept(again.fields) == kept(head.fields));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  rewrite_request(bytes, false);
  rewrite_request(bytes, true);
  rewrite_response(bytes, {});
  rewrite_response(bytes, {.client_minor = 0, .keep_alive = false});
  rewrite_response(bytes, {.head_request = true});
  return 0;
}
