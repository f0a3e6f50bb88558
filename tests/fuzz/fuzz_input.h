// What the http fuzzers share. A failed ensure() is a finding.
#pragma once

#include <cstdint>
#include <string_view>

#include "describe.h"

// FNV-1a: arrivals are cut by it, so that an input alone replays a finding.
inline uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = 14695981039346656037u;
  for (char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  return hash;
}
