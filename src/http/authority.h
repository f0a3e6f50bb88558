// host[:port], as the Host field and an absolute-form target have it (RFC 9110 7.2, RFC 3986 3.2).
//
// Accepted: a reg-name without commas and with well-formed percent escapes (an IPv4 address is one), an IPv6 address
// in brackets, and a port of at most 65535 or an empty one. Refused: user information, paths, lists, zone ids,
// IPvFuture, an empty host.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringmaster::http {

struct Authority {
  std::string_view host;  // with brackets, where it has them
  int32_t port = -1;      // -1 where there is none
};

// false where `text` is no authority.
bool read_authority(std::string_view text, Authority& authority) noexcept;

// The same host but for its case, and the same port when `default_port` stands for a missing one.
bool same_authority(const Authority& a, const Authority& b, int32_t default_port) noexcept;

}  // namespace ringmaster::http
