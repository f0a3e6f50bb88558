// GET /metrics: every counter, in the Prometheus text format 0.0.4.
//
// The names and help texts of the workers' counters come from the table in proxy/meters.h, those of the refusals from
// the one in http/refusal.h: a counter that is added there is here. All names begin with ringmaster_, counters end in
// _total, times are in seconds. Histograms are given at every power of two of microseconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "admin/registry.h"
#include "proxy/control.h"

namespace ringmaster::admin {

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

std::string metrics_text(const Registry& registry, const proxy::Control& control, std::string_view version);

}  // namespace ringmaster::admin
