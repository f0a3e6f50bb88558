// Replicas that somebody else runs, at fixed addresses: checked, ejected and readmitted; never started, never ended.
#pragma once

#include <unordered_map>
#include <vector>

#include "admin/runtime.h"
#include "config/settings.h"

namespace ringmaster::admin {

class StaticRuntime final : public Runtime {
 public:
  // Throws StartError where an address cannot be read.
  explicit StaticRuntime(const std::vector<config::StaticReplica>& replicas);

  bool starts_replicas() const noexcept override { return false; }
  void start(const StartOrder& order) override;
  void end(uint64_t id, std::chrono::milliseconds grace) override;

 private:
  std::unordered_map<std::string, SocketAddress> addresses_;
};

}  // namespace ringmaster::admin
