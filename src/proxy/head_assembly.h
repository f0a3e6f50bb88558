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
#include "http/refusal.h"
#include "proxy/meters.h"
#include "proxy/stream.h"

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

// Reads on in the stream's first arrival, for a head of either side: where it lies, as long as the head is in one
// piece, and behind what `assembly` holds from then on. complete: the arrival begins with what follows the head.
// incomplete: the arrival was used up. refused: `cause` says why, `overloaded` where there was no memory.
//   `parser`              new, or as this left it while there is no assembly
//   `parse(parser, bytes)` reads into `head`
template <class Head, class Parse>
http::HeadStatus read_head(Stream& from, http::HeadParser& parser, std::unique_ptr<HeadAssembly>& assembly,
                           uint32_t bytes_max, WorkerMeters& meters, const Head& head, http::Cause& cause,
                           Parse parse) noexcept {
  Piece* const piece = from.front();
  const auto no_memory = [&] {
    cause = http::Cause::overloaded;
    return http::HeadStatus::refused;
  };
  if (!assembly) {
    const http::HeadStatus status = parse(parser, std::string_view(piece->begin, piece->size()));
    if (status == http::HeadStatus::complete) piece->begin += head.head_bytes;
    if (status == http::HeadStatus::refused) cause = parser.cause();
    if (status != http::HeadStatus::incomplete) return status;
    meters.heads_in_pieces.add();
    assembly = HeadAssembly::make(parser, bytes_max);
    if (!assembly || !assembly->append(piece->begin, piece->end)) return no_memory();
    from.drop_front();
    return status;
  }
  const auto before = static_cast<uint32_t>(assembly->bytes().size());
  if (!assembly->append(piece->begin, piece->end)) return no_memory();
  const http::HeadStatus status = parse(assembly->parser, assembly->bytes());
  if (status == http::HeadStatus::complete) piece->begin += head.head_bytes - before;
  else if (status == http::HeadStatus::incomplete) from.drop_front();
  else cause = assembly->parser.cause();
  return status;
}

}  // namespace ringmaster::proxy
