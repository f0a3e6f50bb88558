// A Ring without a kernel: a network in memory, a clock of its own, and a seed that decides everything.
//
// What runs on a Ring runs on this one unchanged. The tests hold the other ends: FakePeers, which they connect to a
// listener (clients) or which appear where the code under test connects to (servers). Nothing happens but in wait():
// time stands still while handlers run, and jumps to the next event or to the deadline when nothing can complete, so
// that a test of a 60 s timeout takes microseconds.
//
// It is unkind within the rules of io_uring, by script or by seed (FaultRates): arrivals are split, sends stall on
// bounded socket buffers, completions of different operations overtake each other (never those of one direction of
// one socket), cancels come late, provided buffers run out, peers refuse, reset and vanish.
//
// It checks the rules of ring.h while it serves, and ends the program with the rule and the seed where one is broken:
// an operation on a closed descriptor, a second send or receive in flight, a close with something in flight, two
// operations in flight under the user_data that is cancelled, bytes of a send changed on the way, a provided buffer
// given twice or written after it was given (with the address sanitizer: or read; such memory must be heap memory).
//
// Descriptors of the kernel (an eventfd, say) may be polled and closed through it; they alone depend on real time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "uring/ring.h"

namespace ringmaster::fake {

using uring::Completion;
using uring::Ring;
using uring::SendMode;

// How often, in thousandths, at each occasion.
struct FaultRates {
  uint32_t split = 0;           // an arrival comes in pieces, a receive is short
  uint32_t delay = 0;           // a completion is seen late (up to 2 ms), so that others overtake it
  uint32_t late_cancel = 0;     // a cancel takes effect up to 1 ms after it was submitted
  uint32_t no_buffers = 0;      // receive_multishot ends with -ENOBUFS although the group has buffers
  uint32_t multishot_ends = 0;  // a completion of a multishot operation is its last, as after an overflow
  uint32_t slow_send = 0;       // a send moves only a part at a time
  uint32_t accept_fails = 0;    // accept_multishot ends with -EMFILE; the connection waits for the next
  uint32_t refused = 0;         // a connect is refused
  uint32_t timed_out = 0;       // a connect ends with -ETIMEDOUT after a minute
  uint32_t reset = 0;           // instead of arriving, bytes turn into a reset
  uint32_t fails = 0;           // a connect, receive or send ends with -ENOMEM, -ENOBUFS or -ECANCELED and did nothing
  uint32_t open_fails = 0;      // open_stream_socket: EMFILE or ENOBUFS

  // What a correct program hides from its users altogether.
  static FaultRates harmless();
  // Those, and failures that it can only handle decently.
  static FaultRates hostile();
  // The harmless ones, and what comes of a machine at its end.
  static FaultRates exhausted();
};

class FakeRing;

// The test's end of one connection. Owned by the ring, valid as long as it.
class FakePeer {
 public:
  // Bytes for the program, in order, without bound: what its receive buffer does not take yet is unsent().
  void write(std::string_view bytes);
  size_t unsent() const noexcept { return outgoing_.size(); }
  void end();    // an orderly end after what was written; goes on reading
  void close();  // the same, and whatever still comes is answered by a reset; at once a reset where bytes lie unread
  void reset();  // at once; what was not taken yet is lost

  const std::string& received() const noexcept { return received_; }
  std::string take() { return std::exchange(received_, {}); }
  // A peer reads what comes, by itself, until it is told not to: then the program's sends soon block.
  void pause_reading() { reading_ = false; }
  void resume_reading();
  bool ended() const noexcept { return ended_; }          // the program has ended its direction; all of it was read
  bool was_reset() const noexcept { return was_reset_; }
  bool accepted() const noexcept { return socket_ != -1; } // the program has, or had, a descriptor for it
  // Sends that reached it; those with SendMode::more_comes count together with the one that follows.
  uint32_t segments() const noexcept { return segments_; }

  // Called in wait(), whenever bytes, the end or a reset have come.
  void on_receive(std::function<void(FakePeer&)> handler) { on_receive_ = std::move(handler); }

 private:
  friend class FakeRing;
  explicit FakePeer(FakeRing& ring) : ring_(ring) {}

