// One list of behaviours, two worlds: real sockets under the kernel's ring, and the fake network. A World holds the
// ring under test and the other ends of its connections, and turns both until something has happened.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "uring/buffer_pool.h"
#include "uring/ring.h"

namespace ringmaster::uring {

class Peer {
 public:
  virtual ~Peer() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual void end() = 0;    // orderly, of its own direction
  virtual void reset() = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  virtual const std::string& received() = 0;
  virtual bool ended() = 0;
  virtual bool was_reset() = 0;
};

class World {
 public:
  virtual ~World() = default;
  virtual Ring& ring() = 0;
  virtual int listen() = 0;                            // a listening descriptor for the ring
  virtual Peer& dial(int listener) = 0;                // a client that connects to it
  virtual SocketAddress server() = 0;                  // an address that accepts what the ring connects to it
  virtual Peer* served() = 0;                          // the last that it accepted, or nullptr
  virtual Peer* next_served() = 0;                     // each that it accepted, once; nullptr: no other yet
  virtual SocketAddress refusing() = 0;
  virtual SocketAddress silent() = 0;                  // lets a connect hang
  virtual void turn_peers() {}                         // one step of their side

  // Turns the ring until done() or a bound, which fails the test. Completions are kept for next().
  void run_until(const std::function<bool()>& done, const char* what = "") {
    for (int round = 0; round < 20'000; ++round) {
      if (done()) return;
      turn();
    }
    FAIL() << "nothing came of: " << what;
  }
  void turn() {
    turn_peers();
    for (const Completion& completion : ring().wait(ring().now_ns() + 2'000'000)) seen_.push_back(completion);
  }
  // The next completion under this user_data; {} with more == true and result -1 where the test has failed.
  Completion next(uint64_t user_data) {
    Completion found{.result = -1};
    run_until([&] { return take(user_data, found); }, "a completion");
    return found;
  }
  bool take(uint64_t user_data, Completion& found) {
    for (auto i = seen_.begin(); i != seen_.end(); ++i) {
      if (i->user_data != user_data) continue;
      found = *i;
      seen_.erase(i);
      return true;
    }
    return false;
  }
  // Turns for a while in which nothing under this user_data may complete.
  bool quiet(uint64_t user_data) {
    Completion found;
    for (int i = 0; i < 10; ++i) turn();
    return !take(user_data, found);
  }

 private:
  std::deque<Completion> seen_;
};

using MakeWorld = std::unique_ptr<World> (*)();
std::unique_ptr<World> make_kernel_world();
std::unique_ptr<World> make_fake_world();
std::unique_ptr<World> make_unkind_world();  // a fake one with every harmless fault

}  // namespace ringmaster::uring
