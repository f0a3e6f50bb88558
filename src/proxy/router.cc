#include "proxy/router.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <new>

#include "proxy/exchange.h"

namespace ringmaster::proxy {

Router::Router(Parts& parts, Control& control, uint32_t worker, UpstreamPtr drop_in_api) noexcept
    : parts_(parts),
      control_(control),
      worker_(worker),
      held_(parts, parts.settings.affinity_wait_ns, http::Cause::owner_gone),
      heeds_heat_(parts.settings.hot_key_replicas > 1),
      takes_turns_(parts.settings.policy != balance::Policy::table || heeds_heat_) {
  if (drop_in_api) api_ = std::make_unique<UpstreamPool>(parts, control, worker, std::move(drop_in_api));
}

Router::~Router() = default;

// --- tables come and go ---------------------------------------------------------------------------------------------

void Router::use(const RouteTable* table) noexcept {
  weights_in_sight_ = 0;
  lookup_ = nullptr;
  if (!table) return;
  lookup_ = &table->lookup();
  if (table->epoch != epoch_ && adopt(*table)) epoch_ = table->epoch;
  plain_ = parts_.settings.policy == balance::Policy::table && parts_.settings.balance_factor == 0 &&
           parts_.now() >= warming_until_ns_;
}

bool Router::adopt(const RouteTable& table) noexcept {
  try {
    seats_.assign(lookup_->members().size(), nullptr);
    if (parts_.settings.sticky.on()) list_codes();
  } catch (const std::bad_alloc&) {
    lookup_ = nullptr;  // it cannot be read: nobody is served in this loop
    return false;
  }
  bool whole = true;
  warming_until_ns_ = 0;
  table.seat_upstreams([&](size_t i, size_t seat) {
    UpstreamPool* pool = seats_[seat] = pool_for(table.upstreams[i]);
    const uint64_t serving_ns = table.serving_since_ns(i);
    if (pool) pool->note_table(table.epoch, table.table.weights()[i], serving_ns, table.entries_of(i));
    else whole = false;
    if (serving_ns != 0 && parts_.settings.slow_start_ns != 0) {
      warming_until_ns_ = std::max(warming_until_ns_, serving_ns + parts_.settings.slow_start_ns);
    }
  });
  for (auto& [id, pool] : pools_) {
    if (pool->last_table() == table.epoch) continue;
    pool->retire();
    some_retired_ = true;
  }
  held_wake_ns_ = 0;
  // Last: whom to ask instead is read from the seats.
  for (const uint64_t id : table.silent) {
    if (const auto known = pools_.find(id); known != pools_.end() && known->second->retired()) {
      known->second->leave_silent();
    }
  }
  return whole;
}

void Router::list_codes() {
  codes_.clear();
  const auto members = lookup_->members();
  for (size_t i = 0; i < members.size(); ++i) {
    codes_.emplace_back(parts_.settings.sticky.code_of(members[i]), static_cast<uint16_t>(i));
  }
  std::ranges::sort(codes_);
}

uint16_t Router::member_of(uint64_t sticky) const noexcept {
  if (sticky == 0) return balance::no_member;
  const auto found = std::ranges::lower_bound(codes_, sticky, {}, &std::pair<uint64_t, uint16_t>::first);
  return found != codes_.end() && found->first == sticky ? found->second : balance::no_member;
}

UpstreamPool* Router::pool_for(const UpstreamPtr& upstream) noexcept {
  if (const auto known = pools_.find(upstream->id); known != pools_.end()) return known->second.get();
  try {
    auto pool = std::make_unique<UpstreamPool>(parts_, control_, worker_, upstream);
    return pools_.emplace(upstream->id, std::move(pool)).first->second.get();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void Router::forget_empty() noexcept {
  if (!some_retired_) return;
  some_retired_ = false;
  for (auto it = pools_.begin(); it != pools_.end();) {
    if (it->second->retired() && it->second->empty()) {
      it = pools_.erase(it);
    } else {
      some_retired_ |= it->second->retired();
      ++it;
    }
  }
}

void Router::retire_all() noexcept {
  for (auto& [id, pool] : pools_) pool->retire();
  if (api_) api_->retire();
}

void Router::cut_all() noexcept {
  for (auto& [id, pool] : pools_) pool->cut();
  if (api_) api_->cut();
}

// --- requests -------------------------------------------------------------------------------------------------------

std::optional<Route> Router::route(const http::RequestHead& head, std::string_view client_ip) noexcept {
  if (!lookup_ || seats_.empty()) return std::nullopt;
  const ProxySettings& settings = parts_.settings;
  Route route;
  if (settings.sticky.on()) route.sticky = settings.sticky.named_in(head).code;
  if (settings.policy != balance::Policy::table) {
    route.slot = parts_.random.below(lookup_->slots());
    return route;
  }
  const http::RequestKey key = http::find_key(head, client_ip, settings.key);
  route.key_source = key.source;
  if (!key.random && key.source != http::RequestKey::no_source) {
    route.slot = slot_of(key.bytes);
    if (heeds_heat_) note_heat(key.bytes, route);
    return route;
  }
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), 100'000 + parts_.random.below(900'000)).ptr;
  route.slot = slot_of({digits.data(), static_cast<size_t>(end - digits.data())});
  return route;
}

void Router::note_heat(std::string_view key, Route& route) noexcept {
  balance::HotKeys& keys = parts_.meters.hot;
  route.hot = keys.note(balance::key_hash(key), parts_.settings.hot_key_share);
  if (route.hot) parts_.meters.hot_key_requests.add();
  parts_.meters.hot_keys.set(keys.hot());
}

uint32_t Router::slot_of(std::string_view key) noexcept {
  KeySample& sample = parts_.meters.keys;
  if (sample.due()) [[unlikely]] sample.note(lookup_->position_of(key), parts_.random.next());
  return lookup_->slot_of(key);
}

UpstreamPool* Router::drop_in_api(const http::RequestHead& head) noexcept {
  if (!api_) return nullptr;
  const bool get = head.method == HTTP_GET || head.method == HTTP_HEAD;
  const bool ours = (head.path == "/rep" && get) || (head.path == "/add" && head.method == HTTP_POST) ||
                    (head.path == "/rm" && (head.method == HTTP_DELETE || head.method == HTTP_POST));
  return ours ? api_.get() : nullptr;
}

}  // namespace ringmaster::proxy
