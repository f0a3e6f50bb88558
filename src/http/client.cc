#include "http/client.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "http/chars.h"

namespace ringmaster::http {

std::optional<Ip> Ip::parse(std::string_view text) noexcept {
  char terminated[INET6_ADDRSTRLEN + 1] = "";
  if (text.size() >= sizeof terminated) return std::nullopt;
  text.copy(terminated, text.size());
  Ip ip;
  ip.family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  if (inet_pton(ip.family, terminated, ip.bytes.data()) != 1) return std::nullopt;
  return ip;
}

bool Networks::add(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Ip> ip = Ip::parse(text.substr(0, slash));
  if (!ip) return false;
  Block block{.ip = *ip, .bits = ip->family == AF_INET ? 32u : 128u};
  if (slash != std::string_view::npos) {
    const char* const end = text.data() + text.size();
    uint32_t bits = 0;
    const auto read = std::from_chars(text.data() + slash + 1, end, bits);
    if (read.ec != std::errc() || read.ptr != end || bits > block.bits) return false;
    block.bits = bits;
  }
  blocks_.push_back(block);
  return true;
}

bool Networks::contains(const Ip& ip) const noexcept {
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const Block& block) {
    if (block.ip.family != ip.family) return false;
    for (uint32_t bit = 0; bit < block.bits; ++bit) {
      const auto mask = static_cast<uint8_t>(0x80 >> bit % 8);
      if ((block.ip.bytes[bit / 8] & mask) != (ip.bytes[bit / 8] & mask)) return false;
    }
    return true;
  });
}

bool Networks::contains(std::string_view text) const noexcept {
  if (blocks_.empty()) return false;
  const std::optional<Ip> ip = Ip::parse(text);
  return ip && contains(*ip);
}

Networks networks_of(const std::vector<std::string>& texts) {
  Networks networks;
  for (const std::string& text : texts) ensure(networks.add(text));
  return networks;
}

namespace {

// "192.0.2.1:5000" and "[2001:db8::1]:5000" have a port, "2001:db8::1" has none.
std::string_view without_port(std::string_view text) noexcept {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    return end == std::string_view::npos ? std::string_view() : text.substr(1, end - 1);
  }
  const size_t colon = text.find(':');
  const bool has_port = colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos;
  return has_port ? text.substr(0, colon) : text;
}

// Takes the last address of the list away. nullopt: it has none, or something else stands there.
std::optional<Ip> take_last(std::string_view& list, std::string_view& text) noexcept {
  const size_t comma = list.rfind(',');
  text = without_port(trim(comma == std::string_view::npos ? list : list.substr(comma + 1)));
  list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
  return Ip::parse(text);
}

}  // namespace

std::string_view client_of(const RequestHead& head, std::string_view peer, const Networks& trusted) noexcept {
  std::string_view client = peer;
  if (!trusted.contains(peer)) return client;
  for (size_t i = head.fields.size(); i-- > 0;) {
    if (head.fields[i].id != FieldId::x_forwarded_for) continue;
    std::string_view list = head.fields[i].value;
    while (!list.empty()) {
      std::string_view text;
      const std::optional<Ip> ip = take_last(list, text);
      if (text.empty()) continue;
      if (!ip) return client;
      client = text;
      if (!trusted.contains(*ip)) return client;
    }
  }
  return client;
}

}  // namespace ringmaster::http
