#include "admin/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "admin/text.h"
#include "balance/policy.h"
#include "config/forms.h"
#include "http/client.h"
#include "http/head.h"
#include "http/key.h"

namespace ringmaster::admin {

namespace {

using Sentence = std::unexpected<std::string>;

// The authority of "http://host/path"; empty for an origin-form.
std::string_view authority_of(std::string_view url) {
  const size_t scheme = url.find("://");
  if (url.starts_with('/') || scheme == std::string_view::npos) return {};
  const std::string_view rest = url.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?"));
}

// As a client would send it. One line stays one line: the parser must not find more than was asked about.
std::expected<std::string, std::string> head_of(const Question& question) {
  const auto breaks = [](const std::string& text) { return text.find_first_of("\r\n") != std::string::npos; };
  if (breaks(question.url) || std::ranges::any_of(question.headers, breaks)) {
    return Sentence("a url or header with a line end in it");
  }
  std::string head = fmt::format("GET {} HTTP/1.1\r\n", question.url);
  bool has_host = false;
  for (const std::string& line : question.headers) {
    has_host |= same_text(std::string_view(line).substr(0, line.find(':')), "host");
    head += line + "\r\n";
  }
  const std::string_view authority = authority_of(question.url);
  if (!has_host) head += fmt::format("Host: {}\r\n", authority.empty() ? "localhost" : authority);
  return head + "\r\n";
}

void look_up(Explanation& found, const balance::Table& table) {
  found.hash = table.hash_of(found.key);
  found.slot = table.slot_of(found.key);
  const uint16_t owner = table.owner(found.slot);
  if (owner == balance::no_member) return;
  found.owner = table.members()[owner];
  std::array<uint16_t, balance::fallbacks_max> fallbacks;
  const size_t count = table.fallbacks(found.slot, fallbacks);
  for (size_t i = 0; i < count; ++i) found.fallbacks.push_back(table.members()[fallbacks[i]]);
}

void read_cookie(Explanation& found, const http::RequestHead& head, const balance::Table& table,
                 const proxy::StickyCookies* cookies) {
  if (!cookies) {
    found.sticky = Sticky::unknown;
    return;
  }
  const auto named = cookies->named_in(head);
  found.sticky_replica = named.replica;
  const bool there = std::ranges::find(table.members(), named.replica) != table.members().end();
  if (!named.present) found.sticky = Sticky::absent;
  else if (named.code == 0) found.sticky = Sticky::not_ours;
  else found.sticky = there ? Sticky::believed : Sticky::departed;
}

// As a worker finds them (proxy/router.cc).
void read_request(Explanation& found, const http::RequestHead& head, const Question& question,
                  const config::Settings& settings, const balance::Table& table,
                  const proxy::StickyCookies* cookies) {
  if (!settings.routing.sticky_cookie.empty()) read_cookie(found, head, table, cookies);
  if (!routes_by_key(settings)) return;
  std::vector<http::KeySource> sources;
  for (const std::string& text : settings.routing.key) sources.push_back(http::KeySource::parse(text).value());
  const http::Networks trusted = http::networks_of(settings.proxy.trusted_proxies);
  const http::RequestKey key = http::find_key(head, http::client_of(head, question.client_ip, trusted), sources);
  found.random = key.random || key.source == http::RequestKey::no_source;
  found.source = found.random ? "random" : sources[key.source].text();
  found.key = key.bytes;
  if (!found.random) look_up(found, table);
}

}  // namespace

std::string_view name_of(Sticky sticky) noexcept {
  switch (sticky) {
    case Sticky::absent: return "absent";
    case Sticky::believed: return "believed";
    case Sticky::departed: return "departed";
    case Sticky::not_ours: return "not_ours";
    case Sticky::unknown: return "unknown";
  }
  return "";
}

bool routes_by_key(const config::Settings& settings) {
  return balance::policy(settings.routing.table).value_or(balance::Policy::table) == balance::Policy::table;
}

std::expected<Explanation, std::string> explain(const Question& question, const config::Settings& settings,
                                                const balance::Table& table, const proxy::StickyCookies* cookies) {
  if (!config::is_network(question.client_ip) || question.client_ip.contains('/')) {
    return Sentence("client must be an IP address, such as 10.0.0.1 or fd00::1");
  }
  Explanation found;
  if (!routes_by_key(settings)) {
    found.source = settings.routing.table;
    found.random = true;
  }
  if (question.key) {
    if (found.random) return found;
    found.source = "given";
    found.key = *question.key;
    look_up(found, table);
    return found;
  }
  const auto head_text = head_of(question);
  if (!head_text) return Sentence(head_text.error());
  const http::HeadLimits limits{.request_line_bytes = settings.limits.request_line_bytes,
                                .header_bytes = settings.limits.header_bytes,
                                .header_count = static_cast<uint16_t>(settings.limits.header_count)};
  http::HeadParser parser(http::HeadParser::Kind::request);
  const auto scratch = std::make_unique<http::FieldScratch>();
  http::RequestHead head;
  if (parser.parse_request(*head_text, limits, *scratch, head) != http::HeadStatus::complete) {
    return Sentence(fmt::format("the proxy would refuse this request: {} {}: {}", http::status_of(parser.cause()),
                                http::name_of(parser.cause()), http::text_of(parser.cause())));
  }
  read_request(found, head, question, settings, table, cookies);
  return found;
}

namespace {

// What stands before the mark, which goes with it; all, where it does not come.
std::string_view take_until(std::string_view& rest, char mark) {
  const size_t at = rest.find(mark);
  const std::string_view taken = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return taken;
}

}  // namespace

std::expected<Question, std::string> read_question(std::string_view query) {
  Question question;
  bool asked = false;
  while (!query.empty()) {
    std::string_view pair = take_until(query, '&');
    if (pair.empty()) continue;
    const std::string_view name = take_until(pair, '=');
    const auto value = percent_decoded(pair);
    if (!value) return Sentence(fmt::format("'{}' has a % that two hexadecimal digits do not follow", name));
    if (name == "key") question.key = *value;
    else if (name == "url") question.url = *value;
    else if (name == "header") question.headers.push_back(*value);
    else if (name == "client") question.client_ip = *value;
    else return Sentence(fmt::format("'{}' is not known here: key, url, header and client are", name));
    asked |= name != "client";
  }
  if (!asked) return Sentence("ask for ?key=…, or for ?url=… and header=Name:%20value");
  return question;
}

}  // namespace ringmaster::admin
