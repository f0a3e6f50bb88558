#include "http/second_reader.h"

namespace ringmaster::http {
namespace {

int pause_after_head(llhttp_t*) { return HPE_PAUSED; }

constinit const llhttp_settings_t settings = {.on_headers_complete = &pause_after_head};

}  // namespace

Reading read_with_llhttp(llhttp_type_t type, std::string_view head) noexcept {
  llhttp_t parser;
  llhttp_init(&parser, type, &settings);
  // Only our callback pauses with HPE_PAUSED, and it pauses behind the last line feed.
  if (llhttp_execute(&parser, head.data(), head.size()) != HPE_PAUSED) return {};
  if (llhttp_get_error_pos(&parser) != head.data() + head.size()) return {};
  return {
      .accepted = parser.http_major == 1,
      .method = static_cast<llhttp_method_t>(parser.method),
      .status = parser.status_code,
      .minor = parser.http_minor,
      .chunked = (parser.flags & F_CHUNKED) != 0,
      .transfer_encoding = (parser.flags & F_TRANSFER_ENCODING) != 0,
      .content_length = parser.content_length,
  };
}

}  // namespace ringmaster::http
