#include "event_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <array>
#include <cerrno>

namespace ringmaster::perf {

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), scratch_(256 * 1024) {
  if (!epoll_) throw StartError(ExitCode::internal, "epoll_create1 failed", "");
  // A constant rate needs timers that fire when they are due, not up to 50 us later.
  prctl(PR_SET_TIMERSLACK, 1UL);
}

Result<void> EventLoop::watch(int fd, Handler& handler, uint32_t flags) noexcept {
  epoll_event event{};
  event.events = flags;
  event.data.ptr = &handler;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return std::unexpected(Error::from_errno(errno, "epoll_ctl"));
  }
  return {};
}

void EventLoop::run_once(uint64_t timeout_ns) noexcept {
  constexpr uint64_t second = 1'000'000'000;
  const timespec timeout{static_cast<time_t>(timeout_ns / second), static_cast<long>(timeout_ns % second)};
  std::array<epoll_event, 256> events;
  const int count = epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 timeout_ns == UINT64_MAX ? nullptr : &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<size_t>(i)];
    static_cast<Handler*>(event.data.ptr)->on_event(event.events);
  }
}

Result<Fd> open_socket(int family) noexcept {
  Fd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return std::unexpected(Error::from_errno(errno, "socket"));
  const int on = 1;
  if (family != AF_UNIX) setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

Result<Fd> listen_on(const SocketAddress& address) noexcept {
  auto fd = open_socket(address.family());
  if (!fd) return fd;
  const int on = 1;
  setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd->get(), address.data(), address.length()) != 0) return std::unexpected(Error::from_errno(errno, "bind"));
  if (listen(fd->get(), 4096) != 0) return std::unexpected(Error::from_errno(errno, "listen"));
  return fd;
}

Result<SocketAddress> local_address(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return std::unexpected(Error::from_errno(errno, "getsockname"));
  }
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), length);
}

}  // namespace ringmaster::perf
