#include "admin/judgement.h"

#include <algorithm>

#include "admin/totals.h"

namespace ringmaster::admin {

using balance::Standing;

namespace {

uint64_t in_flight_of(const proxy::Upstream& upstream) {
  uint64_t sum = 0;
  for (const proxy::UpstreamMeters& meters : upstream.meters) sum += meters.in_flight.value();
  return sum;
}

Candidate candidate(const std::string& name, const proxy::RouteTable& route) {
  const auto place = std::ranges::find(route.upstreams, name, [](const auto& one) { return one->name; });
  if (place == route.upstreams.end()) return {.name = name, .standing = Standing::absent};
  return {.name = name, .in_flight = in_flight_of(**place)};
}

}  // namespace

const balance::Table& lookup_of(const proxy::RouteTable& route) noexcept {
  return route.homes ? *route.homes : route.table;
}

Judgement judge(const Explanation& explanation, const proxy::RouteTable& route, const config::Settings& settings) {
  Judgement judged;
  if (!explanation.owner) return judged;
  judged.order.push_back(candidate(*explanation.owner, route));
  for (const std::string& name : explanation.fallbacks) judged.order.push_back(candidate(name, route));
  uint64_t weights = 0;
  for (const uint32_t weight : route.table.weights()) weights += weight;
  for (const auto& upstream : route.upstreams) judged.in_flight += in_flight_of(*upstream);
  const uint32_t factor = settings.routing.balance_factor;
  for (Candidate& one : judged.order) {
    if (factor == 0 || one.standing == Standing::absent) continue;
    const auto member = std::ranges::find(route.table.members(), one.name) - route.table.members().begin();
    const uint64_t weight = route.table.weights()[static_cast<size_t>(member)];
    one.allowed = balance::bound_of(factor, weight, judged.in_flight + 1, weights);
    if (!balance::within_bound(factor, one.in_flight, weight, judged.in_flight, weights)) one.standing = Standing::over;
  }
  const auto affinity = balance::affinity(settings.routing.affinity).value_or(balance::Affinity::prefer);
  const balance::Choice choice = balance::choose(affinity, judged.order.size(),
                                                 [&](size_t place) { return judged.order[place].standing; });
  judged.verdict = choice.verdict;
  if (balance::serves(choice.verdict)) judged.serves = judged.order[choice.place].name;
  return judged;
}

}  // namespace ringmaster::admin
