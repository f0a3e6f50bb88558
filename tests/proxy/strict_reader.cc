#include "strict_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace ringmaster::proxy {

namespace {

constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";
constexpr std::string_view line_end = "\r\n";

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return isalnum(static_cast<unsigned char>(c)) != 0 || token_marks.find(c) != std::string_view::npos;
  });
}

bool is_visible(std::string_view text, bool with_blanks) {
  return std::ranges::all_of(text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte > 0x20 && byte != 0x7F) || (with_blanks && (c == ' ' || c == '\t'));
  });
}

std::optional<uint64_t> number(std::string_view text, int base, size_t digits_max) {
  uint64_t value = 0;
  if (text.empty() || text.size() > digits_max) return std::nullopt;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value, base);
  if (error != std::errc() || end != text.end() || value > INT64_MAX) return std::nullopt;
  return value;
}

class Reader {
 public:
  enum class Kind : uint8_t { forwarded, answer, sent };
  Reader(Kind kind, std::string_view bytes, std::string_view method, bool ended)
      : kind_(kind), bytes_(bytes), method_(method), ended_(ended) {}

  ReadResult read() {
    if (kind_ == Kind::sent && bytes_.starts_with(line_end)) at_ = 2;
    if (!read_head() || !read_body()) return finish();
    message_.complete = true;
    return {Reading::message, std::move(message_), at_, ""};
  }

 private:
  bool strict() const { return kind_ != Kind::sent; }
  ReadResult finish() { return {why_.empty() ? Reading::more : Reading::malformed, std::move(message_), 0, why_}; }
  bool fail(std::string_view why) {
    why_ = why;
    return false;
  }

  // Up to the next CRLF. Nothing: it has not come, or a bare CR or LF stands before it.
  std::optional<std::string_view> line() {
    const size_t end = bytes_.find_first_of("\r\n", at_);
    if (end == std::string_view::npos) return std::nullopt;
    if (bytes_[end] == '\n' || (end + 1 < bytes_.size() && bytes_[end + 1] != '\n')) {
      fail("a bare CR or LF");
      return std::nullopt;
    }
    if (end + 1 == bytes_.size()) return std::nullopt;
    const std::string_view text = bytes_.substr(at_, end - at_);
    at_ = end + 2;
    return text;
  }

  bool read_head() {
    const auto start = line();
    if (!start) return false;
    const size_t one = start->find(' ');
    const size_t two = one == std::string_view::npos ? one : start->find(' ', one + 1);
    if (two == std::string_view::npos) return fail("a start line without two spaces");
    message_.first = start->substr(0, one);
    message_.second = start->substr(one + 1, two - one - 1);
    message_.third = start->substr(two + 1);
    for (;;) {
      const auto text = line();
      if (!text) return false;
      if (text->empty()) break;
      if (!read_field(*text)) return false;
    }
    message_.head_bytes = at_;
    message_.head_complete = true;
    return kind_ == Kind::answer ? check_answer_head() : check_request_head();
  }

