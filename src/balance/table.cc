#include "balance/table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "balance/assignment.h"
#include "balance/crc32.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringmaster::balance {
namespace {

constexpr std::array<std::string_view, 6> kind_names{"rendezvous", "maglev",             "ketama",
                                                     "assignment", "assignment-printed", "md5"};
constexpr std::array<std::string_view, 2> probing_names{"linear", "quadratic"};

// The number that the key is the decimal digits of, or its hash.
uint64_t number_of(std::string_view key) noexcept {
  uint64_t number = 0;
  bool decimal = !key.empty();
  for (const char c : key) {
    const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
    if (digit > 9 || __builtin_mul_overflow(number, uint64_t{10}, &number) ||
        __builtin_add_overflow(number, uint64_t{digit}, &number)) {
      decimal = false;
      break;
    }
  }
  return decimal ? number : XXH3_64bits(key.data(), key.size());
}

// A division costs as much as all the rest of a look-up, and tables of the assignment have 512 slots.
uint32_t modulo(uint64_t number, uint32_t slots) noexcept {
  return static_cast<uint32_t>(std::has_single_bit(slots) ? number & (slots - 1) : number % slots);
}

}  // namespace

std::string_view name_of(TableKind kind) noexcept { return kind_names[static_cast<size_t>(kind)]; }

std::optional<TableKind> table_kind(std::string_view name) noexcept {
  const auto found = std::ranges::find(kind_names, name);
  if (found == kind_names.end()) return std::nullopt;
  return static_cast<TableKind>(found - kind_names.begin());
}

std::string_view name_of(Probing probing) noexcept { return probing_names[static_cast<size_t>(probing)]; }

std::optional<Probing> probing(std::string_view name) noexcept {
  const auto found = std::ranges::find(probing_names, name);
  if (found == probing_names.end()) return std::nullopt;
  return static_cast<Probing>(found - probing_names.begin());
}

uint32_t default_slots(TableKind kind) noexcept {
  switch (kind) {
    case TableKind::rendezvous: return 65536;
    case TableKind::maglev: return 65537;
    case TableKind::ketama: return 0;
    default: return 512;
  }
}

// The default's few instructions apart from the rest, so that they need no registers saved.
uint32_t Table::slot_of(std::string_view key) const noexcept {
  if (settings_.kind > TableKind::maglev) return other_slot_of(key);
  return static_cast<uint32_t>((XXH3_64bits(key.data(), key.size()) >> 32) * places_.slots >> 32);
}
static_assert(TableKind::rendezvous < TableKind::maglev && TableKind::maglev < TableKind::ketama);

[[gnu::noinline]] uint32_t Table::other_slot_of(std::string_view key) const noexcept {
  if (settings_.kind == TableKind::md5) return modulo(md5_number(key), places_.slots);
  if (settings_.kind != TableKind::ketama) {
    return modulo(assignment_hash(settings_.kind, number_of(key)), places_.slots);
  }
  return slot_from(crc32(key));
}

// Ketama: the first point at or after the hash.
uint32_t Table::slot_from(uint32_t hash) const noexcept {
  if (places_.points.empty()) return 0;
  uint32_t slot = first_point_[hash >> point_shift_];
  while (slot < places_.slots && places_.points[slot] < hash) ++slot;
  return slot == places_.slots ? 0 : slot;
}

uint64_t Table::hash_of(std::string_view key) const noexcept {
  switch (settings_.kind) {
    case TableKind::rendezvous:
    case TableKind::maglev: return XXH3_64bits(key.data(), key.size());
    case TableKind::ketama: return crc32(key);
    case TableKind::md5: return md5_number(key);
    default: return assignment_hash(settings_.kind, number_of(key));
  }
}

uint32_t Table::position_of(std::string_view key) const noexcept {
  const uint64_t hash = hash_of(key);
  if (settings_.kind <= TableKind::maglev) return static_cast<uint32_t>(hash >> 32);
  return settings_.kind == TableKind::ketama ? static_cast<uint32_t>(hash) : modulo(hash, places_.slots);
}

uint32_t Table::slot_at(uint32_t position) const noexcept {
  if (settings_.kind <= TableKind::maglev) return static_cast<uint32_t>(uint64_t{position} * places_.slots >> 32);
  return settings_.kind == TableKind::ketama ? slot_from(position) : modulo(position, places_.slots);
}

size_t Table::fallbacks(uint32_t slot, std::span<uint16_t> out) const noexcept {
  const size_t count = std::min<size_t>(out.size(), places_.depth - 1);
  for (size_t i = 0; i < count; ++i) out[i] = places_.member(static_cast<uint32_t>(i + 1), slot);
  return count;
}

// As many beginnings as points, to a power of two: then a search goes on for about one point.
void Table::index_points() {
  if (places_.points.empty()) return;
  const auto bits = static_cast<uint32_t>(std::bit_width(places_.points.size()));
  point_shift_ = 32 - bits;
  first_point_.resize(size_t{1} << bits);
  uint32_t point = 0;
  for (uint64_t i = 0; i < first_point_.size(); ++i) {
    while (point < places_.slots && places_.points[point] < i << point_shift_) ++point;
    first_point_[i] = point;
  }
}

uint64_t Table::digest() const {
  static_assert(std::endian::native == std::endian::little, "hash the little-endian bytes instead");
  // Members count by the order of their names, so that the order of joining does not show.
  std::vector<uint16_t> by_name(members_.size());
  std::iota(by_name.begin(), by_name.end(), uint16_t{0});
  std::ranges::sort(by_name, {}, [&](uint16_t member) -> std::string_view { return members_[member]; });
  std::vector<uint16_t> rank(members_.size());
  std::string head = std::string(name_of(settings_.kind)) + '\n' + std::to_string(places_.slots) + '\n';
  for (size_t i = 0; i < by_name.size(); ++i) {
    rank[by_name[i]] = static_cast<uint16_t>(i);
    head += std::to_string(members_[by_name[i]].size()) + ':' + members_[by_name[i]] + '\n';
  }
  uint64_t digest = XXH3_64bits(head.data(), head.size());
  digest = XXH3_64bits_withSeed(places_.points.data(), places_.points.size() * sizeof(uint32_t), digest);
  std::vector<uint16_t> ranks(places_.slots);
  for (uint32_t depth = 0; depth < places_.depth; ++depth) {
    for (uint32_t slot = 0; slot < places_.slots; ++slot) {
      const uint16_t member = places_.member(depth, slot);
      ranks[slot] = member == no_member ? no_member : rank[member];
    }
    digest = XXH3_64bits_withSeed(ranks.data(), ranks.size() * sizeof(uint16_t), digest);
  }
  return digest;
}

}  // namespace ringmaster::balance