  FakeRing& ring_;
  int socket_ = -1;             // the program's descriptor, -1 before it is accepted
  bool linked_ = false;         // that descriptor is still open
  SocketAddress address_;
  std::string outgoing_;        // written, not yet in the program's receive buffer
  bool arrival_due_ = false;
  bool end_written_ = false;
  bool closed_ = false;
  bool resetting_ = false;      // by the test
  std::string inbox_;           // in the socket buffer, not read by the peer
  bool end_in_inbox_ = false;
  bool reading_ = true;
  std::string received_;
  bool ended_ = false;
  bool was_reset_ = false;
  uint32_t segments_ = 0;
  std::function<void(FakePeer&)> on_receive_;
};

class FakeRing final : public Ring {
 public:
  explicit FakeRing(uint64_t seed, FaultRates rates = {});
  ~FakeRing() override;

  // --- the test's side: the network -----------------------------------------------------------------------------
  // A listening descriptor to hand to the program; it closes it.
  int listen();
  // A client connects, after a moment; its bytes may be written at once.
  FakePeer& connect_client(int listener, SocketAddress from = SocketAddress::loopback(40'000));
  // What a connect to `address` finds. Where nothing was said it is refused.
  void serve(const SocketAddress& address, std::function<void(FakePeer&)> on_connect);
  void refuse(const SocketAddress& address);
  void never_answer(const SocketAddress& address);
  void time_out(const SocketAddress& address);  // -ETIMEDOUT after a minute

  // --- the test's side: faults by script -------------------------------------------------------------------------
  void fail_next_open(int errno_value) { next_open_error_ = errno_value; }
  void fail_next_accept(int errno_value) { next_accept_error_ = errno_value; }
  void fail_next_receive_multishot_without_buffers() { next_receive_without_buffers_ = true; }
  void delay_next_cancel(uint64_t delay_ns) { next_cancel_delay_ns_ = delay_ns; }
  void set_faults(const FaultRates& rates) { rates_ = rates; }
  // What a socket's buffer holds in each direction. 64 KiB unless told.
  void set_socket_buffer(size_t bytes) { socket_buffer_bytes_ = bytes; }

  // --- the test's side: time and accounts ------------------------------------------------------------------------
  void after(uint64_t delay_ns, std::function<void()> action);  // within wait()
  bool idle() const noexcept { return events_.empty() && queued_.empty(); }
  uint32_t in_flight() const noexcept;         // operations whose final completion wait() has not returned
  uint32_t open_descriptors() const noexcept;  // of this ring's own, that were not closed
  size_t provided_buffers() const noexcept { return group_.size(); }
  std::string replay() const;                  // "RINGMASTER_FAKE_SEED=7"

  // --- Ring --------------------------------------------------------------------------------------------------------
  void accept_multishot(int listener, uint64_t user_data) override;
  void connect(int socket, const SocketAddress& address, uint64_t user_data) override;
  void receive_multishot(int socket, bool expect_empty, uint64_t user_data) override;
  void receive_one(int socket, bool expect_empty, uint64_t user_data) override;
  void receive(int socket, std::span<char> bytes, bool expect_empty, uint64_t user_data) override;
  void send(int socket, std::span<const char> bytes, SendMode mode, uint64_t user_data) override;
  void cancel(uint64_t target) override;
  void poll_multishot(int descriptor, uint64_t user_data) override;
  void close(int descriptor) override;
  Result<int> open_stream_socket(int family) override;
  void shut_down(int socket, bool only_sending) override;
  void reset_on_close(int socket) override;
  int accept_or_close(int listener) override;
  SocketAddress peer_of(int socket) override;
  void set_up_buffers(uint16_t entries) override;
  void provide_buffer(uint16_t buffer_id, std::span<char> bytes) override;
  std::span<const Completion> wait(uint64_t deadline_ns) override;
  uint64_t now_ns() const noexcept override { return now_ns_; }
  Counters counters() const noexcept override { return counters_; }

 private:
  friend class FakePeer;

  enum class Kind : uint8_t { accept, connect, receive_multishot, receive_one, receive, send, poll };
  struct Operation {
    uint64_t number;                     // in the order of the calls
    Kind kind;
    int descriptor;
    uint64_t user_data;
    std::span<char> target;              // receive
    std::span<const char> source;        // send
    std::string source_then;             // what it held when it was given
    size_t sent = 0;
    SendMode mode = SendMode::now;
    bool expect_empty = false;
    const SocketAddress* address = nullptr;
    SocketAddress address_then;
    bool submitted = false;
    bool cancel_asked = false;
    bool over = false;                   // the final completion is posted
  };
  using OperationPointer = std::shared_ptr<Operation>;

  enum class State : uint8_t { listening, fresh, connecting, connected, failed };
  struct Socket {
    State state = State::fresh;
    bool closing = false;                // by close() or a send: the program must not name it any more
    FakePeer* peer = nullptr;
    SocketAddress peer_address;
    std::deque<FakePeer*> backlog;       // listening
    std::string inbound;                 // the receive buffer
    bool in_ended = false;
    bool reset = false;                  // by the peer, not yet told
    bool broken = false;                 // was reset, for sends
    bool read_shut = false;
    bool write_shut = false;
    bool reset_on_close = false;
    OperationPointer reading;            // receive, receive_multishot, accept
    OperationPointer writing;            // send, connect
    uint64_t read_order_ns = 0;          // when the last completion of this direction is seen
    uint64_t write_order_ns = 0;
    uint32_t undelivered = 0;
  };
  enum class Answer : uint8_t { serves, refuses, silent, times_out };
  struct Server {
    Answer answer = Answer::refuses;
    std::function<void(FakePeer&)> on_connect;
  };
  struct Provided {
    uint16_t id;
    std::span<char> bytes;
  };

  [[noreturn]] void broken_rule(const std::string& rule) const;
  uint64_t random(uint64_t below);       // 0 … below - 1
  bool chance(uint32_t thousandths);
  void schedule(uint64_t delay_ns, std::function<void()> action);
  Socket& open_socket(int descriptor, const char* doing);
  Socket* find(int descriptor);
  int new_descriptor();

  OperationPointer begin(Kind kind, int descriptor, uint64_t user_data, const char* doing);
  void receive_in_group(Kind kind, int socket, bool expect_empty, uint64_t user_data);
  void submit(std::function<void()> action);
  bool fails(const OperationPointer& operation);
  void complete(Socket* socket, OperationPointer operation, int32_t result, bool more,
                uint16_t buffer_id = Completion::no_buffer);
  void take_effect(const OperationPointer& target);  // of a cancel
  void deliver(const OperationPointer& operation, const Completion& completion);
  bool run_events(uint64_t until_ns);
  void poll_descriptors(int timeout_ms);

  FakePeer& new_peer(const SocketAddress& address);
  void link(FakePeer& peer, int descriptor);
  void try_accept(int listener);
  int accept_first(Socket& listener);
  void start_connect(const OperationPointer& operation);
  void finish_connect(const OperationPointer& operation, const SocketAddress& address, Answer answer);
  void try_receive(int descriptor);
  bool receive_into_group(Socket& socket, const OperationPointer& operation);
  void try_send(int descriptor);
  void expect_arrival(FakePeer& peer);
  void arrive(FakePeer& peer);
  void deliver_to(FakePeer& peer);
  void break_connection(FakePeer& peer, bool tell_program, bool tell_peer);
  void break_later(FakePeer& peer, bool tell_program, bool tell_peer);
  void finish_close(int descriptor);
  void detach(int descriptor);
  void close_if_over(int descriptor);

  const uint64_t seed_;
  uint64_t random_state_;
  FaultRates rates_;
  size_t socket_buffer_bytes_ = 64 * 1024;
  int next_open_error_ = 0;
  int next_accept_error_ = 0;
  bool next_receive_without_buffers_ = false;
  uint64_t next_cancel_delay_ns_ = 0;

  uint64_t now_ns_ = 1'000'000'000;
  uint64_t next_sequence_ = 0;
  uint64_t next_operation_ = 0;
  uint32_t stuck_waits_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, std::function<void()>> events_;  // by time, then by order of scheduling
  std::vector<std::function<void()>> queued_;                              // operations until the next wait()
  std::vector<Completion> ready_;
  std::vector<Completion> returned_;

  std::map<int, Socket> sockets_;
  std::set<int> free_descriptors_;       // the lowest is used again first, as the kernel does
  int next_descriptor_;
  int next_detached_ = -2;               // the names of sockets without a descriptor, which live until their sends end
  std::map<uint64_t, OperationPointer> operations_;  // by number; final completion not delivered
  std::vector<std::unique_ptr<FakePeer>> peers_;
  std::map<std::string, Server> servers_;
  uint32_t group_entries_ = 0;
  std::deque<Provided> group_;
  std::set<uint16_t> group_ids_;
  Counters counters_;
};

// The seeds that a test should run: 1 … count, or the one that RINGMASTER_FAKE_SEED names.
std::vector<uint64_t> seeds(uint64_t count);

}  // namespace ringmaster::fake
