#include "config/forms.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "base/address.h"

namespace ringmaster::config {

namespace {

constexpr uint32_t descriptor_max = 1'048'576;
constexpr uint32_t path_segment_max = 255;
constexpr size_t cookie_name_bytes_max = 128;

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_token_character(char c) {  // RFC 9110 5.6.2
  return is_letter_or_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

bool is_visible(char c) { return c > 0x20 && c < 0x7F; }

bool is_query_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_visible(c) && c != '&' && c != '=' && c != '#';
  });
}

std::optional<uint32_t> number(std::string_view text, uint32_t maximum) {
  uint32_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || value > maximum) return std::nullopt;
  return value;
}

}  // namespace

bool is_listen_address(std::string_view text) {
  if (text.starts_with("fd:")) return number(text.substr(3), descriptor_max).value_or(0) >= 3;
  return is_admin_address(text);
}

bool is_admin_address(std::string_view text) { return SocketAddress::parse(text).has_value(); }

bool is_replica_address(std::string_view text) {
  const auto address = SocketAddress::parse(text);
  return address && (address->family() == AF_UNIX || address->port() != 0);
}

bool is_network(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  in6_addr bytes;
  uint32_t bits_max = 0;
  if (inet_pton(AF_INET, host.c_str(), &bytes) == 1) bits_max = 32;
  else if (inet_pton(AF_INET6, host.c_str(), &bytes) == 1) bits_max = 128;
  else return false;
  return slash == std::string_view::npos || number(text.substr(slash + 1), bits_max).has_value();
}

bool is_dns_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_replica_name(std::string_view text) { return text.size() <= 63 && is_docker_name(text); }

bool is_key_source(std::string_view text) {
  if (text == "path" || text == "uri" || text == "host" || text == "client_ip" || text == "random") return true;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view kind = text.substr(0, colon);
  const std::string_view name = text.substr(colon + 1);
  if (kind == "query") return is_query_name(name);
  if (kind == "header" || kind == "cookie") return is_token(name);
  return kind == "path_segment" && number(name, path_segment_max).value_or(0) >= 1;
}

bool is_request_path(std::string_view text) {
  return text.starts_with('/') && text.find('#') == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), is_visible);
}

bool is_argument(std::string_view text) { return !text.empty(); }

bool is_assignment(std::string_view text) {
  const size_t equals = text.find('=');
  return equals != std::string_view::npos && equals > 0 &&
         std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(equals), is_visible);
}

bool is_image(std::string_view text) {
  return !text.empty() && text.size() <= 1024 && std::all_of(text.begin(), text.end(), is_visible);
}

bool is_docker_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && is_letter_or_digit(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_cookie_name_or_empty(std::string_view text) {
  return text.empty() || (text.size() <= cookie_name_bytes_max && is_token(text));
}

bool is_path_or_empty(std::string_view) { return true; }

}  // namespace ringmaster::config
