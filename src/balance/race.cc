#include "balance/race.h"

#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringmaster::balance {
namespace {

// ln(m / (m - 1)) = 2 atanh(z) = 2 (z + z^3 / 3 + z^5 / 5 + ...) for z = 1 / (2m - 1), until nothing changes.
double log_step(uint32_t m) noexcept {
  const double z = 1.0 / (2.0 * m - 1.0), square = z * z;
  double sum = z, power = z;
  for (double odd = 3;; odd += 2) {
    power *= square;
    const double more = sum + power / odd;
    if (more == sum) return 2 * sum;
    sum = more;
  }
}

std::vector<float> make_bounds(uint32_t strata) {
  std::vector<float> bounds(size_t{strata} + 1);
  double time = 0;
  for (uint32_t k = 0; k < strata; ++k) {
    bounds[k] = static_cast<float>(time);
    time += k + 1 < strata ? log_step(strata - k) : 1.0;
  }
  bounds[strata] = static_cast<float>(time);
  return bounds;
}

uint32_t inverse(uint32_t odd) noexcept {
  uint32_t x = odd;   // right in 3 bits; each step doubles them
  for (int step = 0; step < 4; ++step) x *= 2 - odd * x;
  return x;
}

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
uint64_t next(uint64_t& state) noexcept {
  uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

Race::Race(uint32_t slots) {
  const auto bits = std::max<uint32_t>(10, static_cast<uint32_t>(std::bit_width(slots - 1)));
  mask_ = (1u << bits) - 1;
  fold_ = (bits + 1) / 2;
  bounds_owner_ = std::make_shared<const std::vector<float>>(make_bounds(mask_ + 1));
  bounds_ = bounds_owner_->data();
}

Racer Race::enter(uint64_t number, std::string_view name, uint32_t weight) const {
  const XXH128_hash_t hash = XXH3_128bits(name.data(), name.size());
  Racer racer;
  racer.number = number;
  racer.hash_high = hash.high64;
  racer.hash_low = hash.low64;
  racer.weight = static_cast<float>(weight);
  uint64_t state = hash.low64;
  for (uint32_t& add : racer.add) add = static_cast<uint32_t>(next(state)) & mask_;
  state ^= hash.high64;
  for (int round = 0; round < 3; ++round) {
    racer.multiply[round] = static_cast<uint32_t>(next(state)) | 1;
    racer.divide[round] = inverse(racer.multiply[round]);
  }
  racer.jitter = static_cast<uint32_t>(next(state)) | 1;
  racer.jitter_add = static_cast<uint32_t>(next(state));
  return racer;
}

}  // namespace ringmaster::balance
