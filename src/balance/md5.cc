#include "balance/md5.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace ringmaster::balance {
namespace {

using State = std::array<uint32_t, 4>;

// Floor of 2^32 x |sin(i + 1)|, as the RFC prints them (section 3.4).
constexpr std::array<uint32_t, 64> sines{
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

template <int round>
inline uint32_t mix(uint32_t b, uint32_t c, uint32_t d) noexcept {
  if constexpr (round == 0) return (b & c) | (~b & d);
  else if constexpr (round == 1) return (b & d) | (c & ~d);
  else if constexpr (round == 2) return b ^ c ^ d;
  else return c ^ (b | ~d);
}

template <int round>
inline void run_round(State& s, const std::array<uint32_t, 16>& words) noexcept {
  constexpr uint32_t start[4] = {0, 1, 5, 0};
  constexpr uint32_t step[4] = {1, 5, 3, 7};
  for (uint32_t i = 0; i < 16; ++i) {
    const uint32_t word = words[(start[round] + i * step[round]) % 16];
    const uint32_t sum = s[0] + mix<round>(s[1], s[2], s[3]) + word + sines[round * 16 + i];
    s = {s[3], s[1] + std::rotl(sum, turns[round][i % 4]), s[1], s[2]};
  }
}

void absorb(State& state, const uint8_t* block) noexcept {
  std::array<uint32_t, 16> words;
  for (size_t i = 0; i < 16; ++i) {
    const uint8_t* p = block + 4 * i;
    words[i] = uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
  }
  State s = state;
  run_round<0>(s, words);
  run_round<1>(s, words);
  run_round<2>(s, words);
  run_round<3>(s, words);
  for (size_t i = 0; i < 4; ++i) state[i] += s[i];
}

}  // namespace

std::array<uint8_t, 16> md5(std::string_view bytes) noexcept {
  State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 64; data += 64, left -= 64) absorb(state, data);

  uint8_t last[128] = {};   // what remains, 0x80, zeros, and the length in bits
  if (left != 0) std::memcpy(last, data, left);
  last[left] = 0x80;
  const size_t size = left < 56 ? 64 : 128;
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (size_t i = 0; i < 8; ++i) last[size - 8 + i] = static_cast<uint8_t>(bits >> (8 * i));
  for (size_t at = 0; at < size; at += 64) absorb(state, last + at);

  std::array<uint8_t, 16> digest;
  for (size_t i = 0; i < 16; ++i) digest[i] = static_cast<uint8_t>(state[i / 4] >> (8 * (i % 4)));
  return digest;
}

}  // namespace ringmaster::balance
