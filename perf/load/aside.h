// Requests beside the load: one after the other at a constant rate over a connection of their own, to another address.
// So that what a proxy is told while it works, changes of its tables for instance, is told by the load's own thread,
// for a few microseconds each: another process on its CPU would hold the load up, and that would be charged to the
// proxy.
#pragma once

#include <string>
#include <vector>

#include "client_connection.h"

namespace ringmaster::perf {

struct AsidePlan {
  SocketAddress target;
  std::string method = "PATCH";
  std::string path;
  std::vector<std::string> bodies;   // JSON, in turn; at least one
  double rate = 0;                   // a second. One that is due before the last was answered waits for it
};

class Aside final : public Drive {
 public:
  // Asks from begin_ns on until end_ns.
  Aside(EventLoop& loop, const AsidePlan& plan, uint64_t begin_ns, uint64_t end_ns);

  // Begins what is due.
  void pump(uint64_t now_ns);
  // When pump() should be called next if nothing happens before.
  uint64_t next_ns() const noexcept;
  bool is_done() const noexcept { return connection_.is_idle() || connection_.is_closed(); }

  uint64_t answers() const noexcept { return answers_; }
  // Of the first request that was not answered with 200, after which no other is asked; or empty.
  const std::string& trouble() const noexcept { return trouble_; }

  void answered(ClientConnection& connection, uint64_t now_ns, uint64_t due_ns) override;
  void ended(ClientConnection& connection, bool announced) override;
  void failed(ClientConnection& connection, Failure failure, std::string_view detail) override;

 private:
  bool may_ask() const noexcept { return trouble_.empty() && is_done() && due_ns_ < end_ns_; }

  std::vector<Order> orders_;
  const SocketAddress target_;
  ClientConnection connection_;
  const double interval_ns_;
  const uint64_t begin_ns_, end_ns_;
  uint64_t due_ns_;
  uint64_t asked_ = 0;
  uint64_t answers_ = 0;
  std::string trouble_;
};

}  // namespace ringmaster::perf
