#include "admin/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "admin/text.h"

namespace ringmaster::admin {

namespace {

bool is_wildcard(const SocketAddress& address) {
  const std::string ip = address.ip_text();
  return ip == "0.0.0.0" || ip == "::";
}

// "application/json", with or without parameters (RFC 9110 section 8.3.1).
bool is_json(std::string_view content_type) {
  return same_text(trimmed(content_type.substr(0, content_type.find(';'))), "application/json");
}

}  // namespace

Guard::Guard(const SocketAddress& listening, std::string token)
    : listening_(listening), listening_text_(listening.text()), token_(std::move(token)) {}

std::optional<Objection> Guard::check_token(const Credentials& given) const {
  if (token_.empty()) return std::nullopt;
  constexpr std::string_view scheme = "Bearer ";
  const std::string_view field = given.authorization;
  if (field.size() > scheme.size() && same_text(field.substr(0, scheme.size()), scheme) &&
      equal_in_constant_time(trimmed(field.substr(scheme.size())), token_)) {
    return std::nullopt;
  }
  return Objection{401, "<Error> This needs the token: Authorization: Bearer …"};
}

std::optional<Objection> Guard::check_change(const Credentials& given) const {
  if (!host_is_ours(given.host)) {
    return Objection{421, "<Error> The Host field does not name this server's own address"};
  }
  if (auto objection = check_origin(given)) return objection;
  if (!given.preflighted && (given.has_body || !given.content_type.empty()) && !is_json(given.content_type)) {
    return Objection{415, "<Error> The body must be application/json"};
  }
  return std::nullopt;
}

bool Guard::host_is_ours(std::string_view host) const {
  if (listening_.family() == AF_UNIX || host == listening_text_) return true;  // no page can reach the former
  const std::string port = std::to_string(listening_.port());
  const bool default_port = port == "80" && host.rfind(':') == std::string_view::npos;
  const std::string whole = default_port ? fmt::format("{}:80", host) : std::string(host);
  if (same_text(whole, "localhost:" + port)) return true;
  const Result<SocketAddress> address = SocketAddress::parse(whole);
  if (!address || address->family() == AF_UNIX || address->port() != listening_.port()) return false;
  // Rebinding needs a name; where we listen to every address, each of them is ours.
  return is_wildcard(listening_) || address->ip_text() == listening_.ip_text();
}

std::optional<Objection> check_origin(const Credentials& given) {
  if (given.one_origin && given.origin.empty()) return std::nullopt;
  const size_t scheme = given.origin.find("://");
  if (given.one_origin && scheme != std::string_view::npos && !given.host.empty() &&
      same_text(given.origin.substr(scheme + 3), given.host)) {
    return std::nullopt;
  }
  return Objection{403, "<Error> Requests from pages of another origin are not taken"};
}

std::string read_token(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw StartError(ExitCode::configuration, fmt::format("admin.token_file: '{}' cannot be read", path),
                     "let the user that ringmaster runs as read it");
  }
  constexpr size_t bytes_max = 4096;
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  const std::string token(trimmed(text));
  const auto printable = [](char c) { return c > ' ' && c < '\x7f'; };
  if (token.empty() || text.size() > bytes_max || !std::ranges::all_of(token, printable)) {
    throw StartError(ExitCode::configuration,
                     fmt::format("admin.token_file: '{}' does not hold one token of visible ASCII", path),
                     "write one line to it, such as the output of: openssl rand -hex 32");
  }
  return token;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace ringmaster::admin
