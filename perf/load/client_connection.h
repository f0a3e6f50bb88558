// One connection of the load's client, and who tells it what to do next.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/fd.h"
#include "event_loop.h"
#include "failure.h"
#include "outgoing.h"
#include "wire.h"

namespace ringmaster::perf {

// What is asked, and what must come back.
struct Order {
  std::string head;             // with a place for the identity
  size_t id_offset = 0;
  uint64_t body_bytes = 0;      // of pattern()
  uint64_t answer_bytes = 0;
  bool any_answer = false;      // any length, identity and content will do
  uint32_t check_every = 16;
};

class ClientConnection;

// Told of everything that happens to a connection; may begin the next request from within, but not after failed().
class Drive {
 public:
  virtual ~Drive() = default;
  // The answer is complete and right. The connection is idle, or is_ending() where the other side will close it.
  virtual void answered(ClientConnection& connection, uint64_t now_ns, uint64_t due_ns) = 0;
  // The other side closed it while nothing was asked, or after an answer that said so.
  virtual void ended(ClientConnection& connection, bool announced) = 0;
  // The request failed; the connection is closed.
  virtual void failed(ClientConnection& connection, Failure failure, std::string_view detail) = 0;
};

class ClientConnection final : public EventLoop::Handler {
 public:
  ClientConnection(EventLoop& loop, const SocketAddress& target) : loop_(loop), target_(target) {}

  // Asks, connecting first where it is closed. Only while idle or closed. Drive and order must outlive the answer.
  void begin(Drive& drive, const Order& order, uint64_t id, uint64_t due_ns);
  // From now on an end is told to `drive`.
  void rest(Drive& drive) noexcept { drive_ = &drive; }
  void close() noexcept;

  bool is_closed() const noexcept { return state_ == State::closed; }
  bool is_idle() const noexcept { return state_ == State::idle; }
  bool is_ending() const noexcept { return state_ == State::ending; }
  uint64_t connects() const noexcept { return connects_; }
  uint64_t sent_ns() const noexcept { return sent_ns_; }  // when the last request was handed to the socket

  void on_event(uint32_t flags) override;

 private:
  enum class State : uint8_t { closed, connecting, asking, body, idle, ending };

  void connect();
  void finish_connect();
  void ask();
  void send_rest();
  void receive(bool to_the_end);
  void take(std::string_view bytes);
  void take_head(std::string_view text);
  void take_body(std::string_view bytes);
  void complete();
  void on_end(int error);
  void fail(Failure failure, std::string_view detail);

  EventLoop& loop_;
  const SocketAddress& target_;
  Fd fd_;
  State state_ = State::closed;
  bool check_ = false;
  bool keep_alive_ = true;
  Drive* drive_ = nullptr;
  const Order* order_ = nullptr;
  uint64_t id_ = 0;
  uint64_t due_ns_ = 0;
  uint64_t sent_ns_ = 0;
  uint64_t body_bytes_ = 0;
  uint64_t body_left_ = 0;
  uint64_t connects_ = 0;
  Outgoing outgoing_;
  std::string input_;  // a head that is not whole yet
};

}  // namespace ringmaster::perf
