#include "uring/kernel_ring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/fd.h"
#include "uring/refusal.h"

namespace ringmaster::uring {

namespace {

constexpr uint32_t reap_max = 256;  // bounds the time between two submissions, and so the wait of what is queued
constexpr int buffer_group = 0;
constexpr uint64_t unseen = 0;      // user_data of operations whose completion nobody wants

class KernelRing final : public Ring {
 public:
  explicit KernelRing(const RingSettings& settings);
  ~KernelRing() override;

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
  SocketAddress peer_of(int socket) override;
  int accept_or_close(int listener) override;

  void set_up_buffers(uint16_t entries) override;
  void provide_buffer(uint16_t buffer_id, std::span<char> bytes) override;

  std::span<const Completion> wait(uint64_t deadline_ns) override;
  uint64_t now_ns() const noexcept override { return now_ns_; }
  Counters counters() const noexcept override { return counters_; }

 private:
  io_uring_sqe* next_entry();
  io_uring_sqe* receive_into_group(int socket, bool expect_empty, uint64_t user_data);
  void discard_received(int socket);
  void submit_early();
  int enter(uint64_t deadline_ns);
  std::span<const Completion> reap();
  bool can_limit_multishot();
  void count_overflow();

  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  uint32_t buffer_entries_ = 0;
  uint32_t multishot_limit_ = 0;  // bytes after which a multishot receive ends; 0: the kernel has no such limit
  bool limits_multishot_ = false;
  uint64_t in_flight_ = 0;  // queued or with the kernel, final completion not reaped
  uint64_t now_ns_ = monotonic_ns();
  bool overflowed_ = false;
  bool held_back_ = false;  // with_end is queued
  Counters counters_;
  std::array<Completion, reap_max> completions_;
};

KernelRing::KernelRing(const RingSettings& settings) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = settings.completion_entries;
  const int result = io_uring_queue_init_params(settings.submission_entries, &ring_, &params);
  if (result < 0) throw explain_refusal(-result);
  // Saves a look-up of the descriptor in each enter. It cannot fail for lack of rights; where it fails all the same,
  // the ring works with its ordinary descriptor.
  io_uring_register_ring_fd(&ring_);
#if !IO_URING_CHECK_VERSION(2, 10)
  // An idle worker is not waiting for a disk: keeps it out of the machine's iowait (Linux 6.15, liburing 2.10).
  io_uring_set_iowait(&ring_, false);
#endif
  // A child of fork (the process runtime starts replicas) must not share the queues.
  io_uring_ring_dontfork(&ring_);
}

// The kernel tears a closed ring down behind our back, and until it has, whatever is in flight may still write into
// its buffers. So everything is asked to end and its completions are awaited before this returns: the owner may then
// free buffers and addresses. What cannot end within the bound is not ours to wait for.
KernelRing::~KernelRing() {
  constexpr uint64_t patience_ns = 1'000'000'000;
  if (in_flight_ > 0) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(entry, unseen);
    const uint64_t give_up_ns = monotonic_ns() + patience_ns;
    while (in_flight_ > 0 && monotonic_ns() < give_up_ns) wait(give_up_ns);
  }
  if (buffers_) io_uring_free_buf_ring(&ring_, buffers_, buffer_entries_, buffer_group);
  io_uring_queue_exit(&ring_);
}

// --- operations -----------------------------------------------------------------------------------------------------

io_uring_sqe* KernelRing::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (!entry) {
    submit_early();
    entry = io_uring_get_sqe(&ring_);
    ensure(entry);
  }
  ++in_flight_;
  ++counters_.operations;
  return entry;
}

// Makes room in a full queue. The kernel takes all of it, but where it has no memory for one more request (EAGAIN):
// nothing that we hold can help it then, and an operation cannot be dropped, so this thread waits as it would in any
// other call of the kernel.
void KernelRing::submit_early() {
  for (;;) {
    const int result = io_uring_submit(&ring_);
    ++counters_.submissions;
    count_overflow();
    if (result > 0) return;
    ensure(result == 0 || result == -EAGAIN || result == -EINTR || result == -EBUSY);
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

void KernelRing::accept_multishot(int listener, uint64_t user_data) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(entry, user_data);
}

void KernelRing::connect(int socket, const SocketAddress& address, uint64_t user_data) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_connect(entry, socket, address.data(), address.length());
  io_uring_sqe_set_data64(entry, user_data);
}

io_uring_sqe* KernelRing::receive_into_group(int socket, bool expect_empty, uint64_t user_data) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_recv(entry, socket, nullptr, 0, 0);
  io_uring_sqe_set_flags(entry, IOSQE_BUFFER_SELECT);
  entry->buf_group = buffer_group;
  if (expect_empty) entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data64(entry, user_data);
  return entry;
}