  bool read_field(std::string_view text) {
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos || !is_token(text.substr(0, colon))) return fail("a field without a name");
    std::string_view value = text.substr(colon + 1);
    if (strict() && !value.starts_with(' ')) return fail("a field without its space");
    const size_t begin = value.find_first_not_of(" \t");
    value = begin == std::string_view::npos ? "" : value.substr(begin, value.find_last_not_of(" \t") - begin + 1);
    if (!is_visible(value, true)) return fail("a control character in a value");
    message_.fields.emplace_back(text.substr(0, colon), value);
    return true;
  }

  bool check_request_head() {
    if (!is_token(message_.first)) return fail("not a method");
    if (message_.second.empty() || !is_visible(message_.second, false)) return fail("not a target");
    if (message_.third != "HTTP/1.1" && (strict() || message_.third != "HTTP/1.0")) return fail("not a version");
    if (message_.count("Host") > 1 || (message_.third == "HTTP/1.1" && message_.count("Host") == 0)) {
      return fail("not one Host");
    }
    if (!strict()) return read_framing();
    if (message_.second[0] != '/' && message_.second != "*") return fail("not origin-form");
    for (const auto& [name, value] : message_.fields) {
      if (name.find('_') != std::string::npos) return fail("a name with an underscore");
      for (const std::string_view hop : {"Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Expect"}) {
        if (same(name, hop)) return fail("a hop-by-hop field: " + name);
      }
      if ((same(name, "Connection") || same(name, "Upgrade")) && value != "upgrade" && value != "websocket") {
        return fail("a hop-by-hop field: " + name);
      }
    }
    return read_framing();
  }

  bool check_answer_head() {
    if (message_.first != "HTTP/1.1") return fail("not a version");
    const auto status = number(message_.second, 10, 3);
    if (!status || *status < 100 || *status > 599) return fail("not a status");
    if (*status < 200 || *status == 204 || *status == 304 || method_ == "HEAD") return true;
    if (!read_framing()) return false;
    until_close_ = !chunked_ && message_.count("Content-Length") == 0;
    return true;
  }

  bool read_framing() {
    const int codings = message_.count("Transfer-Encoding"), lengths = message_.count("Content-Length");
    if (codings + lengths > 1) return fail("more than one framing field");
    if (codings == 1) {
      if (message_.third == "HTTP/1.0") return fail("chunked in HTTP/1.0");
      if (!same(message_.field("Transfer-Encoding"), "chunked")) return fail("not chunked");
      chunked_ = true;
    } else if (lengths == 1) {
      const std::string text = message_.field("Content-Length");
      if (text.find_first_not_of("0123456789") != std::string::npos) return fail("not a length");
      if (strict() && text.size() > 1 && text[0] == '0') return fail("a length with leading zeros");
      const auto length = number(text, 10, SIZE_MAX);
      if (!length) return fail("not a length");
      length_ = *length;
    }
    return true;
  }

  bool read_body() {
    if (chunked_) return read_chunks();
    if (until_close_) {
      message_.body = bytes_.substr(at_);
      at_ = bytes_.size();
      return ended_;
    }
    message_.body = bytes_.substr(at_, length_);
    at_ += message_.body.size();
    return message_.body.size() == length_;
  }

  bool read_chunks() {
    for (;;) {
      auto head = line();
      if (!head) return false;
      const size_t semicolon = head->find(';');
      if (strict() && semicolon != std::string_view::npos) return fail("a chunk extension");
      const std::string_view digits = head->substr(0, semicolon);
      if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) return fail("not a chunk size");
      const auto size = number(digits, 16, 16);
      if (!size || (strict() && digits.size() > 1 && digits[0] == '0')) return fail("not a chunk size");
      if (*size == 0) break;
      const std::string_view data = bytes_.substr(at_, *size);
      message_.body += data;
      at_ += data.size();
      if (data.size() < *size) return false;
      if (bytes_.size() - at_ >= 1 && bytes_[at_] != '\r') return fail("no CRLF behind a chunk");
      if (bytes_.size() - at_ < 2) return false;
      if (bytes_[at_ + 1] != '\n') return fail("no CRLF behind a chunk");
      at_ += 2;
    }
    for (;;) {
      const auto trailer = line();
      if (!trailer) return false;
      if (trailer->empty()) return true;
      if (strict()) return fail("a trailer");
    }
  }

  const Kind kind_;
  const std::string_view bytes_;
  const std::string_view method_;
  const bool ended_;
  size_t at_ = 0;
  Message message_;
  std::string why_;
  bool chunked_ = false;
  bool until_close_ = false;
  uint64_t length_ = 0;
};

}  // namespace

int Message::count(std::string_view name) const {
  return static_cast<int>(std::ranges::count_if(fields, [&](const auto& entry) { return same(entry.first, name); }));
}

std::string Message::field(std::string_view name) const {
  const auto found = std::ranges::find_if(fields, [&](const auto& entry) { return same(entry.first, name); });
  return found == fields.end() ? "" : found->second;
}

ReadResult read_forwarded_request(std::string_view bytes) {
  return Reader(Reader::Kind::forwarded, bytes, "", false).read();
}

ReadResult read_answer(std::string_view bytes, std::string_view method, bool ended) {
  return Reader(Reader::Kind::answer, bytes, method, ended).read();
}

ReadResult read_sent_request(std::string_view bytes) { return Reader(Reader::Kind::sent, bytes, "", false).read(); }

}  // namespace ringmaster::proxy
