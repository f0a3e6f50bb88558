#include "http/authority.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "http/chars.h"

namespace ringmaster::http {
namespace {

bool is_reg_name(std::string_view text) noexcept {
  for (size_t i = 0; i < text.size(); ++i) {
    if ((class_of(text[i]) & host_char) != 0) continue;
    const bool escape = text[i] == '%' && text.size() - i > 2 && (class_of(text[i + 1]) & hex_char) != 0 &&
                        (class_of(text[i + 2]) & hex_char) != 0;
    if (!escape) return false;
    i += 2;
  }
  return !text.empty();
}

bool is_ipv6(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN + 1> terminated{};
  if (text.size() >= terminated.size()) return false;
  std::memcpy(terminated.data(), text.data(), text.size());
  in6_addr address;
  return inet_pton(AF_INET6, terminated.data(), &address) == 1;
}

bool read_port(std::string_view text, int32_t& port) noexcept {
  port = -1;  // "host:" is well-formed and means the same as "host" (RFC 3986 3.2.3)
  for (char c : text) {
    if (!is_digit(c)) return false;
    port = (port < 0 ? 0 : port) * 10 + (c - '0');
    if (port > 65535) return false;
  }
  return true;
}

}  // namespace

bool read_authority(std::string_view text, Authority& authority) noexcept {
  size_t host_size;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return false;
    host_size = close + 1;
  } else {
    host_size = std::min(text.find(':'), text.size());
    if (!is_reg_name(text.substr(0, host_size))) return false;
  }
  authority.host = text.substr(0, host_size);
  authority.port = -1;
  if (host_size == text.size()) return true;
  return text[host_size] == ':' && read_port(text.substr(host_size + 1), authority.port);
}

bool same_authority(const Authority& a, const Authority& b, int32_t default_port) noexcept {
  const int32_t a_port = a.port < 0 ? default_port : a.port;
  const int32_t b_port = b.port < 0 ? default_port : b.port;
  return a_port == b_port && equal_ignoring_case(a.host, b.host);
}

}  // namespace ringmaster::http
