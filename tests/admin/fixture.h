// What the tests of admin share: a loop on a real ring, a bounded wait for something to come true, and a replica that
// answers heartbeats in the same loop.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/spawn.h"
#include "async/http_server.h"
#include "async/loop.h"
#include "async/sockets.h"
#include "config/settings.h"
#include "uring/kernel_ring.h"

namespace ringmaster::admin {

class AdminLoopTest : public testing::Test {
 protected:
  static constexpr std::chrono::seconds long_time{10};  // longer than anything here takes

  void run(async::Task<void> task) {
    loop_.spawn(std::move(task));
    loop_.run();
  }
  // True as soon as `holds` does; false after long_time.
  async::Task<bool> until(std::function<bool()> holds) {
    const uint64_t deadline_ns = loop_.now_ns() + static_cast<uint64_t>(std::chrono::nanoseconds(long_time).count());
    while (!holds()) {
      if (loop_.now_ns() > deadline_ns) co_return false;
      co_await loop_.sleep(std::chrono::milliseconds(1), &never_);
    }
    co_return true;
  }
  static async::Listener listen() {
    Result<async::Listener> listener = async::listen_on(SocketAddress::loopback(0));
    EXPECT_TRUE(listener);
    return std::move(*listener);
  }
  static SocketAddress address_of(const async::Listener& listener) { return *async::bound_address(listener.get()); }
  // A port on which nobody listens, and that nobody else is given while the test runs.
  SocketAddress closed_address() {
    Result<PortReservation> reserved = reserve_port();
    EXPECT_TRUE(reserved);
    reserved_.push_back(std::move(*reserved));
    return SocketAddress::loopback(reserved_.back().port);
  }

  static config::Settings quick_settings() {
    config::Settings settings;
    settings.routing.table = "rendezvous";
    settings.heartbeat.path = "/heartbeat";
    settings.heartbeat.interval = std::chrono::milliseconds(40);
    settings.heartbeat.timeout = std::chrono::milliseconds(200);
    settings.timeouts.drain = std::chrono::milliseconds(500);
    settings.replicas.count = 2;
    return settings;
  }

  std::unique_ptr<uring::Ring> ring_ = uring::make_kernel_ring({.submission_entries = 64, .completion_entries = 256});
  async::Loop loop_{*ring_};
  async::CancelScope never_;

 private:
  std::vector<PortReservation> reserved_;
};

// Answers every heartbeat with `status` once `open` is set, or not at all where that is 0; counts them.
class HeartbeatServer {
 public:
  HeartbeatServer(async::Loop& loop, async::Listener listener)
      : open(loop), loop_(loop), address_(*async::bound_address(listener.get())),
        server_(loop, [this](const async::Request& request) { return answer(request); }) {
    open.set();
    server_.serve(std::move(listener));
  }
  const SocketAddress& address() const { return address_; }
  async::Task<void> stop() { return server_.stop(std::chrono::milliseconds(0)); }

  uint16_t status = 200;
  int asked = 0;
  async::Event open;

 private:
  async::Task<async::Answer> answer(const async::Request& request) {
    ++asked;
    (void)co_await open.wait({UINT64_MAX, request.scope});
    if (status == 0) (void)co_await loop_.sleep(std::chrono::seconds(1000), request.scope);
    async::Answer given;
    given.status = status == 0 ? 200 : status;
    co_return given;
  }
  async::Loop& loop_;
  SocketAddress address_;
  async::HttpServer server_;
};

}  // namespace ringmaster::admin
