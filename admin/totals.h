// The counters of a replica over all its lives: each life counts into an Upstream of its own, which goes when the last
// worker lets go of it; what it had counted is added here first, so that a respawn loses nothing.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "proxy/control.h"

namespace ringmaster::admin {

struct Totals {
  uint64_t requests = 0, failures = 0, ejections = 0;
  uint64_t in_flight = 0, waiting = 0, connections = 0;  // gauges: of the lives that are added now
  std::array<uint64_t, proxy::Histogram::buckets> latency{};
  uint64_t latency_sum_us = 0;

  void add(const proxy::UpstreamMeters& meters) noexcept;
  void add(const Totals& other) noexcept;
};

// [worker]
using TotalsByWorker = std::vector<Totals>;
void add(TotalsByWorker& totals, const proxy::Upstream& upstream) noexcept;
Totals sum(const TotalsByWorker& totals) noexcept;

}  // namespace ringmaster::admin
