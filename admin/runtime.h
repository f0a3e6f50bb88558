// What makes replicas run: local processes, containers, or somebody else.
//
// A runtime starts lives and ends them, and says when one dies by itself. It decides nothing: names, numbers, when to
// start again and what is in the table is the registry's; whether a life is ready is the heartbeat's.
//
// The conversation about one life:
//
//     start(order) ──► on_running(address) ──► [on_died] ──► end(id) ──► on_ended          the usual way
//     start(order) ──► on_not_started(reason) ─────────────► end(id) ──► on_ended
//     start(order) ─────────────────────────────────────────► end(id) ──► on_ended          not wanted any more
//
// Every start() is followed by end() in time, and that by exactly one on_ended(); nothing is heard of a life after
// that, nor of its running or dying once end() has been called. Whatever is kept for a life (its port, its directory,
// its container's name) is kept until on_ended(), so that its address cannot become a stranger's while workers still
// know it. Two lives of one name may overlap: the old one is drained while the new one starts.
//
// A life may be there already, left by an earlier run of ours: find() says which, and start() adopts one where the
// order names it. keep() is end() for a life that is to be left running for the next run.
//
// All of it happens in the admin thread, and no call blocks. The listener may be called from within start() and end().
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "async/loop.h"
#include "base/address.h"

namespace ringmaster::admin {

struct StartOrder {
  uint64_t id = 0;          // of the life
  std::string name;         // of the replica
  uint64_t number = 0;      // of the replica, in the order of joining, from 1
  uint32_t weight = 1;
  uint32_t epoch = 0;       // of the replica's lives, from 1
  std::string image;        // of a container, where it is not the settings'
  std::string adopts;       // what find() called it; "": a new one
};

// Where a life is to be found.
struct Place {
  SocketAddress address;
  int64_t pid = -1;         // -1: not a process of ours
  std::string container;    // its name; "": not a container
  std::string image;        // that it runs; "": not a container, or not known
};

// What an earlier run has left.
struct Found {
  std::string name;
  uint64_t number = 0;
  uint32_t weight = 1;
  uint32_t epoch = 0;
  std::string image;        // as in StartOrder
  std::string adopts;       // "": the replica was there, its life is over
};

class RuntimeListener {
 public:
  virtual void on_running(uint64_t id, const Place& place) = 0;
  virtual void on_not_started(uint64_t id, const std::string& reason) = 0;
  virtual void on_died(uint64_t id, const std::string& reason) = 0;   // not asked for
  virtual void on_ended(uint64_t id) = 0;
  virtual void on_suspicion(uint64_t id, const std::string& reason) = 0;  // it may be unwell: ask it
  virtual void on_condition() = 0;                                    // condition() has changed

 protected:
  ~RuntimeListener() = default;
};

// Whether replicas can be started and ended now.
struct Condition {
  bool able = true;
  std::string text;         // why not, or what it works with
};

class Runtime {
 public:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  virtual ~Runtime() = default;  // every life has ended, and its tasks in the loop returned

  // Before the first start().
  void set_listener(RuntimeListener& listener) noexcept { listener_ = &listener; }

  // What it does beside the lives: spawned once, returns when `scope` is cancelled.
  virtual async::Task<void> run(async::CancelScope&) { co_return; }
  // What is left of an earlier run, by number; waits until that can be known, or until `scope` is cancelled. Once,
  // before the first start().
  virtual async::Task<std::vector<Found>> find(async::CancelScope&) { co_return std::vector<Found>(); }

  // false: somebody else starts the replicas; start() only looks up where they are.
  virtual bool starts_replicas() const noexcept = 0;
  // Whether StartOrder::image means anything.
  virtual bool has_images() const noexcept { return false; }
  virtual Condition condition() const { return {}; }
  virtual void start(const StartOrder& order) = 0;
  // Ends it politely, and by force after `grace`; or gives back what was kept for a dead one. May be called again to
  // shorten the grace.
  virtual void end(uint64_t id, std::chrono::milliseconds grace) = 0;
  // In place of end(), where it can live without us; on_ended() follows as well.
  virtual void keep(uint64_t id) { end(id, std::chrono::milliseconds(0)); }
  // The program ends: what cannot be ended within `time` is given up, with a word in the log.
  virtual void last_call(std::chrono::milliseconds) {}

 protected:
  RuntimeListener* listener_ = nullptr;
};

}  // namespace ringmaster::admin
