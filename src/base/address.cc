#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace ringmaster {

namespace {

Error malformed() { return {ErrorKind::malformed, 0, "address"}; }

Result<SocketAddress> parse_unix(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::unexpected(malformed());
  memcpy(address.sun_path, path.data(), path.size());
  size_t length = offsetof(sockaddr_un, sun_path) + path.size();
  if (path[0] == '@') {
    address.sun_path[0] = '\0';  // abstract: the length tells where the name ends
  } else {
    ++length;
  }
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
}

}  // namespace

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length) noexcept {
  length_ = length > sizeof storage_ ? static_cast<socklen_t>(sizeof storage_) : length;
  memcpy(&storage_, address, length_);
}

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::unexpected(malformed());
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, failure] = std::from_chars(digits.begin(), digits.end(), port);
  if (failure != std::errc{} || end != digits.end()) return std::unexpected(malformed());
  std::string host(text.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &address.sin6_addr) != 1) return std::unexpected(malformed());
    return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) return std::unexpected(malformed());
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

SocketAddress SocketAddress::loopback(uint16_t port) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return SocketAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

uint16_t SocketAddress::port() const noexcept {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
  return 0;
}

bool SocketAddress::is_loopback() const noexcept {
  if (family() == AF_INET) {
    return ntohl(reinterpret_cast<const sockaddr_in&>(storage_).sin_addr.s_addr) >> 24 == 127;
  }
  if (family() == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr);
  return family() == AF_UNIX;
}

std::string SocketAddress::ip_text() const {
  std::array<char, ip_bytes_max> text;
  return std::string(write_ip(text));
}

std::string_view SocketAddress::write_ip(std::span<char, ip_bytes_max> out) const noexcept {
  static_assert(ip_bytes_max >= INET6_ADDRSTRLEN);
  char* const text = out.data();
  text[0] = '\0';
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage_).sin_addr, text, out.size());
  } else if (family() == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr;
    // A dual-stack listener sees IPv4 clients as ::ffff:a.b.c.d; the world knows them by a.b.c.d.
    if (IN6_IS_ADDR_V4MAPPED(&address)) inet_ntop(AF_INET, address.s6_addr + 12, text, out.size());
    else inet_ntop(AF_INET6, &address, text, out.size());
  }
  return text;
}

std::string SocketAddress::text() const {
  if (family() == AF_INET) return ip_text() + ":" + std::to_string(port());
  if (family() == AF_INET6) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr, text, sizeof text);
    return std::string("[") + text + "]:" + std::to_string(port());
  }
  if (family() == AF_UNIX) {
    const auto& address = reinterpret_cast<const sockaddr_un&>(storage_);
    const size_t size = length_ - offsetof(sockaddr_un, sun_path);
    std::string path(address.sun_path, size);
    if (!path.empty() && path[0] == '\0') path[0] = '@';
    else path = path.c_str();
    return "unix:" + path;
  }
  return "";
}

bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept {
  return a.length_ == b.length_ && memcmp(&a.storage_, &b.storage_, a.length_) == 0;
}

}  // namespace ringmaster
