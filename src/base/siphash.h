// SipHash-2-4 (J.-P. Aumasson and D. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012): a 64-bit code of
// authentication for short messages under a secret key of 128 bits. Whoever does not know the key cannot do better than
// guess, 2^64 to one.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

namespace ringmaster {

struct SipKey {
  uint64_t low = 0, high = 0;   // bytes 0 to 7 and 8 to 15, little-endian
};

namespace detail {

struct SipState {
  uint64_t v0, v1, v2, v3;
  constexpr void round() noexcept {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  }
  constexpr void take(uint64_t word) noexcept {
    v3 ^= word;
    round(), round();
    v0 ^= word;
  }
};

}  // namespace detail

constexpr uint64_t siphash(const SipKey& key, std::string_view bytes) noexcept {
  detail::SipState state{key.low ^ 0x736F6D6570736575, key.high ^ 0x646F72616E646F6D, key.low ^ 0x6C7967656E657261,
                         key.high ^ 0x7465646279746573};
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(bytes[i])} << 8 * (i % 8);
    if (i % 8 != 7) continue;
    state.take(word);
    word = 0;
  }
  state.take(word | uint64_t{bytes.size()} << 56);
  state.v2 ^= 0xFF;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

namespace detail {
// The paper's appendix A: key 00 01 … 0F, message 00 01 … 0E.
inline constexpr std::array<char, 15> sip_message{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
static_assert(siphash({0x0706050403020100, 0x0F0E0D0C0B0A0908}, {sip_message.data(), sip_message.size()}) ==
              0xA129CA6149BE45E5);
}  // namespace detail

}  // namespace ringmaster
