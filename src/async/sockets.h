// Listening sockets. Made at start-up, with plain system calls; from then on the ring has them.
#pragma once

#include <string>

#include "base/address.h"
#include "base/error.h"
#include "base/fd.h"

namespace ringmaster::async {

struct ListenOptions {
  bool reuse_port = false;   // several listeners on one address, among which the kernel spreads connections
  int backlog = 1024;
};

// A listening socket that removes its path when it goes, where it is a unix socket with one.
class Listener {
 public:
  Listener() noexcept = default;
  explicit Listener(Fd socket, std::string path = {}) noexcept : socket_(std::move(socket)), path_(std::move(path)) {}
  Listener(Listener&& other) noexcept : socket_(std::move(other.socket_)), path_(std::exchange(other.path_, {})) {}
  Listener& operator=(Listener&& other) noexcept;
  ~Listener() { reset(); }

  int get() const noexcept { return socket_.get(); }
  // The socket alone; a path stays where it is.
  Fd release() noexcept {
    path_.clear();
    return std::move(socket_);
  }
  void reset() noexcept;

 private:
  Fd socket_;
  std::string path_;
};

// TCP: TCP_NODELAY and SO_KEEPALIVE are set on the listener, accepted sockets inherit them; port 0 takes any; IPv6
// listens to IPv6 only. Unix: a path that nobody listens on is removed first, one that somebody listens on is left
// (os, EADDRINUSE); mode 0660 from the first moment on.
Result<Listener> listen_on(const SocketAddress& address, const ListenOptions& options = {});

// What a socket is bound to: the port that the kernel chose.
Result<SocketAddress> bound_address(int socket);

}  // namespace ringmaster::async
