// Reads HTTP/1.1 a second time, by other code than the proxy's: what a replica receives, what a client receives, and
// what a client has sent. Slow and plain. The first two are strict to the byte, because the proxy writes those heads
// itself; the third takes only what has one meaning (RFC 9112 section 6), and stops at anything else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::proxy {

struct Message {
  std::string first, second, third;  // method, target, version; or version, status, reason
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;                  // as far as it has come
  bool head_complete = false;
  bool complete = false;
  size_t head_bytes = 0;

  int count(std::string_view name) const;              // in any case
  std::string field(std::string_view name) const;      // the first; "" where there is none
};

enum class Reading : uint8_t { more, message, malformed };

struct ReadResult {
  Reading reading = Reading::more;
  Message message;        // what has been read of it
  size_t bytes = 0;       // of a complete one
  std::string why;        // malformed
};

// A request as the proxy writes it.
ReadResult read_forwarded_request(std::string_view bytes);
// An answer as the proxy writes it, to a request by this method. `ended`: no more bytes will come, in an orderly way.
ReadResult read_answer(std::string_view bytes, std::string_view method, bool ended);
// A request as a client writes it. malformed: it has no one meaning.
ReadResult read_sent_request(std::string_view bytes);

}  // namespace ringmaster::proxy
