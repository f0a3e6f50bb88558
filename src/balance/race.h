// The race of the members for the slots: at which time each member reaches each slot. Whoever is first owns it.
//
// Rendezvous hashing gives every pair of member and slot a random number of its own, turned into an exponential time of
// rate `weight`; the least time wins, with probability weight / sum of weights. A table made that way costs members x
// slots numbers, 655 million at 10,000 members. Here a member's numbers are arranged so that they can also be listed in
// ascending order, from the earliest on, without looking at the others:
//
//   - The numbers 0..1 are cut into as many equal strata as there are slots (a power of two, at least 1024; strata
//     left over belong to no slot). A permutation keyed by the member's name gives each slot one stratum.
//   - Within its stratum the number is placed by a linear congruence keyed by the name. So the number u of a slot is
//     uniform on 0..1, numbers of different members are independent, and u in ascending order is simply stratum 0, 1,
//     2 and so on.
//   - The time is -ln(1 - u) / weight, exact at the strata's bounds and linear between them. A heavier weight makes
//     every time of the member smaller and changes none of another.
//
// For one slot that is weighted rendezvous to the letter. Over the slots it is better: a member's numbers are a
// stratified sample, so its share strays less from weight / sum than independent numbers would (a third of the binomial
// variance at two members, half of it at many; measured, and it is what Hoeffding's variance of a permutation statistic
// gives). A Poisson process of hits in each slot would do as well, but hits slots again and again: it needs about 12
// times as many numbers to reach every slot once, and cannot say when a member reaches a given slot.
//
// Times are IEEE single precision made by + - * / alone, so they are the same on every machine (no fused operations:
// -ffp-contract=off); equal times are decided by the names' hashes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace ringmaster::balance {

// One member in the race; a plain value.
struct Racer {
  uint64_t number = 0;             // the Builder's
  uint64_t hash_high = 0, hash_low = 0;   // XXH3 (128 bits) of the name
  uint32_t add[4] = {}, multiply[3] = {}, divide[3] = {};   // the permutation; divide[i] x multiply[i] = 1 modulo 2^32
  uint32_t jitter = 0, jitter_add = 0;
  float weight = 1;

  // Which of two comes first where their times are equal. (Names of one 128-bit hash are taken for one name.)
  bool precedes(const Racer& other) const noexcept {
    return hash_high != other.hash_high ? hash_high < other.hash_high : hash_low < other.hash_low;
  }
  bool is_of_the_name_of(const Racer& other) const noexcept {
    return hash_high == other.hash_high && hash_low == other.hash_low;
  }
};

// The course: what all members' races over a number of slots share. Immutable, cheap to copy.
class Race {
 public:
  explicit Race(uint32_t slots);

  Racer enter(uint64_t number, std::string_view name, uint32_t weight) const;

  uint32_t strata() const noexcept { return mask_ + 1; }
  // A permutation of 0..strata()-1 and its inverse. Three rounds of multiply, add and fold: with two, the shares of
  // some pairs of members came out visibly correlated, with three no test told them from random permutations.
  uint32_t stratum(const Racer& racer, uint32_t slot) const noexcept {
    const auto round = [this](uint32_t y, uint32_t multiply, uint32_t add) {
      y = (y * multiply + add) & mask_;
      return y ^ y >> fold_;
    };
    uint32_t y = slot + racer.add[0];
    y = round(y, racer.multiply[0], racer.add[1]);
    y = round(y, racer.multiply[1], racer.add[2]);
    return round(y, racer.multiply[2], racer.add[3]);
  }
  uint32_t slot(const Racer& racer, uint32_t stratum) const noexcept {
    const auto back = [this](uint32_t y, uint32_t divide, uint32_t add) {
      y ^= y >> fold_;   // its own inverse, since the fold is at least half of the bits
      return ((y - add) * divide) & mask_;
    };
    uint32_t y = back(stratum, racer.divide[2], racer.add[3]);
    y = back(y, racer.divide[1], racer.add[2]);
    y = back(y, racer.divide[0], racer.add[1]);
    return (y - racer.add[0]) & mask_;
  }
  // When the racer reaches the slot of this stratum: never decreasing from one stratum to the next.
  float time(const Racer& racer, uint32_t stratum) const noexcept {
    return number_between(bounds_[stratum], bounds_[stratum + 1], fraction(racer, stratum)) / racer.weight;
  }
  // For the slots first..first + count - 1 the racer's numbers: its times are these divided by its weight. By loops
  // that compilers make vectors of.
  template <uint32_t count>
  void numbers(const Racer& racer, uint32_t first, float* __restrict out) const noexcept {
    uint32_t strata[count];
    float fractions[count], lows[count], highs[count];
    const Racer copy = racer;   // not seen as changed by the stores
    for (uint32_t i = 0; i < count; ++i) strata[i] = stratum(copy, first + i);
    for (uint32_t i = 0; i < count; ++i) fractions[i] = fraction(copy, strata[i]);
    for (uint32_t i = 0; i < count; ++i) {
      lows[i] = bounds_[strata[i]];
      highs[i] = bounds_[strata[i] + 1];
    }
    for (uint32_t i = 0; i < count; ++i) out[i] = number_between(lows[i], highs[i], fractions[i]);
  }
  template <uint32_t count>
  void times(const Racer& racer, uint32_t first, float* __restrict out) const noexcept {
    numbers<count>(racer, first, out);
    const float weight = racer.weight;
    for (uint32_t i = 0; i < count; ++i) out[i] /= weight;
  }
  // The strata whose times can be at most `limit`: 0..end-1. Every one of them is, except perhaps the last.
  uint32_t end_stratum(const Racer& racer, float limit) const noexcept {
    const auto later = [&](float value, float bound) { return value < bound / racer.weight; };
    return static_cast<uint32_t>(std::upper_bound(bounds_, bounds_ + strata(), limit, later) - bounds_);
  }

 private:
  static float fraction(const Racer& racer, uint32_t stratum) noexcept {
    const uint32_t bits = stratum * racer.jitter + racer.jitter_add;
    return static_cast<float>(static_cast<int32_t>(bits >> 8)) * 0x1p-24f;
  }
  static float number_between(float low, float high, float fraction) noexcept {
    return std::min(low + fraction * (high - low), high);
  }

  uint32_t mask_;
  uint32_t fold_;
  const float* bounds_;   // -ln(1 - k / strata) for k = 0..strata-1; the last stratum, without end, is given length 1
  std::shared_ptr<const std::vector<float>> bounds_owner_;
};

}  // namespace ringmaster::balance
