// Response heads: the verdict is the same whole, split and byte by byte, and a body's framing is never a guess.
#include "base/error.h"
#include "fuzz_input.h"

using namespace ringmaster;
using namespace ringmaster::http;

namespace {

FieldScratch scratch;

struct Reader {
  llhttp_method_t method;
  HeadParser parser{HeadParser::Kind::response};
  ResponseHead head = {};
  HeadStatus read(std::string_view bytes) { return parser.parse_response(bytes, method, HeadLimits{}, scratch, head); }
};

void check_accepted(const ResponseHead& head, std::string_view bytes, llhttp_method_t method) {
  ensure(head.head_bytes <= bytes.size() && head.status >= 100 && head.status <= 599 && head.minor <= 1);
  const bool bodiless = method == HTTP_HEAD || head.status < 200 || head.status == 204 || head.status == 304;
  ensure((head.framing == Framing::none) == bodiless);
  ensure(head.framing != Framing::until_close || !head.keep_alive);
  ensure(head.framing != Framing::length || (head.has_content_length && head.declared_length == head.content_length));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (llhttp_method_t method : {HTTP_GET, HTTP_HEAD}) {
    Reader whole{.method = method};
    const HeadStatus status = whole.read(bytes);
    const std::string meaning = status == HeadStatus::complete ? describe(whole.head) : "";
    if (status == HeadStatus::complete) check_accepted(whole.head, bytes, method);

    const size_t part = 1 + hash_of(bytes) % 16;
    Reader reader{.method = method};
    HeadStatus last = HeadStatus::incomplete;
    for (size_t end = part; last == HeadStatus::incomplete; end += part) {
      last = reader.read(bytes.substr(0, end));
      if (end >= bytes.size()) break;
    }
    ensure(last == status && reader.parser.cause() == whole.parser.cause());
    if (status == HeadStatus::complete) ensure(describe(reader.head) == meaning);
  }
  return 0;
}
