// The inner loops of rendezvous.cc and few_racers.cc: the same step for `lanes` slots that lie next to each other. Each
// loop has a fixed length, one element size and no branch, which is what it takes for g++ -O2 to make vector
// instructions of it; written as one loop they ran eight times slower.
#pragma once

#include <algorithm>
#include <bit>
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

// Logarithms in 16 bits: log2 of a number from 2^-18 to 2^3.75, in steps of 1/1200, rounded down, counted from the
// middle of that range. So a weight (a handicap of up to 16 octaves) can be taken off without leaving the 16 bits.
inline constexpr float steps_per_octave = 1200;
inline constexpr float middle_octave = -7.125F;
inline constexpr int16_t too_low = -13'200;   // for numbers below that range
// Two of them, and a handicap rounded to a step, say for certain which of two times is earlier where they differ by so
// much: rounding takes up to 1.5, the polynomial 0.04, the rounding of the times themselves 0.001.
inline constexpr uint16_t certain_steps = 2;

// The polynomial interpolates log2(1 + x) at six Chebyshev nodes of 0..1: off by at most 0.000017, 0.02 steps.
inline void take_logarithms(const float* __restrict from, int16_t* __restrict to) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const auto bits = std::bit_cast<uint32_t>(from[i]);
    const auto octave = static_cast<float>(static_cast<int32_t>(bits >> 23) - 127);
    const float x = std::bit_cast<float>((bits & 0x7FFFFF) | 0x3F800000) - 1;
    float log = 0.043004958F;
    log = log * x - 0.1874886F;
    log = log * x + 0.4094703F;
    log = log * x - 0.70648645F;
    log = log * x + 1.4414924F;
    log = log * x + 0.0000165F;
    const float steps = (octave + log - middle_octave) * steps_per_octave;
    const int32_t floor = static_cast<int32_t>(steps + 32768.0F) - 32768;   // of what is not too low
    to[i] = static_cast<int16_t>(std::max<int32_t>(floor, too_low));
  }
}

// Counts, for each lane, one of the others that is earlier; `unsure` is set, and else kept, where that is not certain.
inline void count_earlier(const int16_t* __restrict others, const int16_t* __restrict logs, int16_t handicap,
                          uint16_t* __restrict earlier, uint16_t* __restrict unsure) noexcept {
  for (uint32_t i = 0; i < lanes; ++i) {
    const auto log = static_cast<int16_t>(logs[i] - handicap);
    const auto ahead = static_cast<uint16_t>(log - others[i] + certain_steps - 1);
    earlier[i] = static_cast<uint16_t>(earlier[i] + (others[i] < log));
    unsure[i] = static_cast<uint16_t>(unsure[i] | (ahead < 2 * certain_steps - 1));
  }
}
inline void narrow(const uint16_t* __restrict from, uint8_t* __restrict to) noexcept {
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

inline constexpr uint32_t packed_at_once = 16;
// The order of up to four racers in one byte: two bits for each place, the first lowest. For 16 slots that lie next to
// each other, computed from all pairs: each racer's bits begin at the first place and move up by one for each that is
// earlier. handicaps[i][j] is what i's logarithms are lowered by against j's. A byte of `unsure`, in the order of the
// slots, is 0xFF where some pair is unsure, and else 0.
template <size_t racers>
inline void pack_order(const int16_t* const (&logs)[4], const int16_t (&handicaps)[4][4], uint32_t first,
                       uint8_t* cells, uint64_t (&unsure)[2]) noexcept {
  using Bytes [[gnu::vector_size(16)]] = uint8_t;
  using Words [[gnu::vector_size(16)]] = int16_t;
  using Naturals [[gnu::vector_size(16)]] = uint16_t;   // which may go round
  const auto load = [](const int16_t* from) {
    Naturals words;
    std::memcpy(&words, from, sizeof words);
    return words;
  };
  constexpr uint16_t close = certain_steps - 1;
  const auto every_second = [](Naturals low, Naturals high) {   // of words that are 0 or -1, as bytes
    return __builtin_shufflevector(reinterpret_cast<Bytes>(low), reinterpret_cast<Bytes>(high), 0, 2, 4, 6, 8, 10, 12,
                                   14, 16, 18, 20, 22, 24, 26, 28, 30);
  };
  Naturals doubts[2] = {};
  Bytes bits[racers];
  for (size_t i = 0; i < racers; ++i) bits[i] = Bytes{} + static_cast<uint8_t>(i);
  const auto move_up = [](Bytes& one, Bytes where) { one += (one + one + one) & where; };
  const auto meet = [&]<size_t i, size_t j>() {
    const auto later = [&](uint32_t half) {
      const Naturals log = load(logs[i] + first + 8 * half) - static_cast<uint16_t>(handicaps[i][j]);
      const Naturals other = load(logs[j] + first + 8 * half);
      doubts[half] |= reinterpret_cast<Naturals>(log - other + close <= static_cast<uint16_t>(2 * close));
      return reinterpret_cast<Naturals>(reinterpret_cast<Words>(log) > reinterpret_cast<Words>(other));
    };
    const Bytes i_is_later = every_second(later(0), later(1));
    if (i > 0) move_up(bits[i], i_is_later);
    move_up(bits[j], ~i_is_later);
  };
  if constexpr (racers > 1) meet.template operator()<0, 1>();
  if constexpr (racers > 2) {
    meet.template operator()<0, 2>();
    meet.template operator()<1, 2>();
  }
  if constexpr (racers > 3) {
    meet.template operator()<0, 3>();
    meet.template operator()<1, 3>();
    meet.template operator()<2, 3>();
  }
  for (size_t i = 1; i < racers; ++i) bits[0] |= bits[i];
  std::memcpy(cells + first, &bits[0], sizeof bits[0]);
  const Bytes doubtful = every_second(doubts[0], doubts[1]);
  std::memcpy(unsure, &doubtful, sizeof unsure);
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
