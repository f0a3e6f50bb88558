#include "world.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/fd.h"
#include "tests/fake/fake_ring.h"
#include "uring/kernel_ring.h"

namespace ringmaster::uring {

namespace {

SocketAddress address_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  EXPECT_EQ(getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length), 0);
  return SocketAddress(reinterpret_cast<sockaddr*>(&storage), length);
}

Fd real_listener(int backlog) {
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const SocketAddress any = SocketAddress::loopback(0);
  EXPECT_EQ(bind(listener.get(), any.data(), any.length()), 0);
  EXPECT_EQ(listen(listener.get(), backlog), 0);
  return listener;
}

class RealPeer final : public Peer {
 public:
  explicit RealPeer(Fd socket) : socket_(std::move(socket)) {}

  void write(std::string_view bytes) override {
    outgoing_ += bytes;
    turn();
  }
  void end() override {
    end_wanted_ = true;
    turn();
  }
  void reset() override {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.reset();
  }
  void pause_reading() override { reading_ = false; }
  void resume_reading() override { reading_ = true; }
  const std::string& received() override { return received_; }
  bool ended() override { return ended_; }
  bool was_reset() override { return was_reset_; }

  void turn() {
    if (!socket_) return;
    while (!outgoing_.empty()) {
      const ssize_t count = ::send(socket_.get(), outgoing_.data(), outgoing_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count <= 0) break;
      outgoing_.erase(0, static_cast<size_t>(count));
    }
    if (outgoing_.empty() && std::exchange(end_wanted_, false)) shutdown(socket_.get(), SHUT_WR);
    static std::vector<char> buffer(1 << 20);
    while (reading_ && !ended_ && !was_reset_) {
      const ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) received_.append(buffer.data(), static_cast<size_t>(count));
      else if (count == 0) ended_ = true;
      else if (errno == ECONNRESET) was_reset_ = true;
      else break;
    }
  }

 private:
  Fd socket_;
  std::string outgoing_;
  std::string received_;
  bool end_wanted_ = false;
  bool reading_ = true;
  bool ended_ = false;
  bool was_reset_ = false;
};

class KernelWorld final : public World {
 public:
  Ring& ring() override { return *ring_; }
  int listen() override { return real_listener(64).release(); }
  Peer& dial(int listener) override {
    Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress address = address_of(listener);
    EXPECT_EQ(connect(client.get(), address.data(), address.length()), 0);
    return add(std::move(client));
  }
  SocketAddress server() override { return address_of(server_.get()); }
  Peer* served() override {
    Fd accepted(accept4(server_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (accepted) last_served_ = &add(std::move(accepted));
    return last_served_;
  }
  Peer* next_served() override {
    Peer* const before = last_served_;
    return served() == before ? nullptr : last_served_;
  }
  SocketAddress refusing() override {
    // Bound, so that the port is given to nobody else, and not listening.
    const SocketAddress any = SocketAddress::loopback(0);
    if (!refusing_) {
      refusing_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(bind(refusing_.get(), any.data(), any.length()), 0);
    }
    return address_of(refusing_.get());
  }
  // A listener whose backlog is full ignores further attempts.
  SocketAddress silent() override {
    full_ = real_listener(0);
    const SocketAddress address = address_of(full_.get());
    for (int i = 0; i < 3; ++i) {
      fill_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      connect(fill_.back().get(), address.data(), address.length());
    }
    return address;
  }
  void turn_peers() override {
    for (const auto& peer : peers_) peer->turn();
  }

 private:
  RealPeer& add(Fd socket) {
    peers_.push_back(std::make_unique<RealPeer>(std::move(socket)));
    return *peers_.back();
  }
  std::unique_ptr<Ring> ring_ = make_kernel_ring({.submission_entries = 64, .completion_entries = 256});
  Fd server_ = real_listener(64);
  Fd refusing_;
  Fd full_;
  std::vector<Fd> fill_;
  std::vector<std::unique_ptr<RealPeer>> peers_;
  RealPeer* last_served_ = nullptr;
};

class PeerOfFake final : public Peer {
 public:
  explicit PeerOfFake(fake::FakePeer& peer) : peer_(peer) {}
  void write(std::string_view bytes) override { peer_.write(bytes); }
  void end() override { peer_.end(); }
  void reset() override { peer_.reset(); }
  void pause_reading() override { peer_.pause_reading(); }
  void resume_reading() override { peer_.resume_reading(); }
  const std::string& received() override { return peer_.received(); }
  bool ended() override { return peer_.ended(); }
  bool was_reset() override { return peer_.was_reset(); }

 private:
  fake::FakePeer& peer_;
};

class FakeWorld final : public World {
 public:
  explicit FakeWorld(uint64_t seed, fake::FaultRates rates) : ring_(seed, rates) {
    ring_.serve(server(), [this](fake::FakePeer& peer) { served_.push_back(&add(peer)); });
    ring_.never_answer(silent());
  }
  Ring& ring() override { return ring_; }
  int listen() override { return ring_.listen(); }
  Peer& dial(int listener) override { return add(ring_.connect_client(listener)); }
  SocketAddress server() override { return SocketAddress::loopback(9001); }
  Peer* served() override { return served_.empty() ? nullptr : served_.back(); }
  Peer* next_served() override { return told_ == served_.size() ? nullptr : served_[told_++]; }
  SocketAddress refusing() override { return SocketAddress::loopback(9002); }
  SocketAddress silent() override { return SocketAddress::loopback(9003); }

 private:
  Peer& add(fake::FakePeer& peer) {
    peers_.push_back(std::make_unique<PeerOfFake>(peer));
    return *peers_.back();
  }
  fake::FakeRing ring_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<Peer*> served_;
  size_t told_ = 0;
};

}  // namespace

std::unique_ptr<World> make_kernel_world() { return std::make_unique<KernelWorld>(); }
std::unique_ptr<World> make_fake_world() { return std::make_unique<FakeWorld>(1, fake::FaultRates{}); }
std::unique_ptr<World> make_unkind_world() { return std::make_unique<FakeWorld>(2, fake::FaultRates::harmless()); }

}  // namespace ringmaster::uring
