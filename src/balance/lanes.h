// The inner loops of rendezvous.cc and few_racers.cc: the same step for `lanes` slots that lie next to each other. Each
// loop has a fixed length, one element size and no branch, which is what it takes for g++ -O2 to make vector
// instructions of it; written as one loop they ran eight times slower.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace ringmaster::balance {

inline constexpr uint32_t lanes = 256;

// Counts, for each lane, a place whose time is earlier than or as early as the new one. Returns whether any was equal.
inline bool count_earlier(const float* __restrict times, const float* __restrict new_times,
                          uint32_t* __restrict earlier) noexcept {
  uint32_t equal = 0;
  for (uint32_t i = 0; i < lanes; ++i) {
    earlier[i] += static_cast<uint32_t>(times[i] <= new_times[i]);
    equal |= static_cast<uint32_t>(times[i] == new_times[i]);
  }
  return equal != 0;
}

inline bool any_equal(const float* times, float time) noexcept {
  uint32_t equal = 0;
  for (uint32_t i = 0; i < lanes; ++i) equal |= static_cast<uint32_t>(times[i] == time);
  return equal != 0;
}

// A new time not before the bound becomes `never`, and its count that of all places: so it is inserted nowhere.
inline void shut_out(float* __restrict new_times, const float* __restrict bounds, uint32_t* __restrict earlier,
                     float never, uint32_t places) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const float time = new_times[i];
    const uint32_t count = earlier[i];
    earlier[i] = time >= bounds[i] ? places : count;
    new_times[i] = time >= bounds[i] ? never : time;
  }
}
inline void lower_to_later(float* __restrict bounds, const float* __restrict times,
                           const float* __restrict other_times) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) bounds[i] = std::min(bounds[i], std::max(times[i], other_times[i]));
}

inline void narrow(const uint32_t* __restrict from, uint16_t* __restrict to) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) to[i] = static_cast<uint16_t>(from[i]);
}

// Inserts into an ascending list, seen from one place of it that is not the first.
inline void insert_time(float* __restrict times, const float* __restrict previous_times,
                        const float* __restrict new_times) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    times[i] = std::max(previous_times[i], std::min(times[i], new_times[i]));
  }
}
inline void insert_member(uint16_t* __restrict members, const uint16_t* __restrict previous_members,
                          const uint16_t* __restrict new_places, uint16_t place, uint16_t member) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const uint16_t here = members[i], previous = previous_members[i];
    const uint16_t kept = new_places[i] == place ? member : here;
    members[i] = new_places[i] < place ? previous : kept;
  }
}
// The same for the first place.
inline void insert_first(float* __restrict times, uint16_t* __restrict members, const float* __restrict new_times,
                         const uint16_t* __restrict new_places, uint16_t member) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) times[i] = std::min(times[i], new_times[i]);
  for (uint32_t i = 0; i < lanes; ++i) {
    const uint16_t here = members[i];
    members[i] = new_places[i] == 0 ? member : here;
  }
}

// Takes a member out of the list, seen from the places in ascending order: from where it is met on, the next one moves
// up. `met` is 0 before the first place and remembered between them.
inline void remove_member(uint16_t* __restrict members, const uint16_t* __restrict next_members,
                          uint16_t* __restrict met, uint16_t member) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const uint16_t here = members[i], next = next_members[i];
    const uint16_t meets = here == member ? 0xFFFF : 0;
    const uint16_t mask = met[i] | meets;
    met[i] = mask;
    members[i] = static_cast<uint16_t>((here & ~mask) | (next & mask));
  }
}
inline void widen(const uint16_t* __restrict from, uint32_t* __restrict to) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) to[i] = from[i];
}
inline void remove_time(float* __restrict times, const float* __restrict next_times,
                        const uint32_t* __restrict met) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const float here = times[i], next = next_times[i];
    times[i] = met[i] != 0 ? next : here;
  }
}

// Adds `step` to the members from `from` on; not to `except`.
inline void move_members(uint16_t* __restrict members, uint16_t from, uint16_t step, uint16_t except) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const uint16_t here = members[i];
    const uint16_t beyond = here >= from ? 0xFFFF : 0;
    const uint16_t other = here != except ? 0xFFFF : 0;
    members[i] = static_cast<uint16_t>(here + (step & beyond & other));
  }
}

// --- few_racers.cc ---------------------------------------------------------------------------------------------------

inline void divide(const float* __restrict from, float by, float* __restrict to) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) to[i] = from[i] / by;
}
inline void count_before(const float* __restrict others, const float* __restrict times,
                         uint32_t* __restrict counts) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) counts[i] += static_cast<uint32_t>(others[i] < times[i]);
}
inline void count_not_later(const float* __restrict others, const float* __restrict times,
                            uint32_t* __restrict counts) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) counts[i] += static_cast<uint32_t>(others[i] <= times[i]);
}
inline void narrow(const uint32_t* __restrict from, uint8_t* __restrict to) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) to[i] = static_cast<uint8_t>(from[i]);
}

// Writes the members' order anew, place after place in steps of `stride`: one member is taken out where it is met, one
// is put in at the place that is said for each lane. Either may be none: 0xFF, or no such place. Here the places are
// the inner loop, so that what is carried from one to the next stays in registers.
inline void move_in_order(const uint8_t* __restrict order, uint8_t* __restrict new_order, size_t stride, size_t places,
                          uint8_t leaver, uint8_t comer, const uint8_t* comes_to) noexcept {
  using Bytes [[gnu::vector_size(16)]] = uint8_t;
  static_assert(lanes % sizeof(Bytes) == 0);
  const auto load = [](const uint8_t* from) {
    Bytes bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return bytes;
  };
  const Bytes all_leaver = Bytes{} + leaver, all_comer = Bytes{} + comer;
  for (uint32_t i = 0; i < lanes; i += sizeof(Bytes)) {
    const Bytes to = load(comes_to + i);
    Bytes here = load(order + i), left{}, come{}, previous{}, at{};
    for (size_t place = 0; place < places; ++place, at += 1) {
      const Bytes next = place + 1 < places ? load(order + (place + 1) * stride + i) : here;
      left |= reinterpret_cast<Bytes>(here == all_leaver);
      const Bytes stays = (here & ~left) | (next & left);
      const Bytes comes = reinterpret_cast<Bytes>(to == at);
      const Bytes moved = (stays & ~come) | (previous & come);
      const Bytes is = (moved & ~comes) | (all_comer & comes);
      std::memcpy(new_order + place * stride + i, &is, sizeof is);
      come |= comes;
      previous = stays;
      here = next;
    }
  }
}

// Adds `step` to the members from `from` on.
inline void move_members(uint8_t* __restrict members, uint8_t from, uint8_t step) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const uint8_t here = members[i];
    const uint8_t beyond = here >= from ? 0xFF : 0;
    members[i] = static_cast<uint8_t>(here + (step & beyond));
  }
}

}  // namespace ringmaster::balance
