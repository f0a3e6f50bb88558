#include "proxy/parts.h"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"
#include "config/settings_table.h"
#include "http/forward.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/upstream_pool.h"

namespace ringmaster::proxy {

namespace {

// Every head that the settings allow fits the worker's buffer once it is rebuilt: what is added to one, fields about
// the client and framing, is far below the difference.
static_assert(config::request_line_bytes_max + config::header_bytes_max + 16 * 1024 <=
              std::tuple_size_v<decltype(Parts::rewrite)>);

uint64_t ns(config::milliseconds duration) { return static_cast<uint64_t>(duration.count()) * 1'000'000; }

constexpr size_t key_text_bytes_max = 100;   // of a key's source, as the debug headers show it

// As many clients as there are descriptors for: two each, client and replica, when all are busy.
uint32_t clients_within_descriptor_limit() {
  constexpr rlim_t reserved = 64;  // rings, listeners, the admin thread, replicas' pidfds, files
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t usable = limit.rlim_cur > 2 * reserved ? limit.rlim_cur - reserved : limit.rlim_cur / 2;
  return static_cast<uint32_t>(std::min<rlim_t>(usable / 2, 10'000'000));
}

// A worker's share of a limit for all; at least one, because 0 means none.
uint32_t share(uint32_t limit, uint32_t workers) { return limit == 0 ? 0 : std::max(1u, limit / workers); }

}  // namespace

ProxySettings::ProxySettings(const config::Settings& settings, uint32_t workers_) : sticky(settings) {
  head_limits = {.request_line_bytes = settings.limits.request_line_bytes,
                 .header_bytes = settings.limits.header_bytes,
                 .header_count = static_cast<uint16_t>(settings.limits.header_count)};
  for (const std::string& text : settings.routing.key) {
    auto source = http::KeySource::parse(text);
    ensure(source);  // the settings have been checked
    key.push_back(std::move(*source));
  }
  for (const http::KeySource& source : key) key_texts.push_back(source.text().substr(0, key_text_bytes_max));
  trusted_proxies = http::networks_of(settings.proxy.trusted_proxies);
  const auto& timeouts = settings.timeouts;
  connect_ns = ns(timeouts.connect);
  request_header_ns = ns(timeouts.request_header);
  request_body_idle_ns = ns(timeouts.request_body_idle);
  response_ns = ns(timeouts.response);
  response_idle_ns = ns(timeouts.response_idle);
  keep_alive_ns = ns(timeouts.keep_alive);
  upstream_keep_alive_ns = ns(timeouts.upstream_keep_alive);
  tunnel_idle_ns = ns(timeouts.tunnel_idle);
  drain_ns = ns(timeouts.drain);
  ejection_ns = ns(settings.heartbeat.interval);
  ejection_after = settings.ejection.consecutive_failures;
  fail_open = settings.ejection.fail_open;
  body_bytes_max = settings.limits.body_bytes;
  connections_max = settings.limits.connections != 0 ? share(settings.limits.connections, workers_)
                                                     : std::max(1u, clients_within_descriptor_limit() / workers_);
  connections_per_replica = settings.limits.connections_per_replica;
  queue_length = settings.limits.queue_length;
  queue_timeout_ns = ns(settings.limits.queue_timeout);
  affinity = balance::affinity(settings.routing.affinity).value_or(balance::Affinity::prefer);
  affinity_wait_ns = ns(settings.routing.affinity_wait);
  balance_factor = settings.routing.balance_factor;
  policy = balance::policy(settings.routing.table).value_or(balance::Policy::table);
  slow_start_ns = ns(settings.routing.slow_start);
  hot_key_replicas = settings.routing.hot_key_replicas;
  hot_key_share = settings.routing.hot_key_share;
  debug_headers = settings.proxy.debug_headers;
  pipeline_depth = static_cast<uint16_t>(settings.limits.pipeline_depth);
  attempts_max = 1 + settings.retry.attempts;
  retry_percent = settings.retry.budget_percent;
  access_format = settings.log.access_format;
  drop_in = settings.proxy.drop_in;
  via = settings.proxy.via;
}

Parts::Parts(uring::Ring& ring_, uring::BufferPool& buffers_, const ProxySettings& settings_, WorkerMeters& meters_,
             uint64_t seed)
    : ring(ring_),
      buffers(buffers_),
      settings(settings_),
      meters(meters_),
      timers(ring_.now_ns()),
      stream_tools{ring, buffers, pieces, meters},
      retry_budget(settings_.retry_percent),
      random(seed) {}

Parts::~Parts() = default;

std::string_view Parts::date() noexcept {
  if (!settings.date) return {};
  constexpr uint64_t second = 1'000'000'000;
  if (now() >= date_until_ns_) {
    http::write_date(time(nullptr), date_);
    date_until_ns_ = now() - now() % second + second;
  }
  return {date_.data(), date_.size()};
}

void Parts::count_refusal(http::Cause cause, std::string_view who) noexcept {
  const auto index = static_cast<size_t>(cause);
  meters.refusals.add(cause);
  constexpr uint64_t second = 1'000'000'000;
  if (said_ns_[index] != 0 && now() - said_ns_[index] < second) return;
  said_ns_[index] = now();
  log_info("{} {}: client {} ({} so far)", http::status_of(cause), http::name_of(cause), who,
           meters.refusals.of(cause).value());
}

}  // namespace ringmaster::proxy
