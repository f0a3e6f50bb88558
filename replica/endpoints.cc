#include "replica/endpoints.h"

#include <charconv>
#include <utility>

namespace ringmaster::replica {

namespace {

constexpr std::pair<std::string_view, Endpoint> plain_paths[] = {
    {"/home", Endpoint::home}, {"/heartbeat", Endpoint::heartbeat}, {"/", Endpoint::root}, {"/ws", Endpoint::websocket},
};

constexpr std::pair<std::string_view, Fault> faults[] = {
    {"reset_before", Fault::reset_before}, {"reset_mid", Fault::reset_mid}, {"close_mid", Fault::close_mid},
    {"hang", Fault::hang},                 {"hang_mid", Fault::hang_mid},   {"garbage", Fault::garbage},
    {"slow", Fault::slow},                 {"status", Fault::status},       {"early", Fault::early},
};

struct Numbered {
  std::string_view prefix;
  Endpoint endpoint;
  uint64_t lowest;
  uint64_t highest;
};
constexpr Numbered numbered_paths[] = {
    {"/bytes/", Endpoint::bytes, 0, bytes_max},
    {"/delay/", Endpoint::delay, 0, delay_ms_max},
    {"/status/", Endpoint::status, 200, 599},
};

void find_endpoint(const http::RequestHead& head, Wish& wish) noexcept {
  if (head.path == "/echo") {
    wish.endpoint = Endpoint::echo;
  } else if (head.path == "/upload") {
    wish.endpoint = Endpoint::upload;
  } else if (head.path == "/fault/heartbeat" && head.method == HTTP_POST) {
    wish.endpoint = Endpoint::fault_heartbeat;
  }
  if (head.method != HTTP_GET && head.method != HTTP_HEAD) return;
  for (const auto& [path, endpoint] : plain_paths) {
    if (head.path == path) wish.endpoint = endpoint;
  }
  for (const Numbered& numbered : numbered_paths) {
    if (!head.path.starts_with(numbered.prefix)) continue;
    const auto number = decimal(head.path.substr(numbered.prefix.size()), numbered.highest);
    if (!number || *number < numbered.lowest) continue;
    wish.endpoint = numbered.endpoint;
    wish.number = *number;
  }
}

void find_fault(std::string_view query, Wish& wish) noexcept {
  const auto name = parameter(query, "fault");
  if (!name) return;
  wish.fault = Fault::unknown;
  for (const auto& [fault_name, fault] : faults) {
    if (*name == fault_name) wish.fault = fault;
  }
  if (wish.fault == Fault::slow) {
    const auto ms = decimal(parameter(query, "ms").value_or("100"), slow_ms_max);
    wish.fault_number = static_cast<uint32_t>(ms.value_or(0));
    if (!ms) wish.fault = Fault::unknown;
  } else if (wish.fault == Fault::status) {
    const auto status = decimal(parameter(query, "status").value_or(""), 599);
    wish.fault_number = static_cast<uint32_t>(status.value_or(0));
    if (wish.fault_number < 200) wish.fault = Fault::unknown;
  }
}

}  // namespace

Wish find_wish(const http::RequestHead& head) noexcept {
  Wish wish;
  if (head.path == "/home" && head.method == HTTP_GET) {  // nearly always
    wish.endpoint = Endpoint::home;
  } else {
    find_endpoint(head, wish);
  }
  if (!head.query.empty()) find_fault(head.query, wish);
  return wish;
}

std::optional<std::string_view> parameter(std::string_view query, std::string_view name) noexcept {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (!pair.starts_with(name)) continue;
    if (pair.size() == name.size()) return std::string_view();
    if (pair[name.size()] == '=') return pair.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::optional<uint64_t> decimal(std::string_view text, uint64_t highest) noexcept {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > highest) return std::nullopt;
  return value;
}

}  // namespace ringmaster::replica
