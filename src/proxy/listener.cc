#include "proxy/listener.h"

#include <algorithm>
#include <cerrno>

#include "proxy/connection.h"

namespace ringmaster::proxy {

Listeners::Listeners(Parts& parts, std::vector<Fd> sockets) noexcept : parts_(parts) {
  for (Fd& socket : sockets) listeners_.push_back({socket.release()});
}

void Listeners::start() noexcept {
  for (uint32_t i = 0; i < listeners_.size(); ++i) arm(i);
}

void Listeners::arm(uint32_t index) noexcept {
  listeners_[index].accepting = true;
  parts_.ring.accept_multishot(listeners_[index].socket, Token{Verb::accept, 0, index}.pack());
}

void Listeners::on_accept(uint32_t index, const uring::Completion& completion) noexcept {
  if (!completion.more) listeners_[index].accepting = false;
  if (completion.result >= 0) {
    take_in(completion.result);
    if (!stopping_) make_room();
  } else if (completion.result != -ECANCELED) {  // that was make_room(), or stop()
    // EMFILE, ENFILE, ENOMEM, ENOBUFS: the operation has ended.
    not_before_ns_ = parts_.now() + retry_ns;
    if (Connection* idle = parts_.idle_clients.front()) {
      parts_.meters.connections_retired.add();
      idle->terminate();
    }
  }
  if (listeners_[index].accepting) return;
  if (stopping_) close(index);
  else paused_ = true;
}

void Listeners::take_in(int socket) noexcept {
  const bool wanted = !refusing_ && parts_.clients.live() < parts_.settings.connections_max + overshoot_max;
  Connection* client = wanted ? parts_.clients.make(parts_, socket) : nullptr;
  if (!client) {
    parts_.meters.connections_refused.add();
    return parts_.ring.close(socket);
  }
  parts_.meters.connections_accepted.add();
  parts_.meters.client_connections.add();
  client->start();
}

bool Listeners::has_room() const noexcept { return parts_.clients.live() < parts_.settings.connections_max; }

void Listeners::make_room() noexcept {
  if (has_room()) return;
  if (Connection* idle = parts_.idle_clients.front(); idle && idle != parts_.idle_clients.back()) {
    parts_.meters.connections_retired.add();
    return idle->terminate();
  }
  for (uint32_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i].accepting) parts_.ring.cancel(Token{Verb::accept, 0, i}.pack());
  }
}

bool Listeners::may_resume() const noexcept {
  return paused_ && !stopping_ && (has_room() || !parts_.idle_clients.empty());
}

uint64_t Listeners::wake_ns() const noexcept { return may_resume() ? not_before_ns_ : UINT64_MAX; }

void Listeners::resume_if_room() noexcept {
  if (!may_resume() || parts_.now() < not_before_ns_) return;
  paused_ = false;
  for (uint32_t i = 0; i < listeners_.size(); ++i) {
    if (!listeners_[i].accepting) arm(i);
  }
}

void Listeners::stop(Waiting waiting) noexcept {
  refusing_ = waiting == Waiting::refused;
  if (stopping_) return;
  stopping_ = true;
  for (uint32_t i = 0; i < listeners_.size(); ++i) {
    if (listeners_[i].accepting) parts_.ring.cancel(Token{Verb::accept, 0, i}.pack());
    else close(i);
  }
}

void Listeners::close(uint32_t index) noexcept {
  for (;;) {
    const int socket = parts_.ring.accept_or_close(listeners_[index].socket);
    if (socket < 0) return;
    take_in(socket);
  }
}

bool Listeners::stopped() const noexcept {
  return stopping_ && std::none_of(listeners_.begin(), listeners_.end(),
                                   [](const Listener& listener) { return listener.accepting; });
}

}  // namespace ringmaster::proxy
