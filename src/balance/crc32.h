// CRC-32 (the reflected polynomial 0xEDB88320 of Ethernet and zip), which ketama's points and keys are hashed by.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ringmaster::balance {

namespace detail {
consteval std::array<uint32_t, 256> crc32_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0u);
    table[byte] = value;
  }
  return table;
}
inline constexpr std::array<uint32_t, 256> crc32_bytes = crc32_table();
}  // namespace detail

// In three steps, so that a common beginning is hashed once: start, more bytes, finish.
inline constexpr uint32_t crc32_start = 0xFFFFFFFFu;
constexpr uint32_t crc32_more(uint32_t state, std::string_view bytes) noexcept {
  for (const char c : bytes) state = detail::crc32_bytes[(state ^ static_cast<uint8_t>(c)) & 0xFF] ^ (state >> 8);
  return state;
}
constexpr uint32_t crc32_finish(uint32_t state) noexcept { return ~state; }
constexpr uint32_t crc32(std::string_view bytes) noexcept { return crc32_finish(crc32_more(crc32_start, bytes)); }

static_assert(crc32("123456789") == 0xCBF43926u);   // the check value that every CRC catalogue gives

}  // namespace ringmaster::balance
