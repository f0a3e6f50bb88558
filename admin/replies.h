// What the API says, as JSON text. Pure: reads, and writes a string.
//
// Keys stand in the order in which a reader wants them, in the assignment's replies in the order of the assignment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/registry.h"
#include "admin/runtime.h"
#include "config/settings.h"
#include "proxy/control.h"

namespace ringmaster::admin {

// {"message":"…","status":"failure"}; also where a message has bytes that are no UTF-8.
std::string failure_json(std::string_view message);
// {"message":"…","status":"successful"}
std::string success_json(std::string_view message);
// {"message":{"N":3,"replicas":["Server1","Server2","Server3"]},"status":"successful"}
std::string rep_json(const std::vector<std::string>& names);

// {"epoch":7,"healing":"on","runtime":{"able":true,…},"replicas":[{"name":…,"state":…}]}: the members in joining order,
// then the removed ones that are being drained. "counters" are sums over the workers, and over all lives of the
// replica; "former" are lives that have been replaced and are not quite over.
std::string replicas_json(const Registry& registry, const Condition& condition, uint64_t table_epoch,
                          uint64_t now_ns);
std::string replica_json(const Registry& registry, const Replica& replica, uint64_t now_ns);
// {"message":"rolled","rolled":["Server1",…],"status":"successful"}
std::string rolled_json(const std::vector<std::string>& names);
// {"name":…,"state":"draining"}
std::string leaving_json(std::string_view name);

// {"kind":…,"slots":…,"epoch":…,"digest":…,"replicas":[{"name":…,"weight":…,"slots":…,"share":…}]}: of the keys
// Under a policy (its name) nobody owns a slot: names and weights only.
std::string table_json(const balance::Table& table, std::optional<uint64_t> epoch, std::string_view policy = {});
// {"proxy":{"listen":[…],…},…}: every row of the settings table; durations as text with their unit.
std::string settings_json(const config::Settings& settings);

}  // namespace ringmaster::admin
