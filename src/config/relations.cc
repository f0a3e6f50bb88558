// What must hold between settings, each of which is good by itself.

#include <algorithm>

#include <fmt/format.h>

#include "base/address.h"
#include "config/draft.h"

namespace ringmaster::config {

namespace {

constexpr uint32_t assignment_slots = 512;   // balance::default_slots() of the three; the tests compare

bool is_prime(uint32_t number) {
  if (number < 2) return false;
  for (uint32_t divisor = 2; divisor <= number / divisor; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return true;
}

bool is_assignment_table(std::string_view table) {
  return table == "assignment" || table == "assignment-printed" || table == "md5";
}

void check_admin(const Settings& settings, std::vector<Breach>& out) {
  const auto address = SocketAddress::parse(settings.admin.listen);
  if (!settings.admin.token_file.empty() || !address || address->is_loopback()) return;
  out.push_back({{"admin.token_file", "admin.listen"},
                 fmt::format("found none, with admin.listen {}; allowed: a token file, or an admin.listen that is "
                             "loopback or a unix socket",
                             in_quotes(settings.admin.listen))});
}

void check_runtime(const Settings& settings, std::vector<Breach>& out) {
  const auto& replicas = settings.replicas;
  if (replicas.runtime == Runtime::static_list && replicas.static_list.empty()) {
    out.push_back({{"replicas.static", "replicas.runtime"},
                   "found none, with replicas.runtime \"static\"; allowed: at least one [[replicas.static]]"});
  }
  if (replicas.runtime == Runtime::process && replicas.command.empty()) {
    out.push_back({{"replicas.command", "replicas.runtime"},
                   "found none, with replicas.runtime \"process\"; allowed: a program and its arguments"});
  }
  if (replicas.on_exit == OnExit::keep && replicas.runtime != Runtime::docker) {
    out.push_back({{"replicas.on_exit", "replicas.runtime"},
                   "found \"keep\", without replicas.runtime \"docker\"; allowed: stop"});
  }
}

// A table with more virtual nodes than slots would never be full and never be found free: probing has no end there.
void check_room(const Settings& settings, std::vector<Breach>& out) {
  const auto& routing = settings.routing;
  if (!is_assignment_table(routing.table)) return;
  const uint64_t slots = routing.slots != 0 ? routing.slots : assignment_slots;
  const bool is_static = settings.replicas.runtime == Runtime::static_list;
  const uint64_t replicas = is_static ? settings.replicas.static_list.size() : settings.replicas.count;
  if (replicas * routing.virtual_nodes <= slots) return;
  out.push_back(
      {{"routing.slots", "routing.virtual_nodes", is_static ? "replicas.static" : "replicas.count", "routing.table"},
       fmt::format("found {} for {} replicas with {} virtual nodes each; allowed: {} or more", slots, replicas,
                   routing.virtual_nodes, replicas * routing.virtual_nodes)});
}

void check_maglev(const Settings& settings, std::vector<Breach>& out) {
  const auto& routing = settings.routing;
  if (routing.table != "maglev" || routing.slots == 0 || is_prime(routing.slots)) return;
  out.push_back({{"routing.slots", "routing.table"},
                 fmt::format("found {}, with routing.table \"maglev\"; allowed: a prime such as 65537, or 0",
                             routing.slots)});
}

// Somebody else has to take what is above the bound; and below 1 there is no room for everybody.
void check_bound(const Settings& settings, std::vector<Breach>& out) {
  const auto& routing = settings.routing;
  if (routing.balance_factor == 0) return;
  if (routing.affinity != "prefer") {
    out.push_back({{"routing.balance_factor", "routing.affinity"},
                   fmt::format("found {}, with routing.affinity {}; allowed: 0, or the affinity \"prefer\"",
                               amount_text(Kind::factor, routing.balance_factor), in_quotes(routing.affinity))});
  } else if (routing.balance_factor <= 100) {
    out.push_back({{"routing.balance_factor"},
                   fmt::format("found {}; allowed: 0, or more than 1, such as 1.25",
                               amount_text(Kind::factor, routing.balance_factor))});
  }
}

bool has_table(std::string_view table) {
  return table != "round_robin" && table != "least_connections" && table != "power_of_two";
}

// Without a table there is no owner that a request could insist on, wait for or leave.
void check_policy(const Settings& settings, std::vector<Breach>& out) {
  const auto& routing = settings.routing;
  if (has_table(routing.table)) return;
  const auto refuse = [&](std::string_view key, std::string_view found, std::string_view allowed) {
    out.push_back({{key, "routing.table"},
                   fmt::format("found {}, with routing.table {}; allowed: {}, or a table of slots", found,
                               in_quotes(routing.table), allowed)});
  };
  if (routing.affinity != "prefer") refuse("routing.affinity", in_quotes(routing.affinity), "\"prefer\"");
  if (routing.balance_factor != 0) {
    refuse("routing.balance_factor", amount_text(Kind::factor, routing.balance_factor), "0");
  }
  if (routing.hot_key_replicas != 1) {
    refuse("routing.hot_key_replicas", fmt::format("{}", routing.hot_key_replicas), "1");
  }
}

void check_hot_keys(const Settings& settings, std::vector<Breach>& out) {
  const auto& routing = settings.routing;
  if (routing.hot_key_replicas == 1 || routing.affinity != "strict") return;
  out.push_back({{"routing.hot_key_replicas", "routing.affinity"},
                 fmt::format("found {}, with routing.affinity \"strict\"; allowed: 1, or another affinity",
                             routing.hot_key_replicas)});
}

// Browsers refuse the one without the other.
void check_sticky(const Settings& settings, std::vector<Breach>& out) {
  const auto& routing = settings.routing;
  if (routing.sticky_same_site != "none" || routing.sticky_secure) return;
  out.push_back({{"routing.sticky_same_site", "routing.sticky_secure"},
                 "found \"none\", with routing.sticky_secure false; allowed: lax | strict, or sticky_secure true"});
}

}  // namespace

std::vector<Breach> breaches(const Settings& settings) {
  std::vector<Breach> out;
  check_maglev(settings, out);
  check_room(settings, out);
  check_bound(settings, out);
  check_policy(settings, out);
  check_hot_keys(settings, out);
  check_sticky(settings, out);
  check_runtime(settings, out);
  check_admin(settings, out);
  return out;
}

bool has_name(std::span<const StaticReplica> replicas, std::string_view name) {
  return std::any_of(replicas.begin(), replicas.end(),
                     [&](const StaticReplica& replica) { return replica.name == name; });
}

StaticReplica default_replica() {
  StaticReplica replica;
  for (const ReplicaColumn& column : replica_columns()) {
    if (!column.shape.required) column.set(column.shape, replica, default_value(column.shape));
  }
  return replica;
}

}  // namespace ringmaster::config
