// One socket of a worker: what is being received, what is being sent, and its ending. Client and upstream connections
// each embed one.
//
// Receiving. want() says how: `one` is a single receive into a provided buffer, the mode for a client's first head: if
// that request is also its last, nothing is left to be cancelled. `small` is a multishot receive into provided buffers,
// the mode for heads and small bodies (armed once, it serves request after request); `bulk` is one receive at a time
// into a large buffer, for bodies that have shown their size; `nothing` is back-pressure. Arrivals queue up here until
// their owner takes them. A multishot receive would read on for ever while nobody takes: with `queued_max` arrivals
// waiting, or two after a full buffer, it is cancelled, and armed again when the queue is empty. Where the provided
// group is exhausted at its bound, one bulk receive stands in.
//
// Sending. One send in flight. A send from a leased buffer holds the lease until the kernel is done with it. The kernel
// tells of a send only when all of it has gone, and to a slow reader half a megabyte takes its time: whether the peer
// takes anything at all is found out by probe_send(), which costs nothing until somebody grows impatient.
//
// Turns. The kernel copies within the call that begins an operation, and a send runs the receiver's TCP there too: the
// bulk receives and sends of sixteen bodies, begun together, keep everybody else waiting for milliseconds. So one that
// is bulk (a receive by Want::bulk, a send of more than bulk_from bytes) waits in StreamTools::turns until the worker's
// loop calls take_turn(): once for each loop, in the order of asking, behind all that is small. Until then it is no
// operation: nothing is in flight, and what ends the stream or changes the wish forgets it at once. A timer that was
// set with it runs on.
//
// Ending. terminate() shuts the socket down, which completes whatever is in flight; joined() is true once nothing is;
// only then may the owner close() and free itself.
#pragma once

#include <cstdint>
#include <span>

#include "base/intrusive_list.h"
#include "base/slab.h"
#include "proxy/meters.h"
#include "uring/buffer_pool.h"
#include "uring/ring.h"

namespace ringmaster::proxy {

// What an operation's user_data says: which operation, of which connection, in which of its lives.
enum class Verb : uint8_t {
  none,
  event,
  accept,
  client_receive,
  client_send,
  upstream_receive,
  upstream_send,
  upstream_connect
};

struct Token {
  Verb verb = Verb::none;
  uint32_t generation = 0;  // 24 bits
  uint32_t index = 0;

  uint64_t pack() const noexcept {
    return static_cast<uint64_t>(verb) << 56 | static_cast<uint64_t>(generation & 0xFFFFFF) << 32 | index;
  }
  static Token unpack(uint64_t user_data) noexcept {
    return {static_cast<Verb>(user_data >> 56), static_cast<uint32_t>(user_data >> 32) & 0xFFFFFF,
            static_cast<uint32_t>(user_data)};
  }
};

// Bytes that have arrived, in the buffer to which the kernel wrote them.
struct Piece {
  Piece(uint32_t index_, uint32_t, uring::Lease lease_, uint32_t size) noexcept
      : index(index_), lease(std::move(lease_)), begin(lease.space()), end(begin + size) {}

  uint32_t index;
  uring::Lease lease;
  char* begin;
  char* end;
  Piece* next = nullptr;

  uint32_t size() const noexcept { return static_cast<uint32_t>(end - begin); }
};
using PieceSlab = Slab<Piece, 256>;

class Stream;
struct TurnTag;

// What every stream of a worker works with.
struct StreamTools {
  uring::Ring& ring;
  uring::BufferPool& buffers;
  PieceSlab& pieces;
  WorkerMeters& meters;
  uint64_t grown_ns = 0;   // when the provided buffers last became more
  // A body with more bytes than these to come is worth a large buffer, a longer send waits for its turn.
  uint32_t bulk_from = 128 * 1024;
  List<Stream, TurnTag> turns;   // whose bulk operations wait, the one that waits longest first
};

enum class Want : uint8_t { nothing, one, small, bulk };
enum class Arrival : uint8_t { nothing, bytes, end, failed };
enum class Sent : uint8_t { all, some, failed };

class Stream : public Link<TurnTag> {
 public:
  Stream(StreamTools& tools, int socket, Token receive, Token send, uint16_t queued_max) noexcept
      : tools_(tools),
        receive_token_(receive.pack()),
        send_token_(send.pack()),
        socket_(socket),
        queued_max_(queued_max) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  int socket() const noexcept { return socket_; }

