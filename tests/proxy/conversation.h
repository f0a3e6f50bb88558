// A scripted client, the proxy, a scripted upstream: one worker on a World's ring, turned by the test. The same list
// of conversations runs over the kernel's sockets, over the fake network, and over the fake network at its unkindest.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../uring/world.h"
#include "config/settings.h"
#include "proxy/worker.h"

namespace ringmaster::proxy {

using uring::Peer;

class Conversation : public testing::TestWithParam<uring::MakeWorld> {
 protected:
  Conversation();
  ~Conversation() override;

  config::Settings settings;   // change them before start()
  std::unique_ptr<LineQueue> access;   // made before start(): the access log's lines
  uring::BufferSettings buffers;       // likewise
  bool date = false;           // the proxy adds a Date where the replica gives none

  // The proxy begins to serve; its replicas are at these addresses, named S1, S2, … . None named: one at server().
  void start(std::vector<SocketAddress> replicas = {});
  // Another table, in force when it returns; the replicas in it are new ones.
  void publish(std::vector<SocketAddress> replicas);
  // A table of some of those that are there, the same ones as before; the admin thread has let them in for the
  // entry-th time.
  void publish_only(const std::set<size_t>& which, uint32_t entry = 1, uint32_t weight = 1);

  Peer& client();                       // a new client connects
  SocketAddress server() { return world_->server(); }
  SocketAddress refusing() { return world_->refusing(); }
  // The newest connection of the proxy to server(); waits for it.
  Peer& upstream();
  uint32_t upstream_connections() { return static_cast<uint32_t>(upstreams_seen_.size()); }
  const std::vector<Peer*>& upstreams_seen() { return upstreams_seen_; }   // all of them, in their order

  void run_until(const std::function<bool()>& done, const char* what);
  void run_for(std::chrono::milliseconds time);   // of the ring's clock
  // Waits until the peer has received as many bytes, and holds them against these.
  void expect(Peer& peer, std::string_view bytes);
  // Everything that the peer received until now that expect() has not consumed.
  std::string unread(Peer& peer);
  void wait_for(Peer& peer, std::string_view substring);   // and consumes everything up to its end
  void expect_end(Peer& peer);          // an orderly end, or a reset, and nothing before it
  void expect_nothing(Peer& peer);

  // A whole exchange by which the proxy shows that it still serves.
  void expect_service();

  const WorkerMeters& meters() { return control_->meters(0); }
  uint64_t refusals(http::Cause cause) { return meters().refusals.of(cause).value(); }
  const Upstream& replica(size_t index) { return *upstreams_.at(index); }
  Control& control() { return *control_; }
  void turn();
  uint64_t now_ns();                    // by the ring's clock
  uint32_t worker_buffers_leased();
  uint32_t bulk_buffers_leased() { return worker_->parts().buffers.bulk_leased(); }
  StreamTools& stream_tools() { return worker_->parts().stream_tools; }

 private:
  std::unique_ptr<uring::World> world_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<ProxySettings> proxy_settings_;
  std::unique_ptr<Worker> worker_;
  std::vector<UpstreamPtr> upstreams_;
  std::map<Peer*, size_t> consumed_;
  std::vector<Peer*> upstreams_seen_;
  uint64_t next_id_ = 0;
  int listener_ = -1;
  bool ended_ = false;
};

// "GET /… HTTP/1.1" and what else a proxied request looks like at the replica, for a client on 127.0.0.1.
std::string forwarded(std::string_view start_line, std::string_view fields, std::string_view host = "h");

}  // namespace ringmaster::proxy
