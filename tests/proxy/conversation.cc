#include "conversation.h"

namespace ringmaster::proxy {

using namespace std::chrono_literals;

Conversation::Conversation() : world_(GetParam()()) {
  settings.routing.key = {"query:request_id", "random"};
  settings.heartbeat.interval = 500ms;
  settings.timeouts = {1s, 10s, 30s, 30s, 30s, 60s, 60s, 1h, 30s};
  settings.limits.request_line_bytes = 8192;
  settings.limits.header_bytes = 32768;
  settings.limits.header_count = 128;
  settings.limits.connections = 100;
  settings.limits.pipeline_depth = 32;
}

void Conversation::start(std::vector<SocketAddress> replicas) {
  control_ = std::make_unique<Control>(1);
  proxy_settings_ = std::make_unique<ProxySettings>(settings, 1);
  proxy_settings_->date = date;
  if (replicas.empty()) replicas.push_back(server());
  publish(std::move(replicas));
  std::vector<Fd> listeners;
  listener_ = world_->listen();
  listeners.emplace_back(listener_);
  worker_ = std::make_unique<Worker>(*control_, 0, *proxy_settings_, world_->ring(), buffers, std::move(listeners),
                                     nullptr, access.get());
}

void Conversation::publish(std::vector<SocketAddress> replicas) {
  upstreams_.clear();
  std::set<size_t> all;
  for (size_t i = 0; i < replicas.size(); ++i) {
    upstreams_.push_back(std::make_shared<Upstream>(++next_id_, "S" + std::to_string(i + 1), replicas[i], 1));
    all.insert(i);
  }
  publish_only(all);
}

void Conversation::publish_only(const std::set<size_t>& which, uint32_t entry, uint32_t weight) {
  balance::Builder builder(balance::TableSettings{});
  auto table = std::make_unique<RouteTable>();
  for (size_t i = 0; i < upstreams_.size(); ++i) {
    ASSERT_TRUE(builder.join(upstreams_[i]->name, weight));
    builder.set_ready(upstreams_[i]->name, which.contains(i));
    if (which.contains(i)) table->upstreams.push_back(upstreams_[i]);
  }
  table->entries.assign(which.size(), entry);
  table->table = builder.build();
  control_->publish(std::move(table));
}

// The proxy ends with nothing left behind: everything joined, every buffer returned (the worker's own checks say so).
Conversation::~Conversation() {
  if (!worker_) return;
  control_->set_phase(Phase::ending);
  for (int i = 0; i < 20'000 && !ended_; ++i) turn();
  EXPECT_TRUE(ended_) << "the worker does not end";
  EXPECT_EQ(meters().client_connections.value(), 0u);
  EXPECT_EQ(meters().exchanges.value(), 0u);
  EXPECT_EQ(meters().completions_stale.value(), 0u);
  worker_.reset();
}

uint64_t Conversation::now_ns() { return world_->ring().now_ns(); }

void Conversation::turn() {
  world_->turn_peers();
  const uint64_t latest_ns = world_->ring().now_ns() + 2'000'000;
  if (!ended_) ended_ = !worker_->turn(latest_ns);
  else world_->ring().wait(latest_ns);  // what it sent last still arrives
  while (Peer* newest = world_->next_served()) upstreams_seen_.push_back(newest);
}

void Conversation::run_until(const std::function<bool()>& done, const char* what) {
  for (int round = 0; round < 20'000; ++round) {
    if (done()) return;
    turn();
  }
  FAIL() << "nothing came of: " << what;
}

void Conversation::run_for(std::chrono::milliseconds time) {
  const uint64_t until = world_->ring().now_ns() + static_cast<uint64_t>(time.count()) * 1'000'000;
  while (world_->ring().now_ns() < until) turn();
}

uint32_t Conversation::worker_buffers_leased() {
  const uring::BufferPool& pool = worker_->parts().buffers;
  return pool.provided_leased() + pool.bulk_leased();
}

Peer& Conversation::client() { return world_->dial(listener_); }

Peer& Conversation::upstream() {
  run_until([&] { return !upstreams_seen_.empty(); }, "a connection to the replica");
  return *upstreams_seen_.back();
}

void Conversation::expect(Peer& peer, std::string_view bytes) {
  size_t& consumed = consumed_[&peer];
  run_until([&] { return peer.received().size() >= consumed + bytes.size() || peer.ended() || peer.was_reset(); },
            "the bytes");
  EXPECT_EQ(peer.received().substr(consumed, bytes.size()), bytes);
  consumed = std::min(peer.received().size(), consumed + bytes.size());
}

std::string Conversation::unread(Peer& peer) { return peer.received().substr(consumed_[&peer]); }

void Conversation::wait_for(Peer& peer, std::string_view substring) {
  size_t& consumed = consumed_[&peer];
  size_t found = std::string::npos;
  run_until(
      [&] {
        found = peer.received().find(substring, consumed);
        return found != std::string::npos || peer.ended() || peer.was_reset();
      },
      "a substring");
  ASSERT_NE(found, std::string::npos) << "no \"" << substring << "\" in: " << peer.received().substr(consumed);
  consumed = found + substring.size();
}

void Conversation::expect_end(Peer& peer) {
  run_until([&] { return peer.ended() || peer.was_reset(); }, "the end");
  EXPECT_EQ(unread(peer), "");
}

void Conversation::expect_nothing(Peer& peer) {
  run_for(20ms);
  EXPECT_EQ(unread(peer), "");
}

void Conversation::expect_service() {
  Peer& peer = client();
  peer.write("GET /service HTTP/1.1\r\nHost: h\r\n\r\n");
  // A kept connection may serve it, or a new one: whichever has the request.
  run_until(
      [&] { return !upstreams_seen_.empty() && unread(upstream()).find("GET /service") != std::string::npos; },
      "the request at the replica");
  wait_for(upstream(), "\r\n\r\n");
  upstream().write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  wait_for(peer, "\r\n\r\nok");
}

std::string forwarded(std::string_view start_line, std::string_view fields, std::string_view host) {
  return std::string(start_line) + "\r\nHost: " + std::string(host) + "\r\n" + std::string(fields) +
         "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: " + std::string(host) + "\r\n\r\n";
}

}  // namespace ringmaster::proxy
