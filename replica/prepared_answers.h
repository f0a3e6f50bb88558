// The answers that never change but for their Date, whole and ready to be copied: what makes the replica fast enough
// to be the far end of a benchmark. One set for each worker; belongs to its thread.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "http/head.h"
#include "replica/endpoints.h"

namespace ringmaster::replica {

// What the connection does after the answer, and how the client is told.
enum class Persistence : uint8_t { keep_alive, keep_alive_http10, close };
Persistence persistence_of(const http::RequestHead& head) noexcept;
// "Connection: close\r\n" and the like.
std::string_view connection_field(Persistence persistence) noexcept;
// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" (RFC 9110 section 5.6.7)
std::string date_field(std::time_t now);
// Status line, Date, Content-Type (JSON), Content-Length, Connection; all but the body.
std::string answer_head(uint16_t status, uint64_t body_bytes, Persistence persistence);
// The same with the body; without it for HEAD and for statuses that have none.
std::string json_answer(uint16_t status, std::string_view body, const http::RequestHead& head);
// {"message": …, "status": …}
std::string message_body(std::string_view message, bool successful);

class PreparedAnswers {
 public:
  explicit PreparedAnswers(std::string_view server_id);

  static bool has(Endpoint endpoint) noexcept { return endpoint <= Endpoint::not_found; }
  // The bytes to send; valid until the next call. `now_ns` is monotonic: the Date is brought up to it once a second.
  std::string_view get(Endpoint endpoint, const http::RequestHead& head, uint64_t now_ns) noexcept;

 private:
  struct Answer {
    std::string bytes;
    size_t head_bytes = 0;
    size_t date_at = 0;
  };
  void refresh(uint64_t second) noexcept;

  std::array<std::array<Answer, 3>, 4> answers_;  // by endpoint and persistence
  uint64_t second_ = 0;
};

}  // namespace ringmaster::replica
