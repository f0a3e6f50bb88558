// What a worker is made of, as its connections and exchanges see it. One of each for each worker; nothing in here is
// touched by another thread, but for the meters, which are read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "balance/choice.h"
#include "balance/policy.h"
#include "base/slab.h"
#include "config/settings.h"
#include "http/client.h"
#include "http/forward.h"
#include "http/head.h"
#include "http/key.h"
#include "proxy/access_log.h"
#include "proxy/control.h"
#include "proxy/retry_budget.h"
#include "proxy/sticky.h"
#include "proxy/stream.h"
#include "uring/buffer_pool.h"
#include "uring/ring.h"
#include "uring/timer_wheel.h"

namespace ringmaster::proxy {

class Connection;
class Exchange;
class Router;
class UpstreamConnection;
class HeadAssembly;

struct IdleTag;
using IdleClients = List<Connection, IdleTag>;

// A timer that knows whose deadline it is.
struct OwnedTimer : uring::Timer {
  enum class Owner : uint8_t { client, upstream, waiting, worker };
  OwnedTimer(Owner owner_, void* whose_) noexcept : owner(owner_), whose(whose_) {}
  const Owner owner;
  void* const whose;   // the Connection, UpstreamConnection or WaitingRoom that embeds it
};

// The settings as the request path wants them: parsed once, in nanoseconds.
struct ProxySettings {
  explicit ProxySettings(const config::Settings& settings, uint32_t workers_);
  http::HeadLimits head_limits;
  std::vector<http::KeySource> key;
  http::Networks trusted_proxies;
  uint64_t connect_ns, request_header_ns, request_body_idle_ns, response_ns, response_idle_ns, keep_alive_ns,
      upstream_keep_alive_ns, tunnel_idle_ns, drain_ns;
  uint64_t ejection_ns;     // how long a worker looks away from an ejected replica, unless a table comes first
  uint32_t ejection_after;  // failures in a row; 0: never
  bool fail_open;           // where every replica is out of sight, ask one all the same
  uint64_t body_bytes_max;          // 0: any
  uint32_t connections_max;         // this worker's share
  // Of all workers together, to be shared by balance::share_of(); 0: any number of connections, no queue.
  uint32_t connections_per_replica, queue_length;
  uint64_t queue_timeout_ns, affinity_wait_ns;
  balance::Affinity affinity = balance::Affinity::prefer;
  uint32_t balance_factor;          // in hundredths; 0: no bound
  balance::Policy policy = balance::Policy::table;
  uint64_t slow_start_ns;           // 0: none
  uint32_t hot_key_replicas, hot_key_share;
  StickyCookies sticky;
  bool debug_headers;
  std::vector<std::string> key_texts;   // of `key`, for the debug headers
  uint32_t attempts_max;            // tries in all
  uint16_t pipeline_depth;          // arrivals of a client that may wait while one of its requests is served
  uint32_t retry_percent;
  config::AccessFormat access_format;
  bool drop_in;
  bool date = true;                 // add a Date where there is none; off where tests compare bytes
  bool via;
};

// Small, fast and good enough to spread keys: SplitMix64 (Steele, Lea and Flood, 2014). Not for secrets.
class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed) {}
  uint64_t next() noexcept {
    uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
  }
  // Uniform in [0, bound).
  uint32_t below(uint32_t bound) noexcept {
    return static_cast<uint32_t>((next() >> 32) * bound >> 32);
  }

 private:
  uint64_t state_;
};

struct Parts {
  Parts(uring::Ring& ring_, uring::BufferPool& buffers_, const ProxySettings& settings_, WorkerMeters& meters_,
        uint64_t seed);
  ~Parts();

  uint64_t now() const noexcept { return ring.now_ns(); }
  // For an answer whose replica gave no Date (RFC 9110 section 6.6.1); made once a second.
  std::string_view date() noexcept;
  // Counts the refusal under its cause; says it in the log at most once a second for each cause.
  void count_refusal(http::Cause cause, std::string_view who) noexcept;

  uring::Ring& ring;
  uring::BufferPool& buffers;
  const ProxySettings& settings;
  WorkerMeters& meters;
  uring::TimerWheel timers;
  PieceSlab pieces;
  StreamTools stream_tools;
  std::unique_ptr<AccessLog> access;    // nullptr: off; outlives the exchanges
  Slab<Connection> clients;
  Slab<UpstreamConnection> upstreams;
  Slab<Exchange> exchanges;
  IdleClients idle_clients;             // longest idle first
  RetryBudget retry_budget;
  Random random;
  uint32_t in_flight = 0;               // exchanges under way on the replicas of the table in force
  Router* router = nullptr;
  http::FieldScratch fields;            // of the head being read
  // Name, value and attributes of the cookie, a name of 63 bytes and a key's source; see forms.cc and parts.cc.
  std::array<char, 1024> own_fields;
  std::array<char, 128 * 1024> rewrite; // a head being rebuilt
  bool draining = false;

 private:
  std::array<uint64_t, http::causes> said_ns_{};
  std::array<char, http::date_bytes> date_{};
  uint64_t date_until_ns_ = 0;
};

}  // namespace ringmaster::proxy
