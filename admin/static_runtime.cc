#include "admin/static_runtime.h"

#include <fmt/format.h>

namespace ringmaster::admin {

StaticRuntime::StaticRuntime(const std::vector<config::StaticReplica>& replicas) {
  for (const config::StaticReplica& replica : replicas) {
    const Result<SocketAddress> address = SocketAddress::parse(replica.address);
    if (!address) {
      throw StartError(ExitCode::configuration,
                       fmt::format("replicas.static: '{}' has the address '{}'", replica.name, replica.address),
                       "give an address as 127.0.0.1:9001, [::1]:9001 or unix:/path; names are not resolved");
    }
    addresses_.emplace(replica.name, *address);
  }
}

void StaticRuntime::start(const StartOrder& order) {
  const auto place = addresses_.find(order.name);
  if (place == addresses_.end()) {
    listener_->on_not_started(order.id, "it is not among the settings' static replicas");
  } else {
    listener_->on_running(order.id, {place->second, -1, {}});
  }
}

void StaticRuntime::end(uint64_t id, std::chrono::milliseconds) { listener_->on_ended(id); }

}  // namespace ringmaster::admin
