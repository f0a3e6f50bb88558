// Which replica owns a key: an immutable table of slots, and the builder that makes one after the other.
//
// A key is hashed to a slot; a slot has one owner and an ordered list of distinct fall-backs. Look-up is one array
// read. Membership changes make a new Table; the old one stays valid for whoever still reads it. Pure: no clock, no
// randomness but the one in the hash functions, the same result on every machine.
//
// The kinds, what they cost and what moves; each is argued in the header named. S: slots, P: points, w: a weight, W:
// the sum of weights.
//
//   kind                 share of a member           moves when a member leaves        build         header
//   rendezvous           w/W, closer than binomial   its own slots only                S log S       rendezvous.h
//   maglev               w/W within 1 %              its own and a few per cent more   S log S       maglev.h
//   ketama               w/W, 5-10 % off             its own points only               P log P       ketama.h
//   assignment(-printed) very uneven, by intention   its own slots only                S             assignment.h
//   md5                  uneven (few virtual nodes)  its own slots only                S             assignment.h
//
// A build is for what has changed since the last one. In rendezvous, the default, another weight costs 0.04 ms among 3
// members and 0.25 ms among 10 (65,536 slots).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unwritten.h"

namespace ringmaster::balance {

enum class TableKind : uint8_t { rendezvous, maglev, ketama, assignment, assignment_printed, md5 };
std::string_view name_of(TableKind kind) noexcept;                    // "assignment-printed"
std::optional<TableKind> table_kind(std::string_view name) noexcept;

enum class Probing : uint8_t { linear, quadratic };
std::string_view name_of(Probing probing) noexcept;
std::optional<Probing> probing(std::string_view name) noexcept;

struct TableSettings {
  TableKind kind = TableKind::rendezvous;
  uint32_t slots = 65536;       // 0: the kind's default. Ketama has its points instead and does not read it
  uint32_t virtual_nodes = 9;   // the assignment's three, for each weight; ketama has 160 for each weight, always
  Probing probing = Probing::linear;   // the assignment's three
};
// 65,536; 512 for the assignment's three; 65,537 for maglev (a prime); 0 for ketama.
uint32_t default_slots(TableKind kind) noexcept;

inline constexpr uint16_t no_member = 0xFFFF;
inline constexpr size_t members_max = 60000;
inline constexpr size_t fallbacks_max = 8;   // kept for each slot
inline constexpr uint32_t slots_max = 1u << 18;
inline constexpr uint32_t points_max = 1u << 22;   // ketama: 160 for each weight, of all members together
inline constexpr uint32_t weight_max = 65535;

// What a construction hands over: the slots' members, and for ketama the points.
struct Places {
  uint32_t slots = 1;
  uint32_t depth = 1;                        // the owner and its fall-backs: min(fallbacks_max + 1, ready), at least 1
  uint32_t stride = 1;                       // from one block to the next
  // depth blocks of `slots` cells, each an index of a member: block 0 the owners, block d the d-th fall-backs. Blocks
  // and not rows, because nearly every look-up reads an owner and nothing else.
  UnwrittenVector<uint16_t> members{no_member};
  // Of few members, instead: a cell is a byte, or two bits of one byte in which a slot's whole order lies (then the
  // stride is 0). The construction may keep it too: nobody writes to it any more.
  std::shared_ptr<const uint8_t[]> few;
  uint8_t few_bits = 0;                      // from one block to the next within the byte
  uint8_t few_mask = 0xFF;

