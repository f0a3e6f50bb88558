#include "replica/worker.h"

#include "base/log.h"
#include "replica/connection.h"

namespace ringmaster::replica {

namespace {

using async::Task;

constexpr std::chrono::milliseconds accept_pause{100};  // after EMFILE and the like

}  // namespace

void Worker::run(int listener, int stop_descriptor) {
  loop.spawn(accept_all(listener));
  loop.spawn(stop_when_readable(stop_descriptor));
  loop.run();
}

Task<void> Worker::accept_all(int listener) {
  async::Acceptor acceptor(loop, listener);
  while (true) {
    Result<async::Socket> socket = co_await acceptor.next();
    if (socket) {
      loop.spawn(serve(std::move(*socket)));
      continue;
    }
    if (socket.error().kind == ErrorKind::cancelled) break;
    log_error("cannot accept a connection: {}", to_string(socket.error()));
    const Result<void> slept = co_await loop.sleep(accept_pause);
    if (!slept) break;
  }
  co_await acceptor.end();
}

Task<void> Worker::serve(async::Socket socket) {
  Connection connection(*this, std::move(socket));
  co_await connection.run();
}

// The signal is not read: each worker must see it.
Task<void> Worker::stop_when_readable(int descriptor) {
  (void)co_await loop.readable(descriptor);
  loop.stop();
}

}  // namespace ringmaster::replica