void KernelRing::receive_multishot(int socket, bool expect_empty, uint64_t user_data) {
  io_uring_sqe* entry = receive_into_group(socket, expect_empty, user_data);
  entry->ioprio |= IORING_RECV_MULTISHOT;
  entry->optlen = multishot_limit_;
}

void KernelRing::receive_one(int socket, bool expect_empty, uint64_t user_data) {
  receive_into_group(socket, expect_empty, user_data);
}

// Linux 6.17 can end a multishot receive after so many bytes in all; before, one pass reads 32 buffers at a time of a
// sender that has much to say, whatever its receiver can use. Older kernels refuse the field, which is what is tried.
bool KernelRing::can_limit_multishot() {
  constexpr uint64_t mark = ~uint64_t{0};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  Fd ours(ends[0]), theirs(ends[1]);
  multishot_limit_ = 1;
  receive_multishot(ours.get(), true, mark);
  multishot_limit_ = 0;
  theirs.reset();  // its end completes what was accepted
  for (;;) {
    for (const Completion& completion : wait(UINT64_MAX)) {
      if (completion.user_data == mark) return completion.result != -EINVAL;
    }
  }
}

void KernelRing::receive(int socket, std::span<char> bytes, bool expect_empty, uint64_t user_data) {
  ensure(!bytes.empty() && bytes.size() <= INT32_MAX);
  io_uring_sqe* entry = next_entry();
  io_uring_prep_recv(entry, socket, bytes.data(), bytes.size(), 0);
  if (expect_empty) entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data64(entry, user_data);
}

// The close is not linked to the send, and so does not wait for a turn of the kernel's work list: entries are begun in
// their order, most sends end where they begin, and one that does not keeps its file until it does. MSG_MORE holds the
// last segment until then; see enter().
void KernelRing::send(int socket, std::span<const char> bytes, SendMode mode, uint64_t user_data) {
  ensure(!bytes.empty() && bytes.size() <= INT32_MAX);
  const bool with_end = mode == SendMode::with_end;
  if (with_end) {
    held_back_ = true;
    discard_received(socket);
  }
  io_uring_sqe* entry = next_entry();
  // MSG_WAITALL: the kernel goes on by itself after a short send, so that there is one completion for all of it.
  const int flags = MSG_NOSIGNAL | MSG_WAITALL | (with_end || mode == SendMode::more_comes ? MSG_MORE : 0);
  io_uring_prep_send(entry, socket, bytes.data(), bytes.size(), flags);
  io_uring_sqe_set_data64(entry, user_data);
  if (with_end || mode == SendMode::then_close) close(socket);
}

// MSG_TRUNC: TCP drops what lies in the receive buffer without a copy (man 7 tcp). Hardly ever there is anything, and
// this ends with EAGAIN at once.
void KernelRing::discard_received(int socket) {
  constexpr size_t everything = 1 << 30;
  io_uring_sqe* entry = next_entry();
  io_uring_prep_recv(entry, socket, nullptr, everything, MSG_DONTWAIT | MSG_TRUNC);
  io_uring_sqe_set_data64(entry, unseen);
}

// By user_data, not by descriptor: the latter was seen to miss a blocked send.
void KernelRing::cancel(uint64_t target) {
  ensure(target != unseen);
  io_uring_sqe* entry = next_entry();
  io_uring_prep_cancel64(entry, target, 0);
  io_uring_sqe_set_data64(entry, unseen);
}

void KernelRing::poll_multishot(int descriptor, uint64_t user_data) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_poll_multishot(entry, descriptor, POLLIN);
  io_uring_sqe_set_data64(entry, user_data);
}

void KernelRing::close(int descriptor) {
  io_uring_sqe* entry = next_entry();
  io_uring_prep_close(entry, descriptor);
  io_uring_sqe_set_data64(entry, unseen);
}

// --- immediate ------------------------------------------------------------------------------------------------------

Result<int> KernelRing::open_stream_socket(int family) {
  Fd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return std::unexpected(Error::from_errno(errno, "socket"));
  if (family == AF_INET || family == AF_INET6) {
    const int on = 1;
    if (setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
      return std::unexpected(Error::from_errno(errno, "setsockopt TCP_NODELAY"));
    }
  }
  return socket.release();
}

// shutdown(2) and not IORING_OP_SHUTDOWN, which always runs on a thread of the kernel's pool. An error can only mean
// that the peer was first (ENOTCONN): what is in flight has completed or is about to.
void KernelRing::shut_down(int socket, bool only_sending) {
  ::shutdown(socket, only_sending ? SHUT_WR : SHUT_RDWR);
}

void KernelRing::reset_on_close(int socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

SocketAddress KernelRing::peer_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getpeername(socket, address, &length) != 0) return {};
  return SocketAddress(address, length);
}

