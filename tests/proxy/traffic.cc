#include "traffic.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cctype>

namespace ringmaster::proxy {

namespace {

using namespace std::string_literals;

// --- valid requests -------------------------------------------------------------------------------------------------

std::string any_case(Dice& dice, std::string name) {
  const uint32_t style = dice.below(4);
  for (char& c : name) {
    if (style == 1) c = static_cast<char>(tolower(c));
    if (style == 2) c = static_cast<char>(toupper(c));
    if (style == 3 && dice.percent(50)) c = static_cast<char>(isupper(c) ? tolower(c) : toupper(c));
  }
  return name;
}

std::string field(Dice& dice, const std::string& name, const std::string& value, bool framing = false) {
  const std::string before = framing ? dice.one_of<std::string>({" ", "", "   "})
                                     : dice.one_of<std::string>({" ", "", "\t", "  \t "});
  const std::string behind =
      framing ? dice.one_of<std::string>({"", "", " "}) : dice.one_of<std::string>({"", "", " \t"});
  return any_case(dice, name) + ":" + before + value + behind + "\r\n";
}

std::string body_of(Dice& dice, const std::string& id) {
  uint32_t size = dice.below(200);
  if (dice.percent(15)) size = dice.between(1000, 30'000);
  if (dice.percent(2)) size = dice.between(100'000, 300'000);
  std::string body;
  while (body.size() < size) {
    if (dice.percent(10)) body += "GET /smuggled HTTP/1.1\r\nHost: h\r\nX-Id: smuggled\r\n\r\n";
    else if (dice.percent(10)) body += "\r\n0\r\n\r\n";
    else if (dice.percent(50)) body += static_cast<char>(dice.below(256));
    else body += id;
  }
  return body;
}

std::string chunked(Dice& dice, std::string_view body) {
  std::string out;
  const auto hexadecimal = [&](size_t number) {
    std::string digits = fmt::format("{:x}", number);
    if (dice.percent(20)) digits = fmt::format("{:X}", number);
    if (dice.percent(10)) digits = "000" + digits;
    return digits;
  };
  const auto extension = [&] {
    return dice.percent(20) ? dice.one_of<std::string>({";a", ";a=b", ";a=\"b;\\\"c\"", ";x=1;y=2"}) : ""s;
  };
  while (!body.empty()) {
    const uint32_t most = dice.percent(50) ? 20 : 20'000;
    const auto size = std::min<size_t>(body.size(), dice.between(1, most));
    out += hexadecimal(size) + extension() + "\r\n" + std::string(body.substr(0, size)) + "\r\n";
    body.remove_prefix(size);
  }
  out += dice.one_of<std::string>({"0", "0", "0000"}) + extension() + "\r\n";
  if (dice.percent(15)) out += "X-Trailer: 1\r\nHost: evil\r\n";
  return out + "\r\n";
}

struct Kind {
  bool last = false;   // its connection ends with it
  bool upgrade = false;
};

std::string valid_request(Dice& dice, const std::string& id, Kind& kind, const TrafficPlan& plan) {
  const std::string method =
      kind.upgrade ? "GET"
                   : dice.one_of<std::string>({"GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH"});
  const bool old = !kind.upgrade && kind.last && dice.percent(40);
  const bool with_body = !kind.upgrade && (method[0] == 'P' || dice.percent(10));
  std::string target = "/r/" + id + "?request_id=" + id;
  if (dice.percent(10)) target = "http://h" + target;
  if (dice.percent(3)) target += "&long=" + std::string(dice.between(100, 3000), 'l');
  std::string head = method + " " + target + (old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (dice.percent(5)) head = "\r\n" + head;

  std::vector<std::string> fields = {field(dice, "X-Id", id)};
  if (!old || dice.percent(80) || target[0] == 'h') fields.push_back(field(dice, "Host", "h"));
  if (dice.percent(20)) fields.push_back(field(dice, "X-Forwarded-For", "127.0.0.250"));
  if (dice.percent(20)) fields.push_back(field(dice, "Accept", "*/*, text/html;q=0.9"));
  if (dice.percent(5)) fields.push_back(field(dice, "Cookie", std::string(dice.between(500, 9000), 'c')));
  if (dice.percent(10)) fields.push_back(field(dice, "X_Under", "score"));
  if (kind.upgrade) {
    fields.push_back(field(dice, "Connection", "Upgrade"));
    fields.push_back(field(dice, "Upgrade", "websocket"));
  } else if (kind.last && !old) {
    fields.push_back(field(dice, "Connection", "close"));
  } else if (dice.percent(20)) {
    fields.push_back(field(dice, "Connection", old ? "X-Hop" : "keep-alive, X-Hop"));
    fields.push_back(field(dice, "X-Hop", "hop"));
  }
  std::string body;
  if (with_body) {
    body = body_of(dice, id);
    if (!old && !plan.may_be_malformed && dice.percent(10) && !body.empty()) {
      fields.push_back(field(dice, "Expect", "100-continue"));
    }
    if (!old && dice.percent(50)) {
      fields.push_back(field(dice, "Transfer-Encoding", dice.one_of<std::string>({"chunked", "Chunked"}), true));
      body = chunked(dice, body);
    } else {
      const std::string zeros = dice.percent(10) ? "000" : "";
      fields.push_back(field(dice, "Content-Length", zeros + std::to_string(body.size()), true));
    }
  }
  for (size_t i = fields.size(); i > 1; --i) std::swap(fields[i - 1], fields[dice.below(static_cast<uint32_t>(i))]);
  for (const std::string& line : fields) head += line;
  return head + "\r\n" + body;
}

// --- others ---------------------------------------------------------------------------------------------------------

const std::vector<std::string>& dictionary() {
  static const std::vector<std::string> words = {
      "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", ":", ";", ",", "0", "5", "_", "\0"s, "\v", "\xFF", "0\r\n\r\n",
      "Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: \r\n",
      "Transfer-Encoding: identity\r\n", "Host: g\r\n", "Connection: close\r\n", "Connection: X-Id\r\n",
      "Connection: Content-Length\r\n", "Expect: 100-continue\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n",
      "GET /smuggled HTTP/1.1\r\nHost: h\r\nX-Id: smuggled\r\n\r\n", "HTTP/1.0", "FFFFFFFFFFFFFFFF"};
  return words;
}

std::string mutated(Dice& dice, std::string request) {
  const uint32_t count = dice.between(1, 3);
  for (uint32_t i = 0; i < count && !request.empty(); ++i) {
    // Mostly in the head, where lines begin: there the meaning is.
    const auto reach = static_cast<uint32_t>(dice.percent(70) ? std::min<size_t>(request.size(), 300) : request.size());
    size_t at = dice.below(reach);
    if (dice.percent(50)) {
      const size_t line = request.find("\r\n", at);
      if (line != std::string::npos) at = line + dice.below(3);
    }
    at = std::min(at, request.size());
    switch (dice.below(5)) {
      case 0: request.insert(at, dice.one_of(dictionary())); break;
      case 1: request.erase(at, dice.between(1, 3)); break;
      case 2: request.replace(at, at < request.size() ? 1 : 0, dice.one_of(dictionary())); break;
      case 3: request.insert(at, request.substr(at, dice.between(1, 40))); break;
      case 4: if (at < request.size()) request[at] = static_cast<char>(request[at] ^ (1 << dice.below(8))); break;
    }
  }
  return request;
}

std::string ambiguous(Dice& dice, const std::string& id) {
  const std::string post = "POST /r/" + id + " HTTP/1.1\r\nHost: h\r\nX-Id: " + id + "\r\n";
  return post + dice.one_of<std::string>({
                    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                    "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                    "Content-Length: 5, 5\r\n\r\nhello",
                    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello",
                    "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n",
                    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                    "Content-Length: +5\r\n\r\nhello",
                    "Content-Length: 5\r\n\n\r\nhello",
                    "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
                    "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
                });
}

// --- the meaning ----------------------------------------------------------------------------------------------------

std::string origin_form(const Message& message) {
  const std::string& target = message.second;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (strncasecmp(target.c_str(), scheme.data(), scheme.size()) != 0) continue;
    const size_t path = target.find_first_of("/?", scheme.size());
    if (path == std::string::npos) return message.first == "OPTIONS" ? "*" : "/";
    return (target[path] == '?' ? "/" : "") + target.substr(path);
  }
  return target;
}

bool is_idempotent(std::string_view method) {
  constexpr std::string_view methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE",
                                          "PROPFIND", "REPORT", "SEARCH", "QUERY"};
  return std::ranges::find(methods, method) != std::end(methods);
}

}  // namespace

bool has_connection_option(const Message& message, std::string_view option) {
  for (const auto& [name, value] : message.fields) {
    if (strcasecmp(name.c_str(), "Connection") != 0) continue;
    size_t at = 0;
    while (at <= value.size()) {
      const size_t end = std::min(value.find(',', at), value.size());
      std::string_view element = std::string_view(value).substr(at, end - at);
      while (!element.empty() && isblank(element.front())) element.remove_prefix(1);
      while (!element.empty() && isblank(element.back())) element.remove_suffix(1);
      if (element.size() == option.size() && strncasecmp(element.data(), option.data(), option.size()) == 0)
        return true;
      at = end + 1;
    }
  }
  return false;
}

std::vector<Expected> read_traffic(std::string_view bytes) {
  std::vector<Expected> requests;
  size_t at = 0;
  for (;;) {
    ReadResult read = read_sent_request(bytes.substr(at));
    if (read.reading != Reading::message && !read.message.head_complete) return requests;
    at += read.bytes;
    Expected expected{.message = std::move(read.message), .end = at};
    expected.target = origin_form(expected.message);
    expected.idempotent = is_idempotent(expected.message.first);
    const bool old = expected.message.third == "HTTP/1.0";
    const bool ends = has_connection_option(expected.message, "close") ||
                      (old && !has_connection_option(expected.message, "keep-alive"));
    requests.push_back(std::move(expected));
    if (read.reading != Reading::message || ends) return requests;
  }
}

Traffic make_traffic(Dice& dice, std::string_view client, const TrafficPlan& plan) {
  Traffic traffic;
  traffic.valid = true;
  for (uint32_t i = 0; i < plan.requests; ++i) {
    const std::string id = fmt::format("{}-{}-{:x}", client, i, dice.below(1 << 30));
    Kind kind{.last = dice.percent(i + 1 == plan.requests ? 30 : 2)};
    kind.upgrade = dice.percent(4) && (plan.may_upgrade_early || i + 1 == plan.requests);
    std::string request = valid_request(dice, id, kind, plan);
    if (plan.may_be_malformed && dice.percent(25)) {
      request = dice.percent(70) ? mutated(dice, request) : ambiguous(dice, id);
      traffic.valid = false;
    }
    traffic.bytes += request;
  }
  if (dice.percent(20)) {
    traffic.bytes += dice.one_of<std::string>({"GET /half HTTP/1.1\r\nHo", "\r\n", "garbage", "\x16\x03\x01"});
    traffic.valid = traffic.valid && traffic.bytes.ends_with("Ho");
  }
  traffic.requests = read_traffic(traffic.bytes);
  return traffic;
}

// FNV-1a.
uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

}  // namespace ringmaster::proxy
