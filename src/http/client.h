// Who has sent a request, through the proxies that are trusted (proxy.trusted_proxies).
//
// Each proxy on the way appends to X-Forwarded-For the address that its own client has. So the list is read from its
// end: while the last address known is a trusted proxy's, the one in front of it is believed; the first that is not
// trusted is the client. What stands further in front its sender may have made up, and is not looked at. Where all are
// trusted, the first is the client; what is no address (unknown, _hidden) ends the search at the proxy behind it.
// nginx does the same with real_ip_recursive, Envoy with its count of trusted hops.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"

namespace ringmaster::http {

struct Ip {
  int family = 0;                    // AF_INET, AF_INET6
  std::array<uint8_t, 16> bytes{};

  static std::optional<Ip> parse(std::string_view text) noexcept;   // "192.0.2.1", "2001:db8::1"
};

// "10.0.0.0/8", "::1": CIDR blocks.
class Networks {
 public:
  // false: it is none, and nothing is added.
  bool add(std::string_view text);
  bool contains(const Ip& ip) const noexcept;
  bool contains(std::string_view ip) const noexcept;   // false: of what is no address, too

 private:
  struct Block {
    Ip ip;
    uint32_t bits = 0;
  };
  std::vector<Block> blocks_;
};

// Of settings that have been checked.
Networks networks_of(const std::vector<std::string>& texts);

// The address as it stands in the field, without a port (192.0.2.1:5000, [2001:db8::1]:5000); or `peer`, the
// connection's, which may be empty (unix sockets). Points into one of the two. Allocates nothing.
std::string_view client_of(const RequestHead& head, std::string_view peer, const Networks& trusted) noexcept;

}  // namespace ringmaster::http
