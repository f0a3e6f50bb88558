// The one door between a thread and the kernel: operations go in, completions come out.
//
// Ring is an interface with two implementations: KernelRing (kernel_ring.h) is io_uring; the tests' FakeRing is a
// seeded network in memory that shortens, delays, reorders and fails. Whatever uses a Ring uses nothing else of the
// kernel for its sockets, so that both can drive it.
//
// Rules that every caller keeps (they are what keeps completions from touching freed memory):
//   - Each operation ends in exactly one final completion: more == false. Until then what it was given (buffers,
//     addresses) belongs to the kernel.
//   - user_data names the operation and is handed back untouched; it must be unique among the operations in flight
//     that might be cancelled. 0 is reserved for operations whose completion nobody wants.
//   - One send in flight on a socket at a time: two would interleave their bytes. One receive likewise.
//   - To end a socket: shut_down(), wait for the final completion of all its operations, then close().
//   - A Ring belongs to the thread that made it. No call allocates, but for growth inside the kernel.
//
// Operations are queued and reach the kernel together, in wait(): one system call for a loop's worth of work,
// two where a with_end is among them.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/error.h"

namespace ringmaster::uring {

// What the kernel says of an operation.
struct Completion {
  static constexpr uint16_t no_buffer = 0xFFFF;

  uint64_t user_data = 0;
  int32_t result = 0;               // as the system call: a count, a descriptor, or a negative errno
  uint16_t buffer_id = no_buffer;   // receive_multishot, _one: the buffer that holds the bytes, ours until given back
  bool more = false;                // the operation goes on: further completions follow
};

enum class SendMode : uint8_t {
  now,         // leaves at once
  more_comes,  // MSG_MORE: the next send follows at once and may share the segment
  then_close,  // leaves at once, and the socket is closed behind it; see send()
  with_end,    // the same, but the end of the stream shares the last bytes' segment
};

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  virtual ~Ring() = default;

  // --- operations -------------------------------------------------------------------------------------------------
  // Every accepted connection is a completion with a descriptor (close-on-exec). A late one, after a cancel, still
  // yields a descriptor: close it. Ends by itself on error (EMFILE, ENFILE, ENOMEM): arm it again later; and it may
  // end together with a last descriptor (more == false): arm it again at once.
  virtual void accept_multishot(int listener, uint64_t user_data) = 0;
  // `address` must stay valid until the completion. result 0: connected.
  virtual void connect(int socket, const SocketAddress& address, uint64_t user_data) = 0;
  // Every arrival is a completion with a buffer of the provided group, until error, cancel, or end (result 0, no
  // buffer); it may also end with a last arrival (more == false): arm it again. -ENOBUFS: the group was empty; the
  // operation has ended. `expect_empty`: nothing is there yet, do not try before the socket polls readable (saves a
  // failed attempt, and is the only safe way to arm on an empty group).
  virtual void receive_multishot(int socket, bool expect_empty, uint64_t user_data) = 0;
  // One such completion, and the operation is over: nothing needs to be cancelled before the socket is closed.
  virtual void receive_one(int socket, bool expect_empty, uint64_t user_data) = 0;
  // One arrival into `bytes`; 0 at the end of the stream.
  virtual void receive(int socket, std::span<char> bytes, bool expect_empty, uint64_t user_data) = 0;
  // All of `bytes`, or an error: completes once. A count below bytes.size() means that the socket was shut down or
  // reset on the way.
  // then_close, with_end: the call takes the descriptor; it must never be named again, whatever becomes of the send.
  // The socket is closed when the send has ended, and lives no longer than what is in flight on it: then_close, but a
  // receive for which a cancel was asked before, and nothing else; with_end, nothing at all, or the bytes would wait
  // for it too. Because nobody may be reading on it, with_end throws away what has arrived and was not read: it would
  // turn the end into a reset.
  virtual void send(int socket, std::span<const char> bytes, SendMode mode, uint64_t user_data) = 0;
  // Asks for the operation named `target` to end; it then completes with -ECANCELED unless something else came
  // first (a send that is partly done completes with its count). The request itself completes unseen.
  virtual void cancel(uint64_t target) = 0;
  // A completion whenever the descriptor is readable (edge; eventfd, signalfd, pidfd), until cancelled.
  virtual void poll_multishot(int descriptor, uint64_t user_data) = 0;
  // Closes without waiting. Nothing may be in flight on it.
  virtual void close(int descriptor) = 0;

  // --- immediate, and rare: set-up and endings of connections --------------------------------------------------------
  // A non-blocking, close-on-exec stream socket with TCP_NODELAY (where it is TCP).
  virtual Result<int> open_stream_socket(int family) = 0;
  // Both directions, or only ours (the peer reads an orderly end). Completes what is in flight in that direction: a
  // receive with what had arrived and then 0, a send with the count that was sent, or -EPIPE, a connect with an error.
  // On a socket whose connect is only queued it does nothing, and the connect goes on: cancel() that one.
  virtual void shut_down(int socket, bool only_sending) = 0;
  // Makes close() send a reset instead of an orderly end, so that the peer cannot take a cut answer for a whole one.
  virtual void reset_on_close(int socket) = 0;
  virtual SocketAddress peer_of(int socket) = 0;
  // The end of listening, call by call: whoever is connected and not yet accepted (a descriptor as from
  // accept_multishot); where nobody is, -1, and the listener is closed. Nothing may be in flight on it. A close alone
  // would reset those who wait.
  virtual int accept_or_close(int listener) = 0;

  // --- provided buffers ----------------------------------------------------------------------------------------------
  // One group for each ring; BufferPool is the only caller. `entries`: a power of two, at most 32768.
  virtual void set_up_buffers(uint16_t entries) = 0;
  virtual void provide_buffer(uint16_t buffer_id, std::span<char> bytes) = 0;

  // --- the loop --------------------------------------------------------------------------------------------------
  // Submits what is queued, waits until something completes or until `deadline_ns` (monotonic; 0: do not wait,
  // UINT64_MAX: for ever), and returns the completions, at most 256, in the order in which the kernel gave them. The
  // span is valid until the next call. Spurious returns with an empty span are allowed.
  virtual std::span<const Completion> wait(uint64_t deadline_ns) = 0;
  // Monotonic time as of the last return of wait(), nanoseconds: one clock reading for each loop.
  virtual uint64_t now_ns() const noexcept = 0;

  struct Counters {
    uint64_t submissions = 0;      // io_uring_enter calls
    uint64_t operations = 0;       // SQEs
    uint64_t completions = 0;      // CQEs
    uint64_t cq_overflows = 0;     // times that the kernel had to put completions aside
  };
  virtual Counters counters() const noexcept = 0;
};

}  // namespace ringmaster::uring
