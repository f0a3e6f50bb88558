// The floor: what no proxy of this design can beat. A relay that knows no HTTP, only bytes.
//
// One ring (SINGLE_ISSUER, DEFER_TASKRUN), one upstream connection for each client, multishot receive into provided
// buffers, one send for each arrival straight from the buffer it arrived in, one system call for a loop's worth of
// work. No parsing, no routing, no timers, no counters. A proxy's figure below this relay's is an error of measurement
// until shown otherwise; the distance to it is what the proxy's own work costs.
//
// Limits: a peer that stops reading stops everybody once it sits on all buffers. That is fair for a measuring
// stick whose peers always read, and for nothing else.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.h"
#include "base/fd.h"

namespace ringmaster::perf {

struct RelaySettings {
  SocketAddress listen;
  std::vector<SocketAddress> upstreams;  // clients take them in turn
  uint32_t buffer_bytes = 4096;          // small for heads; 64 KiB and more for bodies
  uint32_t buffers = 1024;               // a power of two, at most 32768
};

class Relay {
 public:
  explicit Relay(RelaySettings settings);  // throws StartError
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  SocketAddress address() const;
  // Never returns. The thread that made the relay only.
  [[noreturn]] void serve();

 private:
  enum class Kind : uint8_t { accept, connect, receive, send };
  // Bytes that wait to be sent on, or are being sent: a provided buffer, and how full it is.
  struct Piece {
    uint16_t buffer_id;
    uint32_t bytes;
  };
  // One socket of a pair, and what flows out of it.
  struct Side {
    Fd fd;
    std::vector<Piece> queue;   // towards this socket; queue[sent] is under way while is_sending
    uint32_t sent = 0;
    bool is_sending = false;
    bool is_receiving = false;
    bool is_starved = false;    // its receive ended because no buffer was free
    bool has_ended = false;     // nothing more comes from it
  };
  struct Pair {
    Side sides[2];              // the client's, the upstream's
    const SocketAddress* upstream = nullptr;
    bool is_connecting = false;
  };

  void set_up_buffers();
  io_uring_sqe* next_sqe() noexcept;
  void mark(io_uring_sqe* sqe, Kind kind, uint32_t pair_index, uint32_t side) noexcept;
  char* buffer(uint16_t buffer_id) noexcept;
  void give_back(uint16_t buffer_id) noexcept;

  void arm_accept() noexcept;
  void arm_receive(uint32_t pair_index, uint32_t side) noexcept;
  void on_accepted(int fd);
  void on_connected(uint32_t pair_index, int result) noexcept;
  void on_received(uint32_t pair_index, uint32_t side, const io_uring_cqe& cqe) noexcept;
  void on_sent(uint32_t pair_index, uint32_t side, int result) noexcept;
  void send_next(uint32_t pair_index, uint32_t side) noexcept;
  void pass_end(Pair& pair, uint32_t side) noexcept;
  void cut(Pair& pair) noexcept;
  void close_if_done(uint32_t pair_index) noexcept;
  void feed_starved() noexcept;

  const RelaySettings settings_;
  Fd listener_;
  io_uring ring_{};
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::vector<char> memory_;
  uint32_t given_back_ = 0;           // buffers added since the last io_uring_buf_ring_advance
  std::vector<std::unique_ptr<Pair>> pairs_;
  std::vector<uint32_t> free_pairs_;  // nothing in flight: may be used again
  std::vector<std::pair<uint32_t, uint32_t>> starved_;
  uint32_t next_upstream_ = 0;
};

}  // namespace ringmaster::perf