  uint16_t member(uint32_t block, uint32_t slot) const noexcept {
    const size_t cell = size_t{block} * stride + slot;
    return few ? few[static_cast<ptrdiff_t>(cell)] >> block * few_bits & few_mask : members[cell];
  }
  std::vector<uint32_t> points;              // ketama: ascending hashes; slot s is the point s
};

// Immutable once built: any thread may read it. A default one has a single slot that nobody owns.
class Table {
 public:
  uint32_t slots() const noexcept { return places_.slots; }
  // Raw key bytes to a slot, below slots().
  //   rendezvous, maglev           XXH3 (64 bits, seed 0) of the bytes, scaled to the slots
  //   assignment, -printed         a decimal number below 2^64 (digits only) is that number, other keys XXH3 of the
  //                                bytes; H of it modulo the slots, in unsigned 64-bit arithmetic
  //   md5                          MD5 of the bytes, its last eight bytes as a big-endian number, modulo the slots
  //   ketama                       CRC-32 of the bytes; the first point at or after it
  // Neither allocates nor blocks.
  uint32_t slot_of(std::string_view key) const noexcept;
  // The number that slot_of() reduces: XXH3, H, the MD5's last eight bytes, CRC-32. For people.
  uint64_t hash_of(std::string_view key) const noexcept;
  // Where a key lies, in a form that every table with the same settings understands, whatever its members:
  // slot_at(position_of(key)) == slot_of(key). (A slot is not that, because ketama's are its members' points.)
  uint32_t position_of(std::string_view key) const noexcept;
  uint32_t slot_at(uint32_t position) const noexcept;
  // Index into members() of the owner; no_member where no member is ready.
  uint16_t owner(uint32_t slot) const noexcept { return places_.member(0, slot); }
  // The distinct members after the owner, in the order in which they would inherit the slot. Returns how many were
  // written: min(out.size(), ready members - 1, fallbacks_max). Where the first leaves, the second serves: exactly so
  // in every kind but maglev, whose next layout also moves some slots elsewhere.
  size_t fallbacks(uint32_t slot, std::span<uint16_t> out) const noexcept;
  std::span<const std::string> members() const noexcept { return members_; }  // the ready ones, in joining order
  std::span<const uint32_t> weights() const noexcept { return weights_; }     // of members()
  const TableSettings& settings() const noexcept { return settings_; }
  // Ketama: ascending, slot s serves the hashes after point s - 1 up to point s; empty in the other kinds.
  std::span<const uint32_t> points() const noexcept { return places_.points; }
  // Equal for tables that send every key to the same names in the same order, on every machine; the order of members()
  // does not count. Computed by the call from the whole table (0.3 ms for 65,536 slots, some milliseconds for ketama
  // with thousands of members): for people and tests, not for requests.
  uint64_t digest() const;

  // The whole table as text, lines of ASCII; the format is described in table_text.cc. About 4 bytes for each cell.
  std::string text() const;
  // The table that text() wrote; its look-ups and its digest are the same. Error: malformed (also a digest that does
  // not fit). The text may come from anybody.
  static Result<Table> from_text(std::string_view text);

 private:
  friend class Builder;
  uint32_t other_slot_of(std::string_view key) const noexcept;
  uint32_t slot_from(uint32_t hash) const noexcept;
  void index_points();

  TableSettings settings_;
  Places places_;
  std::vector<std::string> members_;
  std::vector<uint32_t> weights_;
  std::vector<uint32_t> first_point_;   // ketama: for the upper bits of a hash, where to begin to search
  uint32_t point_shift_ = 0;
};

// Belongs to the admin thread. Remembers the members, the order in which they joined, their numbers and the slots that
// they hold, so that a leaving one frees exactly its own.
class Builder {
 public:
  // Throws StartError where the settings ask for what cannot be: slots beyond slots_max, a maglev table whose slots
  // are not a prime, no virtual nodes.
  explicit Builder(const TableSettings& settings);
  ~Builder();
  Builder(Builder&&) noexcept;
  Builder& operator=(Builder&&) noexcept;

  // A new member, not ready. Its number (the assignment's i) is the next one, never used twice. Error: refused (the
  // name is taken or empty, the weight is not 1..weight_max), full (members_max, or no slots or points left for it);
  // nothing is changed then, and no number is used up.
  Result<void> join(std::string_view name, uint32_t weight);
  // A name that is not a member's is nothing to do, here and in set_ready().
  void leave(std::string_view name);
  // A member that is not ready keeps its number and its place; its slots are served by their fall-backs.
  void set_ready(std::string_view name, bool ready);
  // 1..weight_max. Error: refused (no such member, no such weight), full (the assignment's three and ketama: there is
  // no room for more nodes); nothing is changed then.
  Result<void> set_weight(std::string_view name, uint32_t weight);

  size_t size() const noexcept;                                              // members, ready or not
  std::optional<uint64_t> number(std::string_view name) const noexcept;      // the assignment's i, from 1

  // The table for the ready members as they are now. Work is done here and not in the calls above, for what has
  // changed since the last build.
  Table build();

  // A builder of its own with the same members, numbers and layout: to try a change without making it.
  Builder clone() const;

 private:
  struct State;
  explicit Builder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringmaster::balance
