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
// All of it happens in the admin thread, and no call blocks. The listener may be called from within start() and end().
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/address.h"

namespace ringmaster::admin {

struct StartOrder {
  uint64_t id = 0;          // of the life
  std::string name;         // of the replica
  uint64_t number = 0;      // of the replica, in the order of joining, from 1
  uint32_t epoch = 0;       // of the replica's lives, from 1
};

class RuntimeListener {
 public:
  virtual void on_running(uint64_t id, const SocketAddress& address, int64_t pid) = 0;  // pid -1: not a process here
  virtual void on_not_started(uint64_t id, const std::string& reason) = 0;
  virtual void on_died(uint64_t id, const std::string& reason) = 0;   // not asked for
  virtual void on_ended(uint64_t id) = 0;

 protected:
  ~RuntimeListener() = default;
};

class Runtime {
 public:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  virtual ~Runtime() = default;  // every life has ended, and its task in the loop returned

  // Before the first start().
  void set_listener(RuntimeListener& listener) noexcept { listener_ = &listener; }

  // false: somebody else starts the replicas; start() only looks up where they are.
  virtual bool starts_replicas() const noexcept = 0;
  virtual void start(const StartOrder& order) = 0;
  // Ends it politely, and by force after `grace`; or gives back what was kept for a dead one. May be called again to
  // shorten the grace.
  virtual void end(uint64_t id, std::chrono::milliseconds grace) = 0;

 protected:
  RuntimeListener* listener_ = nullptr;
};

}  // namespace ringmaster::admin
