#include "client_connection.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/clock.h"

namespace ringmaster::perf {

void ClientConnection::begin(Drive& drive, const Order& order, uint64_t id, uint64_t due_ns) {
  drive_ = &drive;
  order_ = &order;
  id_ = id;
  due_ns_ = due_ns;
  check_ = !order.any_answer && id % order.check_every == 0;
  if (state_ == State::idle) return ask();
  connect();
}

void ClientConnection::connect() {
  input_.clear();
  ++connects_;
  auto fd = open_socket(target_.family());
  if (!fd) return fail(Failure::connect, to_string(fd.error()));
  fd_ = std::move(*fd);
  state_ = State::connecting;
  if (::connect(fd_.get(), target_.data(), target_.length()) != 0 && errno != EINPROGRESS) {
    return fail(Failure::connect, strerror(errno));
  }
  // Watched only now: a socket that does not connect yet would say HUP at once.
  if (const auto watched = loop_.watch(fd_.get(), *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET); !watched) {
    fail(Failure::connect, to_string(watched.error()));
  }
}

void ClientConnection::on_event(uint32_t flags) {
  if (state_ == State::connecting) finish_connect();
  if ((flags & EPOLLOUT) != 0 && state_ == State::asking && !outgoing_.is_done()) send_rest();
  if (fd_ && state_ != State::connecting && (flags & ~static_cast<uint32_t>(EPOLLOUT)) != 0) {
    // An end or error is announced once only, maybe beside bytes: then read on until it shows.
    receive((flags & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0);
  }
}

void ClientConnection::finish_connect() {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return fail(Failure::connect, strerror(error));
  sockaddr_storage peer;
  length = sizeof peer;
  if (getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0) return;  // called for an older socket
  ask();
}

void ClientConnection::ask() {
  state_ = State::asking;
  std::string& out = outgoing_.begin(order_->body_bytes);
  out.assign(order_->head);
  std::to_chars(out.data() + order_->id_offset, out.data() + order_->id_offset + id_digits, id_);
  sent_ns_ = monotonic_ns();
  send_rest();
}

void ClientConnection::send_rest() {
  if (const auto sent = outgoing_.send_to(fd_.get()); !sent) fail(Failure::cut, to_string(sent.error()));
}

void ClientConnection::receive(bool to_the_end) {
  auto& scratch = loop_.scratch();
  while (fd_) {
    const ssize_t got = recv(fd_.get(), scratch.data(), scratch.size(), 0);
    if (got == 0) return on_end(0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0 && errno != EINTR) return on_end(errno);
    if (got > 0) take({scratch.data(), static_cast<size_t>(got)});
    if (static_cast<size_t>(got) < scratch.size() && !to_the_end) return;
  }
}

void ClientConnection::take(std::string_view bytes) {
  if (state_ == State::body) return take_body(bytes);
  if (state_ != State::asking) return fail(Failure::length, "bytes behind the answer");
  if (!input_.empty()) {
    input_.append(bytes);
    bytes = input_;
  }
  const auto end = head_end(bytes);
  if (end) {
    take_head(bytes.substr(0, *end));
    if (state_ == State::body) take_body(bytes.substr(*end));
    input_.clear();  // only now: bytes may be a view of it
  } else if (bytes.size() > head_bytes_max) {
    fail(Failure::malformed, "a head without an end");
  } else if (input_.empty()) {
    input_.assign(bytes);
  }
}

void ClientConnection::take_head(std::string_view text) {
  const auto answer = parse_answer(text);
  if (!answer) return fail(Failure::malformed, text.substr(0, 300));
  if (answer->status != 200) return fail(Failure::status, text.substr(0, text.find("\r\n")));
  if (!answer->has_length) return fail(Failure::malformed, "no Content-Length");
  if (!order_->any_answer && answer->body_bytes != order_->answer_bytes)
    return fail(Failure::length, text.substr(0, 300));
  if (check_) {
    std::array<char, id_digits> digits{};
    std::to_chars(digits.data(), digits.data() + digits.size(), id_);
    if (answer->id != std::string_view(digits.data(), digits.size()))
      return fail(Failure::content, "the answer of another request");
  }
  keep_alive_ = answer->keep_alive;
  body_bytes_ = body_left_ = answer->body_bytes;
  state_ = State::body;
}

void ClientConnection::take_body(std::string_view bytes) {
  if (bytes.size() > body_left_) return fail(Failure::length, "more bytes than announced");
  if (check_ && !is_pattern(body_bytes_ - body_left_, bytes)) return fail(Failure::content, "a body's bytes");
  body_left_ -= bytes.size();
  if (body_left_ == 0) complete();
}

void ClientConnection::complete() {
  if (!outgoing_.is_done()) return fail(Failure::malformed, "an answer before the end of the request");
  state_ = keep_alive_ ? State::idle : State::ending;
  drive_->answered(*this, monotonic_ns(), due_ns_);
}

void ClientConnection::on_end(int error) {
  if (state_ == State::idle || state_ == State::ending) {
    const bool announced = state_ == State::ending;
    close();
    return drive_->ended(*this, announced);
  }
  fail(Failure::cut, error == 0 ? "closed by the other side" : strerror(error));
}

void ClientConnection::fail(Failure failure, std::string_view detail) {
  const std::string kept(detail);  // may point into input_
  close();
  drive_->failed(*this, failure, kept);
}

void ClientConnection::close() noexcept {
  fd_.reset();
  input_.clear();
  state_ = State::closed;
}

}  // namespace ringmaster::perf
