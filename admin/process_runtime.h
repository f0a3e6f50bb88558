// Replicas as processes of this machine, each on a port of its own on 127.0.0.1.
//
// A replica is told its port by PORT and its name by SERVER_ID. Death is known from its pidfd the moment it happens.
// Stopping is SIGTERM, then SIGKILL after the grace. No process is left behind however we end: see spawn().
//
// The port is reserved until the life has ended (see reserve_port), so that between a death and the next table nobody
// else can answer in the replica's place. A server that does not set SO_REUSEADDR cannot bind a reserved port: it dies
// at once, and lives after that one are given a port that was free a moment ago, and so on in turn.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "admin/runtime.h"
#include "admin/spawn.h"
#include "async/loop.h"

namespace ringmaster::admin {

class ProcessRuntime final : public Runtime {
 public:
  // Throws StartError where the command's program is not found.
  ProcessRuntime(async::Loop& loop, const std::vector<std::string>& command);
  ~ProcessRuntime() override;

  bool starts_replicas() const noexcept override { return true; }
  void start(const StartOrder& order) override;
  void end(uint64_t id, std::chrono::milliseconds grace) override;

 private:
  struct Process;
  Result<void> launch(Process& process);
  async::Task<void> live(std::shared_ptr<Process> process);
  async::Task<void> kill_later(std::shared_ptr<Process> process, std::chrono::milliseconds grace);

  async::Loop& loop_;
  std::vector<std::string> command_;
  std::string program_;
  bool hold_ports_ = true;
  async::CancelScope never_;   // deaths are waited for whatever else is cancelled
  std::unordered_map<uint64_t, std::shared_ptr<Process>> processes_;
};

}  // namespace ringmaster::admin
