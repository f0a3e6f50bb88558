#include "admin/judgement.h"

#include <algorithm>
#include <chrono>

#include "balance/decide.h"
#include "balance/hot_keys.h"
#include "balance/policy.h"

namespace ringmaster::admin {

using balance::Standing;
using balance::Verdict;

namespace {

uint64_t sum_of(const proxy::Upstream& upstream, proxy::Counter proxy::UpstreamMeters::*gauge) {
  uint64_t sum = 0;
  for (const proxy::UpstreamMeters& meters : upstream.meters) sum += (meters.*gauge).value();
  return sum;
}

uint64_t in_flight_of(const proxy::Upstream& upstream) { return sum_of(upstream, &proxy::UpstreamMeters::in_flight); }

// The workers' view of the replicas (proxy/router.h), for all workers together.
class View {
 public:
  View(const proxy::RouteTable& route, const config::Settings& settings, uint64_t now_ns)
      : route_(route), settings_(settings), lookup_(route.lookup()), now_ns_(now_ns) {
    seats_.assign(lookup_.members().size(), no_seat);
    route.seat_upstreams([&](size_t i, size_t seat) {
      seats_[seat] = i;
      in_flight_ += in_flight_of(*route.upstreams[i]);
      const Standing room = room_at(*route.upstreams[i]);
      if (room != Standing::absent && room != Standing::down) weights_ += route.table.weights()[i];
    });
  }

  uint64_t in_flight() const { return in_flight_; }

  Candidate candidate(uint16_t member, uint32_t slot) const {
    Candidate one{.name = lookup_.members()[member], .standing = Standing::absent};
    const size_t seat = seats_[member];
    if (seat == no_seat) return one;
    const proxy::Upstream& upstream = *route_.upstreams[seat];
    one.in_flight = in_flight_of(upstream);
    one.waiting = sum_of(upstream, &proxy::UpstreamMeters::waiting);
    one.blind = static_cast<uint32_t>(std::ranges::count_if(
        upstream.meters, [&](const proxy::UpstreamMeters& meters) { return is_blind(meters); }));
    one.warmth = warmth(seat, slot);
    const uint32_t factor = settings_.routing.balance_factor, weight = route_.table.weights()[seat];
    if (factor != 0) one.allowed = balance::bound_of(factor, weight, in_flight_ + 1, weights_);
    one.standing = room_at(upstream);
    if (one.standing != Standing::open) return one;
    if (factor != 0 && one.in_flight >= one.allowed) one.standing = Standing::over;
    else if (one.warmth && one.warmth->this_slot_in_ns > 0) one.standing = Standing::warming;
    return one;
  }

  bool less_loaded(uint16_t one, uint16_t other) const {
    const proxy::Upstream& a = *route_.upstreams[seats_[one]];
    const proxy::Upstream& b = *route_.upstreams[seats_[other]];
    return balance::less_loaded(in_flight_of(a), lookup_.weights()[one], in_flight_of(b), lookup_.weights()[other]);
  }

 private:
  static constexpr size_t no_seat = SIZE_MAX;

  std::optional<Warmth> warmth(size_t seat, uint32_t slot) const {
    const uint64_t serving_ns = route_.serving_since_ns(seat);
    const auto span_ns = static_cast<uint64_t>(std::chrono::nanoseconds(settings_.routing.slow_start).count());
    if (!balance::warms_up(serving_ns, now_ns_, span_ns)) return std::nullopt;
    const uint64_t elapsed_ns = now_ns_ > serving_ns ? now_ns_ - serving_ns : 0;
    const uint64_t identity = balance::key_hash(route_.upstreams[seat]->name);
    return Warmth{.taken_over = static_cast<double>(elapsed_ns) / static_cast<double>(span_ns),
                  .this_slot_in_ns = balance::takes_over_in_ns(slot, identity, serving_ns, now_ns_, span_ns)};
  }

  bool is_blind(const proxy::UpstreamMeters& meters) const { return now_ns_ < meters.ejected_until_ns.value(); }

  // Open where one worker has a connection for it, full where one has a place in its queue; and out of sight where it
  // is so for all of them.
  Standing room_at(const proxy::Upstream& upstream) const {
    const uint32_t limit = settings_.limits.connections_per_replica;
    Standing best = settings_.ejection.fail_open ? Standing::down : Standing::absent;
    for (uint32_t worker = 0; worker < upstream.meters.size(); ++worker) {
      const proxy::UpstreamMeters& meters = upstream.meters[worker];
      if (is_blind(meters)) continue;
      const uint64_t waiting = meters.waiting.value();
      if (limit == 0) return Standing::open;
      if (waiting == 0 && meters.in_flight.value() < upstream.share_of(limit, worker)) return Standing::open;
      const bool queues = waiting < upstream.share_of(settings_.limits.queue_length, worker);
      if (best != Standing::full) best = queues ? Standing::full : Standing::crowded;
    }
    return best;
  }

