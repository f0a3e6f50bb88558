// Bytes one after the other into a buffer that is known to be large enough.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "http/head.h"

namespace ringmaster::http {

class Writer {
 public:
  explicit Writer(char* begin) noexcept : begin_(begin), at_(begin) {}

  // Literals of known size become a few moves.
  template <size_t size>
  void literal(const char (&text)[size]) noexcept {
    std::memcpy(at_, text, size - 1);
    at_ += size - 1;
  }
  void text(std::string_view text) noexcept {
    if (text.empty()) return;  // its pointer may be null, which memcpy must not see
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void byte(char c) noexcept { *at_++ = c; }
  void number(uint64_t number) noexcept { at_ = std::to_chars(at_, at_ + 20, number).ptr; }

  void field(const Field& field) noexcept {
    // Where the bytes on the wire were exactly name, colon, space, value, they are one copy.
    const char* const behind = field.name.data() + field.name.size();
    if (field.value.data() == behind + 2 && behind[1] == ' ') {
      text({field.name.data(), field.name.size() + 2 + field.value.size()});
    } else {
      text(field.name);
      literal(": ");
      text(field.value);
    }
    literal("\r\n");
  }

  uint32_t size() const noexcept { return static_cast<uint32_t>(at_ - begin_); }

 private:
  char* begin_;
  char* at_;
};

}  // namespace ringmaster::http
