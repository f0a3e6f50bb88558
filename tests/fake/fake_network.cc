// The network's side of FakeRing: how bytes, connections and ends travel between the program and the test's peers.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "fake_memory.h"
#include "fake_ring.h"

namespace ringmaster::fake {

namespace {

constexpr uint64_t latency_ns = 10'000;                // one way
constexpr uint64_t straggle_ns = 500'000;              // at most, between pieces of what was split
constexpr uint64_t connect_patience_ns = 60'000'000'000;

}  // namespace

// --- connections ----------------------------------------------------------------------------------------------------

int FakeRing::listen() {
  const int descriptor = new_descriptor();
  sockets_[descriptor].state = State::listening;
  return descriptor;
}

FakePeer& FakeRing::new_peer(const SocketAddress& address) {
  peers_.emplace_back(new FakePeer(*this));
  peers_.back()->address_ = address;
  return *peers_.back();
}

void FakeRing::link(FakePeer& peer, int descriptor) {
  Socket& socket = sockets_[descriptor];
  socket.state = State::connected;
  socket.peer = &peer;
  socket.peer_address = peer.address_;
  peer.socket_ = descriptor;
  peer.linked_ = true;
  socket.reset = socket.broken = peer.resetting_;
  expect_arrival(peer);
}

FakePeer& FakeRing::connect_client(int listener, SocketAddress from) {
  FakePeer& peer = new_peer(from);
  schedule(latency_ns, [this, listener, &peer] {
    Socket* socket = find(listener);
    if (!socket || socket->state != State::listening) {
      break_connection(peer, false, true);
      return;
    }
    socket->backlog.push_back(&peer);
    try_accept(listener);
  });
  return peer;
}

void FakeRing::try_accept(int listener) {
  Socket* socket = find(listener);
  while (socket && socket->reading && !socket->backlog.empty()) {
    int failure = std::exchange(next_accept_error_, 0);
    if (failure == 0 && chance(rates_.accept_fails)) failure = random(2) ? EMFILE : ENOMEM;
    if (failure != 0) {
      complete(socket, socket->reading, -failure, false);
      return;
    }
    const int descriptor = accept_first(*socket);
    complete(socket, socket->reading, descriptor, !chance(rates_.multishot_ends));
  }
}

int FakeRing::accept_first(Socket& listener) {
  FakePeer& peer = *listener.backlog.front();
  listener.backlog.pop_front();
  const int descriptor = new_descriptor();
  sockets_[descriptor] = Socket{};
  link(peer, descriptor);
  return descriptor;
}

int FakeRing::accept_or_close(int listener) {
  Socket& socket = open_socket(listener, "accept_or_close");
  if (socket.state != State::listening) broken_rule("accept_or_close on a descriptor that does not listen");
  if (socket.undelivered > 0) broken_rule("accept_or_close while an accept is in flight");
  if (!socket.backlog.empty()) return accept_first(socket);
  finish_close(listener);
  return -1;
}

void FakeRing::serve(const SocketAddress& address, std::function<void(FakePeer&)> on_connect) {
  servers_[address.text()] = {Answer::serves, std::move(on_connect)};
}

void FakeRing::refuse(const SocketAddress& address) { servers_[address.text()] = {Answer::refuses, {}}; }
void FakeRing::never_answer(const SocketAddress& address) { servers_[address.text()] = {Answer::silent, {}}; }
void FakeRing::time_out(const SocketAddress& address) { servers_[address.text()] = {Answer::times_out, {}}; }

void FakeRing::start_connect(const OperationPointer& operation) {
  operation->submitted = true;
  if (operation->over) return;
  const SocketAddress address = operation->address_then;
  const auto server = servers_.find(address.text());
  Answer answer = server == servers_.end() ? Answer::refuses : server->second.answer;
  if (chance(rates_.refused)) answer = Answer::refuses;
  else if (chance(rates_.timed_out)) answer = Answer::times_out;
  if (answer == Answer::silent) return;
  schedule(answer == Answer::times_out ? connect_patience_ns : 2 * latency_ns,
           [this, operation, address, answer] { finish_connect(operation, address, answer); });
}

void FakeRing::finish_connect(const OperationPointer& operation, const SocketAddress& address, Answer answer) {
  if (operation->over) return;
  if (!(*operation->address == address)) broken_rule("the address of a connect in flight was changed");
  Socket& socket = *find(operation->descriptor);
  if (answer != Answer::serves) {
    socket.state = State::failed;
    complete(&socket, operation, answer == Answer::times_out ? -ETIMEDOUT : -ECONNREFUSED, false);
    return;
  }
  FakePeer& peer = new_peer(address);
  link(peer, operation->descriptor);
  complete(&socket, operation, 0, false);
  if (const auto server = servers_.find(address.text()); server != servers_.end() && server->second.on_connect) {
    server->second.on_connect(peer);
  }
}

// --- from the peer to the program -----------------------------------------------------------------------------------

void FakeRing::expect_arrival(FakePeer& peer) {
  if (peer.arrival_due_ || !peer.linked_ || peer.resetting_ || (peer.outgoing_.empty() && !peer.end_written_)) return;
  peer.arrival_due_ = true;
  schedule(latency_ns + (chance(rates_.split) ? random(straggle_ns) : 0), [this, &peer] {
    peer.arrival_due_ = false;
    arrive(peer);
  });
}

void FakeRing::arrive(FakePeer& peer) {
  if (!peer.linked_ || peer.resetting_) return;
  Socket& socket = *find(peer.socket_);
  if (socket.in_ended) return;
  // RFC 9293, 3.10.7.4, and Linux: bytes for a socket that has ended both directions are answered by a reset.
  if (!peer.outgoing_.empty() && socket.read_shut && socket.write_shut) {
    break_connection(peer, true, true);
    return;
  }
  if (!peer.outgoing_.empty() && chance(rates_.reset)) {
    break_connection(peer, true, true);
    return;
  }
  const size_t room = socket_buffer_bytes_ - std::min(socket.inbound.size(), socket_buffer_bytes_);
  size_t count = std::min(room, peer.outgoing_.size());
  if (count > 1 && chance(rates_.split)) count = 1 + random(std::min<size_t>(count - 1, random(2) ? 16 : count - 1));
  socket.inbound.append(peer.outgoing_, 0, count);
  peer.outgoing_.erase(0, count);
  if (peer.outgoing_.empty() && peer.end_written_) socket.in_ended = true;
  else if (count > 0) expect_arrival(peer);  // the rest; without room, try_receive asks again
  try_receive(peer.socket_);
}

void FakeRing::try_receive(int descriptor) {
  for (Socket* socket = find(descriptor); socket && socket->reading && socket->state == State::connected;) {
    const OperationPointer operation = socket->reading;
    if (!socket->inbound.empty()) {
      if (operation->kind != Kind::receive) {
        if (!receive_into_group(*socket, operation)) return;
      } else {
        size_t count = std::min(socket->inbound.size(), operation->target.size());
        if (count > 1 && chance(rates_.split)) count = 1 + random(count);
        memcpy(operation->target.data(), socket->inbound.data(), count);
        socket->inbound.erase(0, count);
        complete(socket, operation, static_cast<int32_t>(count), false);
      }
      if (socket->peer) expect_arrival(*socket->peer);
    } else if (std::exchange(socket->reset, false)) {
      socket->in_ended = true;
      complete(socket, operation, -ECONNRESET, false);
    } else if (socket->in_ended || socket->read_shut) {
      complete(socket, operation, 0, false);
    } else {
      return;
    }
  }
}

// False where the operation ended without taking anything.
bool FakeRing::receive_into_group(Socket& socket, const OperationPointer& operation) {
  if (group_.empty() || std::exchange(next_receive_without_buffers_, false) || chance(rates_.no_buffers)) {
    complete(&socket, operation, -ENOBUFS, false);
    return false;
  }
  const Provided buffer = group_.front();
  group_.pop_front();
  group_ids_.erase(buffer.id);
  if (!unpoison(buffer.bytes)) broken_rule(fmt::format("buffer {} was written after it was provided", buffer.id));
  size_t count = std::min(socket.inbound.size(), buffer.bytes.size());
  if (count > 1 && chance(rates_.split)) count = 1 + random(count);
  memcpy(buffer.bytes.data(), socket.inbound.data(), count);
  socket.inbound.erase(0, count);
  const bool more = operation->kind == Kind::receive_multishot && !chance(rates_.multishot_ends);
  complete(&socket, operation, static_cast<int32_t>(count), more, buffer.id);
  return true;
}

// --- from the program to the peer -----------------------------------------------------------------------------------

void FakeRing::try_send(int descriptor) {
  Socket* socket = find(descriptor);
  if (!socket || !socket->writing || socket->writing->kind != Kind::send) return;
  const OperationPointer operation = socket->writing;
  if (memcmp(operation->source.data(), operation->source_then.data(), operation->source.size()) != 0) {
    broken_rule(fmt::format("bytes of a send in flight on descriptor {} were changed", descriptor));
  }
  if (socket->write_shut || socket->broken) {
    const int32_t failure = socket->write_shut ? -EPIPE : -ECONNRESET;
    complete(socket, operation, operation->sent > 0 ? static_cast<int32_t>(operation->sent) : failure, false);
    return close_if_over(descriptor);
  }
  FakePeer& peer = *socket->peer;
  const size_t left = operation->source.size() - operation->sent;
  const size_t room = socket_buffer_bytes_ - std::min(peer.inbox_.size(), socket_buffer_bytes_);
  size_t count = std::min(left, room);
  if (count > 1 && chance(rates_.slow_send)) {
    count = 1 + random(count);
    if (count < left) schedule(latency_ns + random(straggle_ns), [this, descriptor] { try_send(descriptor); });
  }
  peer.inbox_.append(operation->source_then, operation->sent, count);
  operation->sent += count;
  if (count > 0) schedule(latency_ns, [this, &peer] { deliver_to(peer); });
  if (operation->sent < operation->source.size()) return;
  if (operation->mode != SendMode::more_comes) ++peer.segments_;
  complete(socket, operation, static_cast<int32_t>(operation->sent), false);
  close_if_over(descriptor);
}

// A send has taken the descriptor: the next connection may have it, while what is in flight keeps the socket.
void FakeRing::detach(int descriptor) {
  const int name = next_detached_--;
  Socket& socket = sockets_[name] = std::move(sockets_[descriptor]);
  sockets_.erase(descriptor);
  free_descriptors_.insert(descriptor);
  if (socket.peer->linked_) socket.peer->socket_ = name;
  if (socket.reading && !socket.reading->cancel_asked) broken_rule("then_close with a receive that nobody cancelled");
  for (const auto& [number, operation] : operations_) {
    if (operation->descriptor == descriptor) operation->descriptor = name;
  }
}

void FakeRing::close_if_over(int descriptor) {
  const Socket* socket = find(descriptor);
  if (socket && descriptor < -1 && !socket->reading && !socket->writing) finish_close(descriptor);
}

// The peer takes what lies in its socket buffer, if it reads.
void FakeRing::deliver_to(FakePeer& peer) {
  if (peer.was_reset_) return;
  if (peer.closed_) {
    if (!peer.inbox_.empty()) break_connection(peer, true, false);
    return;
  }
  if (!peer.reading_) return;
  const bool end = peer.end_in_inbox_ && !peer.ended_;
  if (peer.inbox_.empty() && !end) return;
  peer.received_ += std::exchange(peer.inbox_, {});
  peer.ended_ = peer.end_in_inbox_;
  if (peer.linked_) try_send(peer.socket_);
  if (peer.on_receive_) peer.on_receive_(peer);
}

void FakeRing::shut_down(int descriptor, bool only_sending) {
  Socket& socket = open_socket(descriptor, "shut_down");
  if (socket.state == State::connecting) {
    if (!socket.writing || !socket.writing->submitted) return;  // ENOTCONN: it goes on to connect
    socket.state = State::failed;
    complete(&socket, socket.writing, -ECONNRESET, false);
    return;
  }
  if (socket.state == State::listening) {
    socket.state = State::failed;
    if (socket.reading) complete(&socket, socket.reading, -EINVAL, false);
    return;
  }
  if (socket.state != State::connected) return;
  if (!socket.write_shut) {
    socket.write_shut = true;
    try_send(descriptor);
    socket.peer->end_in_inbox_ = true;
    schedule(latency_ns, [this, &peer = *socket.peer] { deliver_to(peer); });
  }
  if (!only_sending && !socket.read_shut) {
    socket.read_shut = true;
    try_receive(descriptor);
  }
}

// As Linux: bytes that the program never read turn its orderly end into a reset, and bytes that come later are
// answered by one.
void FakeRing::finish_close(int descriptor) {
  Socket& socket = *find(descriptor);
  for (FakePeer* waiting : socket.backlog) break_connection(*waiting, false, true);
  if (FakePeer* peer = socket.peer) {
    const bool with_reset = socket.reset_on_close || !socket.inbound.empty();
    peer->linked_ = false;
    if (!with_reset) peer->end_in_inbox_ = true;
    schedule(latency_ns, [this, peer, with_reset] {
      if (!with_reset) deliver_to(*peer);
      if (with_reset || !peer->outgoing_.empty()) break_connection(*peer, false, true);
    });
  }
  sockets_.erase(descriptor);
  if (descriptor >= 0) free_descriptors_.insert(descriptor);
}

void FakeRing::break_connection(FakePeer& peer, bool tell_program, bool tell_peer) {
  peer.outgoing_.clear();
  if (tell_peer && !peer.was_reset_ && !peer.closed_) {
    if (peer.reading_) peer.received_ += std::exchange(peer.inbox_, {});
    peer.was_reset_ = true;
    if (peer.on_receive_) peer.on_receive_(peer);
  }
  if (!tell_program || !peer.linked_) return;
  Socket& socket = *find(peer.socket_);
  if (!socket.broken) socket.reset = socket.broken = true;
  try_send(peer.socket_);
  try_receive(peer.socket_);
}

void FakeRing::break_later(FakePeer& peer, bool tell_program, bool tell_peer) {
  schedule(latency_ns, [this, &peer, tell_program, tell_peer] { break_connection(peer, tell_program, tell_peer); });
}

// --- FakePeer -------------------------------------------------------------------------------------------------------

void FakePeer::write(std::string_view bytes) {
  if (end_written_) ring_.broken_rule("the test writes after it ended its direction");
  if (was_reset_) return;
  outgoing_ += bytes;
  if (accepted() && !linked_) ring_.break_later(*this, false, true);
  else ring_.expect_arrival(*this);
}

void FakePeer::end() {
  if (end_written_ || was_reset_) return;
  end_written_ = true;
  ring_.expect_arrival(*this);
}

void FakePeer::close() {
  if (!inbox_.empty() && !reading_) {
    reset();
    return;
  }
  end();
  closed_ = true;
}

void FakePeer::reset() {
  end_written_ = true;
  closed_ = true;
  resetting_ = true;
  outgoing_.clear();
  ring_.break_later(*this, true, false);
}

void FakePeer::resume_reading() {
  reading_ = true;
  ring_.schedule(0, [this] { ring_.deliver_to(*this); });
}

}  // namespace ringmaster::fake
