#include "proxy/sticky.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <charconv>
#include <fstream>

#include "base/error.h"
#include "http/key.h"

namespace ringmaster::proxy {

namespace {

constexpr size_t secret_bytes_min = 16, secret_bytes_max = 4096;
constexpr size_t code_digits = 16;

// The file's bytes, however many, as one key: two codes of them under fixed keys.
SipKey key_from(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string secret(secret_bytes_max + 1, '\0');
  if (file) file.read(secret.data(), static_cast<std::streamsize>(secret.size()));
  if (!file.good() && !file.eof()) {
    throw StartError(ExitCode::configuration, fmt::format("routing.sticky_secret_file: {}: cannot be read", path),
                     "name a file that this user may read");
  }
  secret.resize(static_cast<size_t>(file.gcount()));
  if (secret.size() < secret_bytes_min || secret.size() > secret_bytes_max) {
    const std::string found = secret.size() > secret_bytes_max ? "more" : fmt::format("{} bytes", secret.size());
    throw StartError(ExitCode::configuration,
                     fmt::format("routing.sticky_secret_file: {}: found {}; allowed: {} to {} bytes", path, found,
                                 secret_bytes_min, secret_bytes_max),
                     fmt::format("make one: umask 077; head -c 32 /dev/urandom > {}", path));
  }
  return {siphash({1, 0}, secret), siphash({2, 0}, secret)};
}

SipKey drawn_key() {
  SipKey key;
  if (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) {
    throw StartError(ExitCode::internal, to_string(Error::from_errno(errno, "getrandom")), "");
  }
  return key;
}

}  // namespace

StickyCookies::StickyCookies(const config::Settings& settings) : name_(settings.routing.sticky_cookie) {
  if (!on()) return;
  const auto& routing = settings.routing;
  key_ = routing.sticky_secret_file.empty() ? drawn_key() : key_from(routing.sticky_secret_file);
  attributes_ = "; Path=/; HttpOnly";
  if (routing.sticky_same_site == "lax") attributes_ += "; SameSite=Lax";
  if (routing.sticky_same_site == "strict") attributes_ += "; SameSite=Strict";
  if (routing.sticky_same_site == "none") attributes_ += "; SameSite=None";
  if (routing.sticky_secure) attributes_ += "; Secure";
}

uint64_t StickyCookies::code_of(std::string_view replica) const noexcept {
  const uint64_t code = siphash(key_, replica);
  return code == 0 ? 1 : code;
}

StickyCookies::Named StickyCookies::named_in(const http::RequestHead& head) const noexcept {
  const std::string_view value = http::find_cookie(head.fields, name_);
  Named named{.present = !value.empty(), .replica = {}};
  const size_t point = value.rfind('.');
  if (point == std::string_view::npos || value.size() - point - 1 != code_digits) return named;
  uint64_t code = 0;
  const char* const end = value.data() + value.size();
  const auto read = std::from_chars(value.data() + point + 1, end, code, 16);
  if (read.ec != std::errc() || read.ptr != end || code != code_of(value.substr(0, point))) return named;
  named.replica = value.substr(0, point);
  named.code = code;
  return named;
}

std::string StickyCookies::field_for(std::string_view replica) const {
  return fmt::format("Set-Cookie: {}={}.{:016x}{}\r\n", name_, replica, code_of(replica), attributes_);
}

}  // namespace ringmaster::proxy
