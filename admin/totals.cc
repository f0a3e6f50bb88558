#include "admin/totals.h"

#include <algorithm>

namespace ringmaster::admin {

void Totals::add(const proxy::UpstreamMeters& meters) noexcept {
  requests += meters.requests.value();
  failures += meters.failures.value();
  ejections += meters.ejections.value();
  in_flight += meters.in_flight.value();
  waiting += meters.waiting.value();
  connections += meters.connections.value();
  for (size_t i = 0; i < latency.size(); ++i) latency[i] += meters.latency.count(static_cast<int>(i));
  latency_sum_us += meters.latency.sum_us();
}

void Totals::add(const Totals& other) noexcept {
  requests += other.requests;
  failures += other.failures;
  ejections += other.ejections;
  in_flight += other.in_flight;
  waiting += other.waiting;
  connections += other.connections;
  for (size_t i = 0; i < latency.size(); ++i) latency[i] += other.latency[i];
  latency_sum_us += other.latency_sum_us;
}

void add(TotalsByWorker& totals, const proxy::Upstream& upstream) noexcept {
  const size_t workers = std::min(totals.size(), upstream.meters.size());
  for (size_t worker = 0; worker < workers; ++worker) totals[worker].add(upstream.meters[worker]);
}

Totals sum(const TotalsByWorker& totals) noexcept {
  Totals all;
  for (const Totals& one : totals) all.add(one);
  return all;
}

}  // namespace ringmaster::admin
