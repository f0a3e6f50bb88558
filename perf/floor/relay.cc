#include "relay.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace ringmaster::perf {

namespace {

constexpr int buffer_group = 0;
constexpr uint32_t ring_entries = 1024;
constexpr uint32_t completions = 16384;

// user_data: kind, side, index of the pair. No generation is needed: a pair is used again only when nothing of it is in
// flight.
uint64_t user_data_of(uint8_t kind, uint32_t pair_index, uint32_t side) noexcept {
  return uint64_t{pair_index} << 8 | side << 4 | kind;
}

void set_no_delay(int fd) noexcept {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

[[noreturn]] void fail(const char* what, int error, const char* remedy = "") {
  throw StartError(ExitCode::configuration, std::string(what) + ": " + strerror(error), remedy);
}

Fd listen_on(const SocketAddress& address) {
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  set_no_delay(fd.get());  // inherited by what it accepts
  if (bind(fd.get(), address.data(), address.length()) != 0) fail("bind", errno, "choose another --listen");
  if (listen(fd.get(), 4096) != 0) fail("listen", errno);
  return fd;
}

}  // namespace

Relay::Relay(RelaySettings settings) : settings_(std::move(settings)), listener_(listen_on(settings_.listen)) {
  io_uring_params parameters{};
  parameters.flags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = completions;
  const int result = io_uring_queue_init_params(ring_entries, &ring_, &parameters);
  if (result < 0) fail("io_uring_setup", -result, "Linux 6.1 or newer, with io_uring allowed");
  io_uring_register_ring_fd(&ring_);
  set_up_buffers();
}

Relay::~Relay() { io_uring_queue_exit(&ring_); }

void Relay::set_up_buffers() {
  memory_.resize(size_t{settings_.buffers} * settings_.buffer_bytes);
  int error = 0;
  buffer_ring_ = io_uring_setup_buf_ring(&ring_, settings_.buffers, buffer_group, 0, &error);
  if (buffer_ring_ == nullptr)
    fail("io_uring_setup_buf_ring", -error, "--buffers must be a power of two, at most 32768");
  for (uint32_t id = 0; id < settings_.buffers; ++id) give_back(static_cast<uint16_t>(id));
}

SocketAddress Relay::address() const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&storage), &length);
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), length);
}

void Relay::serve() {
  arm_accept();
  while (true) {
    if (given_back_ > 0) io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(std::exchange(given_back_, 0)));
    io_uring_submit_and_wait(&ring_, 1);
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++count;
      const auto pair_index = static_cast<uint32_t>(cqe->user_data >> 8);
      const uint32_t side = cqe->user_data >> 4 & 1;
      switch (static_cast<Kind>(cqe->user_data & 15)) {
        case Kind::accept:
          if (cqe->res >= 0) on_accepted(cqe->res);
          if ((cqe->flags & IORING_CQE_F_MORE) == 0) arm_accept();
          break;
        case Kind::connect: on_connected(pair_index, cqe->res); break;
        case Kind::receive: on_received(pair_index, side, *cqe); break;
        case Kind::send: on_sent(pair_index, side, cqe->res); break;
      }
    }
    io_uring_cq_advance(&ring_, count);
    if (!starved_.empty() && given_back_ > 0) feed_starved();
  }
}

io_uring_sqe* Relay::next_sqe() noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  ensure(sqe != nullptr);
  return sqe;
}

void Relay::mark(io_uring_sqe* sqe, Kind kind, uint32_t pair_index, uint32_t side) noexcept {
  io_uring_sqe_set_data64(sqe, user_data_of(static_cast<uint8_t>(kind), pair_index, side));
}

char* Relay::buffer(uint16_t buffer_id) noexcept { return memory_.data() + size_t{buffer_id} * settings_.buffer_bytes; }

void Relay::give_back(uint16_t buffer_id) noexcept {
  io_uring_buf_ring_add(buffer_ring_, buffer(buffer_id), settings_.buffer_bytes, buffer_id,
                        io_uring_buf_ring_mask(settings_.buffers), static_cast<int>(given_back_++));
}

