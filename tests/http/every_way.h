// One head, read in every way that its bytes may arrive: whole, split in two at every byte, byte by byte. Each call
// gets its bytes in a new allocation of just that size, so that the address sanitizer sees every look beyond the end.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "describe.h"

namespace ringmaster::http {

struct Verdict {
  HeadStatus status = HeadStatus::incomplete;
  Cause cause = Cause::none;
  std::string meaning;  // of a complete head, every member

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

inline void PrintTo(const Verdict& verdict, std::ostream* out) {
  constexpr const char* names[] = {"incomplete", "complete", "refused"};
  *out << names[static_cast<int>(verdict.status)] << ' ' << name_of(verdict.cause) << ' ' << verdict.meaning;
}

inline FieldScratch& test_scratch() {
  static FieldScratch scratch;
  return scratch;
}

struct RequestReader {
  HeadLimits limits = {};
  HeadParser parser{HeadParser::Kind::request};
  RequestHead head = {};

  Verdict operator()(std::string_view bytes) {
    const HeadStatus status = parser.parse_request(bytes, limits, test_scratch(), head);
    return {status, parser.cause(), status == HeadStatus::complete ? describe(head) : ""};
  }
};

struct ResponseReader {
  HeadLimits limits = {};
  llhttp_method_t method = HTTP_GET;
  HeadParser parser{HeadParser::Kind::response};
  ResponseHead head = {};

  Verdict operator()(std::string_view bytes) {
    const HeadStatus status = parser.parse_response(bytes, method, limits, test_scratch(), head);
    return {status, parser.cause(), status == HeadStatus::complete ? describe(head) : ""};
  }
};

// The verdict of `reader` on these bytes, asserted to be the same for every arrival; and a refused head stays refused
// from its first wrong byte on, while every shorter part of it is incomplete.
template <class Reader>
Verdict read_every_way(std::string_view bytes, const Reader& fresh) {
  const ExactCopy all(bytes);
  const Verdict whole = Reader(fresh)(all.view());

  size_t decided_at = bytes.size() + 1;
  Reader bytewise(fresh);
  Verdict last;
  for (size_t size = 1; size <= bytes.size() && last.status == HeadStatus::incomplete; ++size) {
    const ExactCopy part(bytes.substr(0, size));
    last = bytewise(part.view());
    if (last.status != HeadStatus::incomplete) decided_at = size;
  }
  EXPECT_EQ(last, whole) << "byte by byte: " << testing::PrintToString(bytes);

  for (size_t size = 0; size <= bytes.size(); ++size) {
    Reader reader(fresh);
    const ExactCopy part(bytes.substr(0, size));
    const Verdict first = reader(part.view());
    if (size < decided_at) {
      EXPECT_EQ(first.status, HeadStatus::incomplete) << size << " bytes of " << testing::PrintToString(bytes);
      EXPECT_EQ(reader(all.view()), whole) << "split at " << size << ": " << testing::PrintToString(bytes);
    } else {
      EXPECT_EQ(first, whole) << size << " bytes of " << testing::PrintToString(bytes);
    }
  }
  return whole;
}

inline Verdict read_request(std::string_view bytes, const HeadLimits& limits = {}) {
  return read_every_way(bytes, RequestReader{.limits = limits});
}

inline Verdict read_response(std::string_view bytes, llhttp_method_t method = HTTP_GET, const HeadLimits& limits = {}) {
  return read_every_way(bytes, ResponseReader{.limits = limits, .method = method});
}

// A row of a table of spellings: these bytes are refused for this cause, or accepted (Cause::none).
struct Spelling {
  const char* row;  // of the acceptance table
  std::string_view bytes;
  Cause cause;
};

// A parsed head together with the bytes that it points into.
struct ParsedRequest {
  explicit ParsedRequest(std::string text, const HeadLimits& limits = {})
      : bytes(std::move(text)), scratch(std::make_unique<FieldScratch>()) {
    HeadParser parser(HeadParser::Kind::request);
    status = parser.parse_request(bytes, limits, *scratch, head);
    EXPECT_EQ(status, HeadStatus::complete) << name_of(parser.cause()) << ": " << bytes;
  }
  std::string bytes;
  std::unique_ptr<FieldScratch> scratch;
  RequestHead head;
  HeadStatus status;
};

struct ParsedResponse {
  explicit ParsedResponse(std::string text, llhttp_method_t method = HTTP_GET)
      : bytes(std::move(text)), scratch(std::make_unique<FieldScratch>()) {
    HeadParser parser(HeadParser::Kind::response);
    status = parser.parse_response(bytes, method, HeadLimits{}, *scratch, head);
    EXPECT_EQ(status, HeadStatus::complete) << name_of(parser.cause()) << ": " << bytes;
  }
  std::string bytes;
  std::unique_ptr<FieldScratch> scratch;
  ResponseHead head;
  HeadStatus status;
};

}  // namespace ringmaster::http