  // --- receiving
  // `expect_empty`: nothing has arrived yet, as far as one can tell.
  void want(Want want, bool expect_empty = false) noexcept;
  // Takes the completion in. bytes: front() has grown; end: the peer will send no more; failed: last_error() says why.
  Arrival on_receive(const uring::Completion& completion) noexcept;
  Piece* front() noexcept { return head_; }
  // Gives the first arrival's buffer back (its bytes have been used) and goes on receiving; or hands it over, and then,
  // where the buffer was full, waits to be told by want() how to receive what follows.
  void drop_front() noexcept;
  uring::Lease take_front() noexcept;
  // The front piece's lease is needed elsewhere, but its bytes from `rest` on are still to be read: they are moved to a
  // buffer of their own. false: no memory.
  bool split_front(char* rest, uring::Lease& lease) noexcept;
  void drop_all() noexcept;
  // Armed, or waiting for its turn to be.
  bool receiving() const noexcept { return receiving_ != Receiving::off; }
  bool ended() const noexcept { return ended_; }             // the peer has sent its end
  bool last_filled_buffer() const noexcept { return filled_; }  // the newest arrival filled its buffer: more is waiting

  // --- sending
  void send(std::span<const char> bytes) noexcept;  // the owner keeps the bytes alive until on_send
  void send(uring::Lease lease, std::span<const char> bytes) noexcept;    // bytes lie in the leased buffer
  // The last bytes that the peer is owed, to a peer that sends nothing more: nothing is received from here on, and the
  // socket is closed with them, without a further turn of the loop; in one segment, where no receive is armed. Not for
  // bytes whose end only the connection's tells: abort() comes too late for them.
  void send_last(uring::Lease lease, std::span<const char> bytes) noexcept;
  // some: the answer to probe_send(), and the rest is on its way.
  Sent on_send(const uring::Completion& completion) noexcept;
  // Asks how far the send has come since it was submitted, or since it was last asked: on_send() will say `some`, or
  // `failed` with ETIMEDOUT where not a byte has gone. One that waits for its turn cannot be asked yet. false: nothing
  // is being sent, or it is send_last()'s.
  bool probe_send() noexcept;
  bool sending() const noexcept { return sending_; }
  bool unsent() const noexcept { return unsent_ != nullptr; }  // and not even begun: it waits for its turn
  bool handed_over() const noexcept { return handed_over_; }  // at least a byte of the last send reached the kernel
  int last_error() const noexcept { return last_error_; }      // positive errno
  // The last failure was a shortage of ours, and says nothing about the peer.
  bool failed_by_us() const noexcept { return is_ours(last_error_); }
  static bool is_ours(int errno_value) noexcept;

  // --- turns
  // Begins the bulk operation that waits; of two the send, and the receive queues up again. For a stream that was taken
  // from the list.
  void take_turn() noexcept;

  // --- ending
  void terminate() noexcept;
  // As terminate(), where the peer is owed nothing and sends nothing any more: no need to shut the socket down first.
  void retire() noexcept;
  // As terminate(), but the peer sees a reset instead of an orderly end.
  void abort() noexcept;
  bool terminating() const noexcept { return terminating_; }
  bool joined() const noexcept { return receiving_ == Receiving::off && !sending_; }
  void finish_sending() noexcept { tools_.ring.shut_down(socket_, true); }
  bool closed() const noexcept { return socket_ < 0; }   // or about to be, by send_last()
  void close() noexcept;   // joined() only

 private:
  enum class Receiving : uint8_t { off, waiting, multishot, one, bulk };
  void arm() noexcept;
  void receive_into(uring::Lease lease) noexcept;
  void submit_send() noexcept;
  void wait_for_turn() noexcept;
  void forget_receive() noexcept;
  void forget_send() noexcept;
  void stop_multishot() noexcept;
  void stop_receiving() noexcept;
  void begin_ending() noexcept;
  bool find_buffers() noexcept;
  bool enqueue(uring::Lease lease, uint32_t size) noexcept;
  Arrival fail(int errno_value) noexcept;
  bool enough() const noexcept { return queued_ >= queued_max_ || (filled_ && queued_ >= 2); }

  StreamTools& tools_;
  const uint64_t receive_token_;
  const uint64_t send_token_;
  Piece* head_ = nullptr;
  Piece* tail_ = nullptr;
  uring::Lease bulk_;         // being filled by a bulk receive
  uring::Lease outgoing_;     // being sent
  const char* unsent_ = nullptr;   // send_size_ bytes that wait for their turn
  int socket_;
  int last_error_ = 0;
  uint32_t send_size_ = 0;
  const char* send_begin_ = nullptr;
  uint16_t queued_ = 0;
  const uint16_t queued_max_;
  Receiving receiving_ = Receiving::off;
  Want want_ = Want::nothing;
  bool stopping_ = false;     // a cancel is under way
  bool sending_ = false;
  bool probing_ = false;      // probe_send() has asked for the end of the send
  bool handed_over_ = false;
  bool ended_ = false;
  bool filled_ = false;
  bool expect_empty_ = false;
  bool receive_failed_ = false;
  bool terminating_ = false;
  bool aborting_ = false;
  bool last_ = false;         // send_last() was called
};

}  // namespace ringmaster::proxy
