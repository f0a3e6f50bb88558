#include "async/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace ringmaster::async {

namespace {

std::unexpected<Error> failed(const char* doing) { return std::unexpected(Error::from_errno(errno, doing)); }

Result<void> set(int socket, int level, int option, const char* doing) {
  const int on = 1;
  if (setsockopt(socket, level, option, &on, sizeof on) != 0) return failed(doing);
  return {};
}

// "" for an abstract name.
std::string path_of(const SocketAddress& address) {
  const auto* unix_address = reinterpret_cast<const sockaddr_un*>(address.data());
  const size_t length = address.length() - offsetof(sockaddr_un, sun_path);
  return std::string(unix_address->sun_path, strnlen(unix_address->sun_path, length));
}

// A path that a process has left behind: a socket on which nobody listens.
void remove_stale(const SocketAddress& address, const std::string& path) {
  struct stat found;
  if (lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return;
  if (connect(probe.get(), address.data(), address.length()) != 0 && errno == ECONNREFUSED) unlink(path.c_str());
}

Result<void> prepare_tcp(int socket, const SocketAddress& address, const ListenOptions& options) {
  Result<void> done = set(socket, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
  if (done) done = set(socket, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE");
  if (done) done = set(socket, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
  if (done && options.reuse_port) done = set(socket, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT");
  if (done && address.family() == AF_INET6) done = set(socket, IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY");
  return done;
}

}  // namespace

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this != &other) {
    reset();
    socket_ = std::move(other.socket_);
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

void Listener::reset() noexcept {
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
  socket_.reset();
}

Result<Listener> listen_on(const SocketAddress& address, const ListenOptions& options) {
  // Blocking: io_uring waits by itself, and answers EAGAIN on some kernels where the descriptor says not to.
  Fd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return failed("socket");
  std::string path;
  if (address.family() == AF_UNIX) {
    path = path_of(address);
    if (!path.empty()) {
      remove_stale(address, path);
      // bind() gives the path the socket's own mode less the umask: it is never open to all, not for a moment.
      if (fchmod(fd.get(), 0660) != 0) return failed("fchmod");
    }
  } else if (const Result<void> prepared = prepare_tcp(fd.get(), address, options); !prepared) {
    return std::unexpected(prepared.error());
  }
  if (bind(fd.get(), address.data(), address.length()) != 0) return failed("bind");
  Listener listener(std::move(fd), path);  // from here on the path is ours to remove
  if (!path.empty() && chmod(path.c_str(), 0660) != 0) return failed("chmod");  // the umask may have taken the group's
  if (listen(listener.get(), options.backlog) != 0) return failed("listen");
  return listener;
}

Result<SocketAddress> bound_address(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return failed("getsockname");
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), length);
}

}  // namespace ringmaster::async
