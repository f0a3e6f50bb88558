// Marks memory that belongs to the kernel, so that touching it shows: a pattern, and under the address sanitizer a
// fault at the very instruction.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#if defined(__SANITIZE_ADDRESS__)
#define RINGMASTER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RINGMASTER_ASAN 1
#endif
#endif
#ifdef RINGMASTER_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace ringmaster::fake {

inline constexpr char poison_pattern = '\xDB';

inline void poison(std::span<char> bytes) {
  memset(bytes.data(), poison_pattern, bytes.size());
#ifdef RINGMASTER_ASAN
  __asan_poison_memory_region(bytes.data(), bytes.size());
#endif
}

// Gives it back; false where somebody wrote into it meanwhile.
inline bool unpoison(std::span<char> bytes) {
#ifdef RINGMASTER_ASAN
  __asan_unpoison_memory_region(bytes.data(), bytes.size());
#endif
  return std::ranges::all_of(bytes, [](char byte) { return byte == poison_pattern; });
}

}  // namespace ringmaster::fake
