#include "proxy/router.h"

#include <array>
#include <charconv>
#include <new>

#include "proxy/exchange.h"

namespace ringmaster::proxy {

Router::Router(Parts& parts, Control& control, uint32_t worker, UpstreamPtr drop_in_api) noexcept
    : parts_(parts), control_(control), worker_(worker) {
  if (drop_in_api) api_ = std::make_unique<UpstreamPool>(parts, control, worker, std::move(drop_in_api));
}

Router::~Router() = default;

// --- tables come and go ---------------------------------------------------------------------------------------------

void Router::use(const RouteTable* table) noexcept {
  table_ = table;
  if (table && table->epoch != epoch_ && adopt(*table)) epoch_ = table->epoch;
}

bool Router::adopt(const RouteTable& table) noexcept {
  try {
    by_member_.assign(table.upstreams.size(), nullptr);
  } catch (const std::bad_alloc&) {
    table_ = nullptr;  // it cannot be read: nobody is served in this loop
    return false;
  }
  bool whole = true;
  for (size_t i = 0; i < table.upstreams.size(); ++i) {
    UpstreamPool* pool = by_member_[i] = pool_for(table.upstreams[i]);
    if (pool) pool->readmit(table.epoch);  // the admin thread has looked since
    else whole = false;
  }
  for (auto& [id, pool] : pools_) {
    if (pool->last_table() == table.epoch) continue;
    pool->retire();
    some_retired_ = true;
  }
  return whole;
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

std::optional<uint32_t> Router::slot_for(const http::RequestHead& head, std::string_view client_ip) noexcept {
  if (!table_ || table_->upstreams.empty()) return std::nullopt;
  const http::RequestKey key = http::find_key(head, client_ip, parts_.settings.key);
  if (!key.random && key.source != http::RequestKey::no_source) return slot_of(key.bytes);
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), 100'000 + parts_.random.below(900'000)).ptr;
  return slot_of({digits.data(), static_cast<size_t>(end - digits.data())});
}

uint32_t Router::slot_of(std::string_view key) noexcept {
  KeySample& sample = parts_.meters.keys;
  if (sample.due()) [[unlikely]] sample.note(table_->table.position_of(key), parts_.random.next());
  return table_->table.slot_of(key);
}

UpstreamPool* Router::pick(uint32_t slot, const Tried& tried) noexcept {
  // The table may have changed since the slot was found; its number of slots may have too.
  if (!table_ || table_->upstreams.empty()) return nullptr;
  slot %= table_->table.slots();
  UpstreamPool* last_resort = nullptr;
  const uint64_t now = parts_.now();
  const auto look_at = [&](uint16_t member) -> UpstreamPool* {
    UpstreamPool* pool = by_member_[member];
    if (!pool) return nullptr;
    if (tried.has(pool->upstream().id)) return nullptr;
    if (pool->usable(now)) return pool;
    if (!last_resort && parts_.settings.fail_open) last_resort = pool;
    return nullptr;
  };
  const uint16_t owner = table_->table.owner(slot);
  if (owner == balance::no_member) return nullptr;
  if (UpstreamPool* pool = look_at(owner)) return pool;
  std::array<uint16_t, balance::fallbacks_max> fallbacks;
  const size_t count = table_->table.fallbacks(slot, fallbacks);
  for (size_t i = 0; i < count; ++i) {
    if (UpstreamPool* pool = look_at(fallbacks[i])) return pool;
  }
  return last_resort;
}

UpstreamPool* Router::drop_in_api(const http::RequestHead& head) noexcept {
  if (!api_) return nullptr;
  const bool get = head.method == HTTP_GET || head.method == HTTP_HEAD;
  const bool ours = (head.path == "/rep" && get) || (head.path == "/add" && head.method == HTTP_POST) ||
                    (head.path == "/rm" && (head.method == HTTP_DELETE || head.method == HTTP_POST));
  return ours ? api_.get() : nullptr;
}

}  // namespace ringmaster::proxy