void Relay::arm_accept() noexcept {
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_multishot_accept(sqe, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
  mark(sqe, Kind::accept, 0, 0);
}

void Relay::arm_receive(uint32_t pair_index, uint32_t side) noexcept {
  Side& from = pairs_[pair_index]->sides[side];
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_recv_multishot(sqe, from.fd.get(), nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = buffer_group;
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;  // without it an empty buffer ring refuses at once
  mark(sqe, Kind::receive, pair_index, side);
  from.is_receiving = true;
}

void Relay::on_accepted(int fd) {
  Fd client(fd);
  const SocketAddress& upstream = settings_.upstreams[next_upstream_++ % settings_.upstreams.size()];
  Fd server(socket(upstream.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!server) return;  // out of descriptors: the client sees its connection closed
  set_no_delay(server.get());

  if (free_pairs_.empty()) {
    free_pairs_.push_back(static_cast<uint32_t>(pairs_.size()));
    pairs_.push_back(std::make_unique<Pair>());
  }
  const uint32_t index = free_pairs_.back();
  free_pairs_.pop_back();
  Pair& pair = *pairs_[index];
  pair.sides[0].fd = std::move(client);
  pair.sides[1].fd = std::move(server);
  pair.upstream = &upstream;
  pair.is_connecting = true;
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_connect(sqe, pair.sides[1].fd.get(), upstream.data(), upstream.length());
  mark(sqe, Kind::connect, index, 1);
}

void Relay::on_connected(uint32_t pair_index, int result) noexcept {
  Pair& pair = *pairs_[pair_index];
  pair.is_connecting = false;
  if (result < 0) {
    cut(pair);
    return close_if_done(pair_index);
  }
  arm_receive(pair_index, 0);
  arm_receive(pair_index, 1);
}

void Relay::on_received(uint32_t pair_index, uint32_t side, const io_uring_cqe& cqe) noexcept {
  Pair& pair = *pairs_[pair_index];
  Side& from = pair.sides[side];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) from.is_receiving = false;

  if (cqe.res > 0) {
    const auto buffer_id = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    Side& to = pair.sides[1 - side];
    to.queue.push_back({buffer_id, static_cast<uint32_t>(cqe.res)});
    if (!to.is_sending) send_next(pair_index, 1 - side);
    if (!from.is_receiving) arm_receive(pair_index, side);
    return;
  }
  if (cqe.res == -ENOBUFS) {
    starved_.emplace_back(pair_index, side);
    from.is_starved = true;
    return;
  }
  from.has_ended = true;
  if (cqe.res < 0) {
    cut(pair);
  } else if (!pair.sides[1 - side].is_sending) {
    pass_end(pair, side);
  }
  close_if_done(pair_index);
}

void Relay::send_next(uint32_t pair_index, uint32_t side) noexcept {
  Side& to = pairs_[pair_index]->sides[side];
  const Piece& piece = to.queue[to.sent];
  io_uring_sqe* sqe = next_sqe();
  io_uring_prep_send(sqe, to.fd.get(), buffer(piece.buffer_id), piece.bytes, MSG_WAITALL | MSG_NOSIGNAL);
  mark(sqe, Kind::send, pair_index, side);
  to.is_sending = true;
}

void Relay::on_sent(uint32_t pair_index, uint32_t side, int result) noexcept {
  Pair& pair = *pairs_[pair_index];
  Side& to = pair.sides[side];
  const Piece piece = to.queue[to.sent++];
  give_back(piece.buffer_id);
  to.is_sending = false;
  if (result != static_cast<int>(piece.bytes)) {
    while (to.sent < to.queue.size()) give_back(to.queue[to.sent++].buffer_id);
    cut(pair);
  }
  if (to.sent < to.queue.size()) return send_next(pair_index, side);
  to.queue.clear();
  to.sent = 0;
  if (pair.sides[1 - side].has_ended) pass_end(pair, 1 - side);
  close_if_done(pair_index);
}

// What came from `side` is all sent: the other socket hears of the end.
void Relay::pass_end(Pair& pair, uint32_t side) noexcept { shutdown(pair.sides[1 - side].fd.get(), SHUT_WR); }

// Whatever is in flight completes now.
void Relay::cut(Pair& pair) noexcept {
  for (Side& side : pair.sides) {
    side.has_ended |= side.is_starved || !side.is_receiving;
    shutdown(side.fd.get(), SHUT_RDWR);
  }
}

void Relay::close_if_done(uint32_t pair_index) noexcept {
  Pair& pair = *pairs_[pair_index];
  if (pair.is_connecting) return;
  for (const Side& side : pair.sides) {
    if (side.is_receiving || side.is_sending || !side.has_ended || side.is_starved) return;
  }
  for (Side& side : pair.sides) {
    side.fd.reset();
    side.has_ended = false;
  }
  free_pairs_.push_back(pair_index);
}

void Relay::feed_starved() noexcept {
  io_uring_buf_ring_advance(buffer_ring_, static_cast<int>(std::exchange(given_back_, 0)));
  for (const auto& [pair_index, side] : std::exchange(starved_, {})) {
    Side& from = pairs_[pair_index]->sides[side];
    from.is_starved = false;
    from.has_ended = false;  // a socket that was cut meanwhile says so to the receive
    arm_receive(pair_index, side);
  }
}

}  // namespace ringmaster::perf