int KernelRing::accept_or_close(int listener) {
  fcntl(listener, F_SETFL, O_NONBLOCK);
  const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) ::close(listener);
  return socket;
}

// --- provided buffers -----------------------------------------------------------------------------------------------

void KernelRing::set_up_buffers(uint16_t entries) {
  ensure(!buffers_ && entries > 0 && (entries & (entries - 1)) == 0);
  int result = 0;
  buffers_ = io_uring_setup_buf_ring(&ring_, entries, buffer_group, 0, &result);
  if (!buffers_) throw explain_refusal(-result);
  buffer_entries_ = entries;
  limits_multishot_ = can_limit_multishot();
}

void KernelRing::provide_buffer(uint16_t buffer_id, std::span<char> bytes) {
  if (limits_multishot_) multishot_limit_ = static_cast<uint32_t>(bytes.size());
  const int mask = io_uring_buf_ring_mask(buffer_entries_);
  io_uring_buf_ring_add(buffers_, bytes.data(), static_cast<uint32_t>(bytes.size()), buffer_id, mask, 0);
  io_uring_buf_ring_advance(buffers_, 1);
}

// --- the loop -------------------------------------------------------------------------------------------------------

std::span<const Completion> KernelRing::wait(uint64_t deadline_ns) {
  const int result = enter(deadline_ns);
  ++counters_.submissions;
  count_overflow();
  switch (result) {
    case -EINTR:   // a signal: the caller looks around and comes again
    case -ETIME:   // the deadline
    case -ENOMEM:
    case -EAGAIN:  // no completion yet, or no memory for what is queued: it stays queued
    case -EBUSY:   // completions wait behind a full queue: reaping makes room
      break;
    default:
      // What is left says that another thread uses this ring (EEXIST), that it is not one (EBADF), or that a
      // completion was lost (EBADR): then nobody knows any more what the kernel may still write into.
      ensure(result >= 0);
  }
  const std::span<const Completion> reaped = reap();
  now_ns_ = monotonic_ns();
  return reaped;
}

// One system call, at least: with DEFER_TASKRUN the kernel finishes operations only while this thread is inside, so
// that peeking at the queue alone would starve everything that is not there already.
//
// Twice where with_end is queued: the kernel ends a closed socket on its way out of a call, and would first do all the
// work that is there, while the last bytes wait. 64 clients with a connection per request take 3 % less CPU so.
int KernelRing::enter(uint64_t deadline_ns) {
  if (held_back_) {
    held_back_ = false;
    io_uring_submit(&ring_);  // an error comes again from the second call
    ++counters_.submissions;
  }
  if (deadline_ns == 0 || io_uring_cq_ready(&ring_) > 0) return io_uring_submit_and_get_events(&ring_);
  io_uring_cqe* first = nullptr;
  if (deadline_ns == UINT64_MAX) return io_uring_submit_and_wait_timeout(&ring_, &first, 1, nullptr, nullptr);
  const uint64_t now = monotonic_ns();
  if (deadline_ns <= now) return io_uring_submit_and_get_events(&ring_);
  const uint64_t left_ns = deadline_ns - now;
  __kernel_timespec timeout{.tv_sec = static_cast<int64_t>(left_ns / 1'000'000'000),
                            .tv_nsec = static_cast<long long>(left_ns % 1'000'000'000)};
  return io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
}

std::span<const Completion> KernelRing::reap() {
  uint32_t kept = 0;
  uint32_t taken = 0;
  uint32_t head = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(&ring_, head, entry) {
    if (taken == reap_max) break;
    ++taken;
    const bool more = (entry->flags & IORING_CQE_F_MORE) != 0;
    if (!more) --in_flight_;
    if (entry->user_data == unseen) continue;
    Completion& completion = completions_[kept++];
    completion.user_data = entry->user_data;
    completion.result = entry->res;
    completion.more = more;
    completion.buffer_id = (entry->flags & IORING_CQE_F_BUFFER) != 0
                               ? static_cast<uint16_t>(entry->flags >> IORING_CQE_BUFFER_SHIFT)
                               : Completion::no_buffer;
  }
  io_uring_cq_advance(&ring_, taken);
  counters_.completions += taken;
  return {completions_.data(), kept};
}

// The kernel's own counter tells only what it lost; this flag, that it had to put completions aside.
void KernelRing::count_overflow() {
  const bool overflows = io_uring_cq_has_overflow(&ring_);
  if (overflows && !overflowed_) ++counters_.cq_overflows;
  overflowed_ = overflows;
}

}  // namespace

std::unique_ptr<Ring> make_kernel_ring(const RingSettings& settings) { return std::make_unique<KernelRing>(settings); }

StartError explain_refusal(int errno_value) { return refusal_error(gather_refusal_facts(errno_value)); }

}  // namespace ringmaster::uring
