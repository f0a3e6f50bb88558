// A client's connection: reads heads, one request at a time, and lets an exchange serve each.
//
//   reading      nothing, or part of a head, has come; the next whole head begins an exchange
//   exchanging   requests that are already here wait in the stream; answers go out in order because only one is made
//   lingering    the last answer has been sent and its end said; what still comes is thrown away for a while, so that
//                the answer is not lost to a reset (RFC 9112 section 9.6)
//   ending       terminated; freed when nothing is in flight and no exchange is left
//
// An idle connection holds no buffer: some 300 bytes in all.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/intrusive_list.h"
#include "http/head.h"
#include "proxy/head_assembly.h"
#include "proxy/parts.h"
#include "proxy/stream.h"

namespace ringmaster::proxy {

class Connection : public Link<IdleTag> {
 public:
  Connection(uint32_t index, uint32_t generation, Parts& parts, int socket) noexcept;
  ~Connection();

  void start() noexcept;

  // --- completions, and the wheel
  void on_receive(const uring::Completion& completion) noexcept;
  void on_send(const uring::Completion& completion) noexcept;
  void on_timer() noexcept;

  // --- the exchange calls
  Stream& stream() noexcept { return stream_; }
  std::string_view client_ip() noexcept;
  bool trusted() noexcept;              // a listed proxy: its forwarding fields are believed
  void expect_within(uint64_t timeout_ns) noexcept;
  // What follows an answer. close: the client has said that it sends no more, and all that it sent was read.
  enum class After : uint8_t { request, close, linger };
  void exchange_finished(After after) noexcept;       // frees the exchange
  void exchange_left() noexcept;                      // frees the exchange; the connection is ending

  // --- the worker calls
  void terminate() noexcept;
  void begin_drain() noexcept;
  void cut() noexcept;                  // ends now, whatever is under way
  bool idle() const noexcept { return state_ == State::reading && !assembly_; }

 private:
  enum class State : uint8_t { reading, exchanging, lingering, ending };
  void read_request() noexcept;
  // refused: `cause` says why.
  http::HeadStatus parse_head(http::HeadParser& parser, http::RequestHead& head, http::Cause& cause) noexcept;
  void wait_for_request() noexcept;
  void refuse(http::Cause cause) noexcept;
  Exchange* make_exchange() noexcept;   // nullptr: there is no memory for it, and the connection is ending
  void free_exchange() noexcept;
  void linger() noexcept;
  void close() noexcept;
  void look_up_peer() noexcept;
  void close_if_joined() noexcept;

  static constexpr uint64_t linger_ns = 2'000'000'000;
  static constexpr uint32_t linger_bytes_max = 256 * 1024;
  static constexpr uint64_t drain_idle_ns = 1'000'000'000;

  Parts& parts_;
  Stream stream_;
  OwnedTimer timer_;
  Exchange* exchange_ = nullptr;
  std::unique_ptr<HeadAssembly> assembly_;
  const uint32_t index_;
  uint32_t lingered_bytes_ = 0;
  State state_ = State::reading;
  bool served_ = false;                 // an answer has been given on it
  bool reading_on_ = false;             // read_request() is on the stack
  uint8_t ip_size_ = 0xFF;              // 0xFF: not looked up yet
  bool trusted_ = false;
  std::array<char, SocketAddress::ip_bytes_max> ip_;
};

}  // namespace ringmaster::proxy
