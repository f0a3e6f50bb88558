// The settings in force, as plain values: filled by settings_table.h, read by every part, never changed while running.
// A default-constructed Settings is not a useful one: default_settings() in load.h has the table's defaults.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"

namespace ringmaster::config {

using std::chrono::milliseconds;

enum class Runtime : uint8_t { process, static_list, docker };
enum class AccessFormat : uint8_t { combined, json };
enum class RespawnName : uint8_t { same, random };
enum class OnExit : uint8_t { stop, keep };
enum class Reach : uint8_t { automatic, network, published };

struct StaticReplica {
  std::string name;
  std::string address;
  uint32_t weight = 1;

  bool operator==(const StaticReplica&) const = default;
};

struct Settings {
  struct Proxy {
    std::vector<std::string> listen;
    uint32_t workers = 0;
    bool drop_in = false;
    bool via = false;
    bool debug_headers = false;
    std::vector<std::string> trusted_proxies;   // CIDR blocks whose forwarding fields are kept
    uint32_t receive_buffers = 0;               // provided buffers for each worker at most; 0: as needed
    bool operator==(const Proxy&) const = default;
  } proxy;
  struct Routing {
    std::string table;
    uint32_t slots = 0;              // 0: the table's own default
    uint32_t virtual_nodes = 9;
    std::string probing = "linear";
    std::vector<std::string> key;
    std::string affinity = "prefer";
    milliseconds affinity_wait{};
    uint32_t balance_factor = 0;     // in hundredths: 125 is 1.25; 0: no bound
    milliseconds slow_start{};       // 0: none
    uint32_t hot_key_replicas = 1;   // 1: hot keys are like others
    uint32_t hot_key_share = 10;     // per cent of a worker's traffic
    std::string sticky_cookie;       // "": none
    std::string sticky_secret_file;
    std::string sticky_same_site = "lax";
    bool sticky_secure = false;
    bool operator==(const Routing&) const = default;
  } routing;
  struct Replicas {
    Runtime runtime = Runtime::process;
    uint32_t count = 3;
    std::vector<std::string> command;
    RespawnName respawn_name = RespawnName::same;
    OnExit on_exit = OnExit::stop;
    std::vector<StaticReplica> static_list;
    bool operator==(const Replicas&) const = default;
  } replicas;
  struct Docker {
    std::string engine, instance, image;
    std::vector<std::string> command, environment, labels;
    std::string network;
    Reach reach = Reach::automatic;
    uint32_t port = 5000;
    uint64_t memory = 0;                        // bytes; 0: no limit, and so for the next two
    uint32_t cpu_thousandths = 0, pids = 0;
    bool read_only = true;
    std::string seccomp_file, extra_file;       // "": none
    bool operator==(const Docker&) const = default;
  } docker;
  struct Heartbeat {
    std::string path;
    milliseconds interval{}, timeout{};
    uint32_t fall = 2, rise = 1;
    bool operator==(const Heartbeat&) const = default;
  } heartbeat;
  struct Timeouts {
    milliseconds connect{}, request_header{}, request_body_idle{}, response{}, response_idle{}, keep_alive{},
        upstream_keep_alive{}, tunnel_idle{}, drain{};
    bool operator==(const Timeouts&) const = default;
  } timeouts;
  struct Limits {
    // The three of the head and pipeline_depth are never 0 here: a 0 in the file becomes the table's maximum.
    uint32_t request_line_bytes = 0, header_bytes = 0, header_count = 0;
    uint64_t body_bytes = 0;                    // 0: none; at most 2^63 - 1
    uint32_t connections = 0, connections_per_replica = 0, queue_length = 0;
    milliseconds queue_timeout{};
    uint32_t pipeline_depth = 0;
    bool operator==(const Limits&) const = default;
  } limits;
  struct Ejection {
    uint32_t consecutive_failures = 3;   // of one replica, as one worker sees it; 0: never
    bool fail_open = true;
    bool operator==(const Ejection&) const = default;
  } ejection;
  struct Retry {
    uint32_t budget_percent = 20;    // of requests
    uint32_t attempts = 2;           // tries after the first
    bool operator==(const Retry&) const = default;
  } retry;
  struct Admin {
    std::string listen;
    std::string token_file;
    bool operator==(const Admin&) const = default;
  } admin;
  struct Log {
    LogLevel level = LogLevel::info;
    std::string access;                         // "": none
    AccessFormat access_format = AccessFormat::combined;
    bool operator==(const Log&) const = default;
  } log;

  bool operator==(const Settings&) const = default;
};

}  // namespace ringmaster::config
