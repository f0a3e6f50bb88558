// Request heads: the verdict is the same whole, split and byte by byte; an accepted head is what head.h promises.
#include "base/error.h"
#include "fuzz_input.h"

using namespace ringmaster;
using namespace ringmaster::http;

namespace {

FieldScratch scratch;

struct Reader {
  HeadLimits limits;
  HeadParser parser{HeadParser::Kind::request};
  RequestHead head = {};
  HeadStatus read(std::string_view bytes) { return parser.parse_request(bytes, limits, scratch, head); }
};

void check_accepted(const RequestHead& head, std::string_view bytes, const HeadLimits& limits) {
  ensure(head.head_bytes <= bytes.size() && head.head_bytes <= head_bytes_max(limits));
  ensure(bytes.substr(0, head.head_bytes).ends_with("\r\n\r\n"));
  ensure(!head.target.empty() && !head.path.empty() && !head.method_name.empty());
  ensure(head.minor == 0 || !head.host.empty());
  ensure(head.minor <= 1 && head.framing != Framing::until_close);
  ensure(!head.expect_continue || head.framing != Framing::none);
  ensure(!head.upgrade_websocket || (head.method == HTTP_GET && head.content_length == 0));
  ensure(head.fields.size() <= limits.header_count);
  for (const Field& field : head.fields) {
    ensure(!field.name.empty());
    ensure(field.name.find_first_of(std::string_view(" \t\r\n:\0", 6)) == std::string_view::npos);
    ensure(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
}

void compare_arrivals(std::string_view bytes, const HeadLimits& limits) {
  Reader whole{.limits = limits};
  const HeadStatus status = whole.read(bytes);
  const std::string meaning = status == HeadStatus::complete ? describe(whole.head) : "";
  if (status == HeadStatus::complete) check_accepted(whole.head, bytes, limits);

  for (size_t part : {size_t{1}, size_t{1 + hash_of(bytes) % 64}}) {
    if (bytes.size() / part > 2000) continue;
    Reader reader{.limits = limits};
    HeadStatus last = HeadStatus::incomplete;
    for (size_t size = part; last == HeadStatus::incomplete; size += part) {
      last = reader.read(bytes.substr(0, size));
      if (size >= bytes.size()) break;
    }
    ensure(last == status && reader.parser.cause() == whole.parser.cause());
    if (status == HeadStatus::complete) ensure(describe(reader.head) == meaning);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  compare_arrivals(bytes, {});
  compare_arrivals(bytes,
                   {.request_line_bytes = 64, .header_bytes = 128, .header_count = 4, .allow_underscores = true});
  return 0;
}
