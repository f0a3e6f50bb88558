// The bytes of a head that came in more than one piece, and how far its parser has come.
//
// Rare for a well-behaved peer, and all that a slow one gets: it begins at 1 KiB and doubles up to the largest head
// that the limits allow. The receive buffers are given back at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "http/head.h"

namespace ringmaster::proxy {

class HeadAssembly {
 public:
  HeadAssembly(const http::HeadParser& parser_so_far, uint32_t bytes_max) noexcept
      : parser(parser_so_far), bytes_max_(bytes_max) {}

  // nullptr where there is no memory.
  static std::unique_ptr<HeadAssembly> make(const http::HeadParser& parser_so_far, uint32_t bytes_max) noexcept {
    return std::unique_ptr<HeadAssembly>(new (std::nothrow) HeadAssembly(parser_so_far, bytes_max));
  }

  // Takes as much of [begin, end) as a head may have; the parser then refuses what is too long. false: there is no
  // memory for it, and nothing was taken.
  bool append(const char* begin, const char* end) noexcept {
    const uint32_t size = std::min(static_cast<uint32_t>(end - begin), bytes_max_ - size_);
    if (!reserve(size_ + size)) return false;
    memcpy(bytes_.get() + size_, begin, size);
    size_ += size;
    return true;
  }
  std::string_view bytes() const noexcept { return {bytes_.get(), size_}; }

  http::HeadParser parser;

 private:
  bool reserve(uint32_t size) noexcept {
    if (size <= capacity_) return true;
    uint32_t capacity = std::max(capacity_, 1024u);
    while (capacity < size) capacity *= 2;
    std::unique_ptr<char[]> bytes(new (std::nothrow) char[capacity]);
    if (!bytes) return false;
    if (size_ > 0) memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
    return true;
  }

  std::unique_ptr<char[]> bytes_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  uint32_t bytes_max_;
};

}  // namespace ringmaster::proxy
