// The access log: a line for each request, made when its exchange ends, and handed to a writer that is another thread's
// affair (base/line_writer.h). A worker's own; where the log is off there is none, and an exchange has no record.
//
// combined   as nginx and Apache write it: address, time, request line, status, bytes of the body, Referer, User-Agent.
//            Bytes outside of printable ASCII, '"' and '\' are written \xHH.
// json       one object for a line: the same, and how long it took, which replica served it after how many tries, and
//            the cause where the proxy answered by itself. Bytes above 0x7F are read as Latin-1.
//
// Of a head that is refused both have the first line as it came, in combined quoted as the request line, in json as
// "request_line".
//
// A request that no answer was sent to, because its client had gone, has the status 499, as with nginx. What does not
// fit a record is cut: the target and a refused line at 2,048 bytes, Referer at 1,024, User-Agent at 512, Host at 256.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/line_writer.h"
#include "base/slab.h"
#include "config/settings.h"
#include "http/head.h"
#include "http/refusal.h"
#include "proxy/meters.h"

namespace ringmaster::proxy {

// Text of at most so many bytes, by value.
template <uint16_t bytes_max>
class CutText {
 public:
  void set(std::string_view text) noexcept {
    size_ = static_cast<uint16_t>(text.copy(bytes_.data(), bytes_max));
  }
  std::string_view view() const noexcept { return {bytes_.data(), size_}; }

 private:
  uint16_t size_ = 0;
  std::array<char, bytes_max> bytes_;
};

struct AccessRecord {
  AccessRecord(uint32_t index_, uint32_t) noexcept : index(index_) {}

  const uint32_t index;
  uint64_t begun_ns = 0;
  uint64_t sent_bytes = 0;       // to the client, heads included
  uint32_t head_bytes = 0;       // of the answer
  uint16_t status = 0;           // 0: none was sent
  uint8_t attempts = 0;
  uint8_t minor = 1;
  bool read = false;             // the request's head could be read
  http::Cause cause = http::Cause::none;
  CutText<16> method;
  CutText<64> replica;
  CutText<256> host;
  CutText<512> user_agent;
  CutText<1024> referer;
  CutText<2048> target;          // not read: the first line as it came
};

class AccessLog {
 public:
  AccessLog(LineQueue& queue, config::AccessFormat format, WorkerMeters& meters) noexcept
      : queue_(queue), format_(format), meters_(meters) {}

  // nullptr where there is no memory: the line is counted as dropped.
  AccessRecord* begin(const http::RequestHead& head, uint64_t now_ns) noexcept;
  // `bytes`: what has come of a head that could not be read, from its first line on.
  AccessRecord* begin_unread(std::string_view bytes, uint64_t now_ns) noexcept;
  // Writes the line, and frees the record.
  void end(AccessRecord& record, std::string_view client_ip, uint64_t now_ns) noexcept;

 private:
  AccessRecord* make(uint64_t now_ns) noexcept;
  std::string_view combined(const AccessRecord& record, std::string_view client_ip) noexcept;
  std::string_view json(const AccessRecord& record, std::string_view client_ip, uint64_t now_ns) noexcept;

  LineQueue& queue_;
  const config::AccessFormat format_;
  WorkerMeters& meters_;
  Slab<AccessRecord> records_;
  std::array<char, 32 * 1024> line_;   // every byte of a record's texts becomes six at most
};

}  // namespace ringmaster::proxy
