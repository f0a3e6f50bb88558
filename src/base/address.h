// A socket address by value: IPv4, IPv6 or a unix path (abstract names begin with '@').
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ringmaster {

class SocketAddress {
 public:
  SocketAddress() noexcept = default;
  SocketAddress(const sockaddr* address, socklen_t length) noexcept;

  // "127.0.0.1:5000", "[::1]:5000", "unix:/run/x.sock", "unix:@abstract". Literal addresses only, no names:
  // resolving would block. Error: malformed.
  static Result<SocketAddress> parse(std::string_view text);
  static SocketAddress loopback(uint16_t port) noexcept;  // 127.0.0.1

  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const noexcept { return length_; }
  int family() const noexcept { return length_ == 0 ? AF_UNSPEC : storage_.ss_family; }
  uint16_t port() const noexcept;              // 0 for unix
  bool is_loopback() const noexcept;           // 127.0.0.0/8, ::1, and every unix address
  std::string ip_text() const;                 // "127.0.0.1", "::1"; "" for unix
  // The same without an allocation, into `out`.
  static constexpr size_t ip_bytes_max = 46;
  std::string_view write_ip(std::span<char, ip_bytes_max> out) const noexcept;
  std::string text() const;                    // as parse takes it

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept;

 private:
  // sockaddr_un is the longest of the three; a sockaddr_storage keeps the alignment right.
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

}  // namespace ringmaster
