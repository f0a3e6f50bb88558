// What a request asks of the replica: found in its method, path and query. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/head.h"

namespace ringmaster::replica {

enum class Endpoint : uint8_t {
  home, heartbeat, root, not_found,  // answered from prepared bytes (prepared_answers.h)
  echo, bytes, delay, status, upload, websocket, fault_heartbeat,
};

enum class Fault : uint8_t {
  none, reset_before, reset_mid, close_mid, hang, hang_mid, garbage, slow, status, early,
  unknown,  // a name that there is none of: 400, so that a test's spelling mistake shows
};

struct Wish {
  Endpoint endpoint = Endpoint::not_found;
  uint64_t number = 0;        // of /bytes/N, /delay/MS, /status/N
  Fault fault = Fault::none;
  uint32_t fault_number = 0;  // ms or status
};

inline constexpr uint64_t bytes_max = uint64_t{10} << 30;
inline constexpr uint64_t delay_ms_max = 600'000;
inline constexpr uint32_t slow_ms_max = 60'000;

Wish find_wish(const http::RequestHead& head) noexcept;

// The value of a parameter of a query, raw; the first one counts.
std::optional<std::string_view> parameter(std::string_view query, std::string_view name) noexcept;
// Decimal digits only, at most `highest`.
std::optional<uint64_t> decimal(std::string_view text, uint64_t highest) noexcept;

}  // namespace ringmaster::replica
