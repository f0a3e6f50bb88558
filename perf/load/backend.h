// The far end: the cheapest HTTP server that can still tell when a proxy has spoilt something.
//
//   /bytes/N     200 and N bytes of pattern() (N <= 2^30); a request's body must be pattern() too, else 500
//   /hold        the same 128 bytes, but only once release() is called: requests that stay in flight
//   /echo        200 and the head of the request as it arrived: what a proxy made of it
//   /heartbeat   200, empty
//   anything else 404
//
// Each answer repeats the digits of request_id in X-Id. One send for each answer that fits the socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "event_loop.h"

namespace ringmaster::perf {

class Backend {
 public:
  explicit Backend(EventLoop& loop);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // Listens there as well; several are several replicas. Returns the address in use (port 0 becomes a real one).
  Result<SocketAddress> listen(const SocketAddress& address);

  // Requests for /hold that wait for their answer.
  size_t held() const noexcept { return held_.size(); }
  // Answers them all.
  void release();

 private:
  class Listener;
  class Connection;

  Connection& take_connection();

  EventLoop& loop_;
  std::string date_field_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> free_;  // closed; to be used again, never freed while the loop may still name them
  std::vector<Connection*> held_;
};

}  // namespace ringmaster::perf
