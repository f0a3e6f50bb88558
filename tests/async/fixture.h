// What the tests of async share: a loop on a real ring, and a raw client that says and expects bytes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "async/loop.h"
#include "async/sockets.h"
#include "uring/kernel_ring.h"

namespace ringmaster::async {

class LoopTest : public testing::Test {
 protected:
  static constexpr std::chrono::seconds long_time{10};  // longer than anything here takes

  void run(Task<void> task) {
    loop_.spawn(std::move(task));
    loop_.run();
  }
  static Listener listen() {
    Result<Listener> listener = listen_on(SocketAddress::loopback(0));
    EXPECT_TRUE(listener);
    return std::move(*listener);
  }
  static SocketAddress address_of(const Listener& listener) { return *bound_address(listener.get()); }

  std::unique_ptr<uring::Ring> ring_ = uring::make_kernel_ring({.submission_entries = 64, .completion_entries = 256});
  Loop loop_{*ring_};
};

class RawClient {
 public:
  explicit RawClient(Loop& loop) : loop_(loop) {}

  Task<void> connect(SocketAddress address) {
    Result<Socket> socket = co_await loop_.connect(address, patience());
    EXPECT_TRUE(socket);
    if (socket) socket_ = std::move(*socket);
  }
  Task<void> say(std::string bytes) {
    const Result<void> sent = co_await loop_.send(socket_.get(), bytes, patience());
    EXPECT_TRUE(sent);
  }
  // Everything until it ends with `end`, or until the stream ends.
  Task<std::string> hear(std::string_view end) {
    std::string heard;
    while (!heard.ends_with(end) || end.empty()) {
      char bytes[4096];
      const Result<size_t> got = co_await loop_.receive(socket_.get(), bytes, patience());
      if (!got) {
        heard += "<" + to_string(got.error()) + ">";
        break;
      }
      if (*got == 0) break;
      heard.append(bytes, *got);
    }
    co_return heard;
  }
  Task<std::string> hear_all() { return hear(""); }
  int socket() const { return socket_.get(); }
  void close() { socket_.reset(); }

 private:
  Patience patience() const { return loop_.within(std::chrono::seconds(10), &never_); }
  Loop& loop_;
  mutable CancelScope never_;
  Socket socket_;
};

}  // namespace ringmaster::async