  const proxy::RouteTable& route_;
  const config::Settings& settings_;
  const balance::Table& lookup_;
  const uint64_t now_ns_;
  std::vector<size_t> seats_;   // by member of lookup_: its place in the route's lists
  uint64_t in_flight_ = 0, weights_ = 0;
};

uint16_t member_named(const balance::Table& table, const std::string& name) {
  const auto place = std::ranges::find(table.members(), name);
  if (place == table.members().end()) return balance::no_member;
  return static_cast<uint16_t>(place - table.members().begin());
}

std::vector<Heat> heat_of(const Explanation& explanation, const config::Settings& settings,
                          const proxy::Control& control) {
  std::vector<Heat> heat;
  if (settings.routing.hot_key_replicas < 2) return heat;
  const uint64_t hash = balance::key_hash(explanation.key);
  for (uint32_t worker = 0; worker < control.workers(); ++worker) {
    const balance::HotKeys& keys = control.meters(worker).hot;
    heat.push_back({keys.share_of(hash), keys.next_is_hot(hash, settings.routing.hot_key_share)});
  }
  return heat;
}

// Those of the order's first few who may serve the hot key.
std::vector<std::string> sharers_of(const Judgement& judged, uint32_t few) {
  std::vector<std::string> sharers;
  for (size_t place = 0; place < std::min<size_t>(few, judged.order.size()); ++place) {
    if (judged.order[place].standing == Standing::open) sharers.push_back(judged.order[place].name);
  }
  return sharers;
}

}  // namespace

Judgement judge(const Explanation& explanation, const proxy::RouteTable& route, const config::Settings& settings,
                const proxy::Control& control, uint64_t now_ns) {
  Judgement judged;
  const balance::Table& lookup = route.lookup();
  const View view(route, settings, now_ns);
  judged.in_flight = view.in_flight();
  const bool sticks = explanation.sticky == Sticky::believed;
  const uint16_t named = sticks ? member_named(lookup, explanation.sticky_replica) : balance::no_member;
  judged.by_chance = explanation.random && named == balance::no_member;
  if (judged.by_chance) return judged;
  if (explanation.owner) {
    const auto place = [&](const std::string& name) {
      judged.order.push_back(view.candidate(member_named(lookup, name), explanation.slot));
    };
    place(*explanation.owner);
    for (const std::string& name : explanation.fallbacks) place(name);
    judged.heat = heat_of(explanation, settings, control);
  }
  const bool hot = named == balance::no_member && std::ranges::any_of(judged.heat, &Heat::hot);
  const uint32_t few = hot ? settings.routing.hot_key_replicas : 1;
  const auto affinity = balance::affinity(settings.routing.affinity).value_or(balance::Affinity::prefer);
  const balance::Decision decision = balance::decide(
      lookup, affinity, {.slot = explanation.slot, .named = named, .sharers = few},
      [&](uint16_t member) { return view.candidate(member, explanation.slot).standing; },
      [&](uint16_t one, uint16_t other) { return view.less_loaded(one, other); });
  // The cookie's replica cannot serve, and a draw or a policy chooses another.
  if (explanation.random && (decision.member != named || (!routes_by_key(settings) && !serves(decision.verdict)))) {
    judged.by_chance = true;
    return judged;
  }
  judged.verdict = decision.verdict;
  if (balance::serves(decision.verdict)) judged.serves = lookup.members()[decision.member];
  if (hot) judged.sharers = sharers_of(judged, few);
  if (judged.sharers.size() > 1) {
    judged.verdict = Verdict::hot_key;
    judged.serves.reset();
  } else {
    judged.sharers.clear();
  }
  return judged;
}

Judgement judge_idle(const Explanation& explanation, const balance::Table& table, const config::Settings& settings) {
  const proxy::Control control(1);
  proxy::RouteTable route;
  route.table = table;
  for (const std::string& name : table.members()) {
    route.upstreams.push_back(std::make_shared<const proxy::Upstream>(1, name, SocketAddress::loopback(1), 1));
  }
  return judge(explanation, route, settings, control, 0);
}

}  // namespace ringmaster::admin
