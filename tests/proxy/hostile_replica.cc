#include "hostile_replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace ringmaster::proxy {

namespace {

std::string hash_text(std::string_view bytes) { return fmt::format("{:016x}", hash_of(bytes)); }

// It has come as it was sent, or not at all where Connection named it.
bool same_field(const Message& sent, const Message& message, std::string_view name) {
  return message.field(name) == (has_connection_option(sent, name) ? "" : sent.field(name));
}

}  // namespace

HostileReplica::HostileReplica(Stage& stage, fake::FakePeer& peer) : stage_(stage), peer_(peer) {
  if (!stage.polite && stage.dice.percent(3)) {
    over_ = deaf_ = true;  // hangs from the begin
    if (stage.dice.percent(50)) peer.pause_reading();
  }
  peer.on_receive([this](fake::FakePeer&) { read(); });
}

// --- what comes -----------------------------------------------------------------------------------------------------

void HostileReplica::read() {
  if (peer_.ended() || peer_.was_reset()) return end();
  while (!deaf_) {
    const std::string_view rest = std::string_view(peer_.received()).substr(read_);
    if (rest.empty()) return;
    if (busy_) return stage_.complain("bytes came while the answer was not whole: " + std::string(rest));
    ReadResult result = read_forwarded_request(rest);
    if (result.reading == Reading::malformed) {
      deaf_ = true;
      return stage_.complain("a replica got a malformed request (" + result.why + "): " + std::string(rest));
    }
    if (result.reading == Reading::more) {
      if (!result.message.head_complete || stage_.polite || std::exchange(early_judged_, true)) return;
      if (stage_.dice.percent(15)) answer_early(result.message);
      return;
    }
    read_ += result.bytes;
    early_judged_ = false;
    Expected* expected = find(result.message, true);
    if (!expected) {
      deaf_ = true;
      return stage_.complain("a replica got a request that nobody sent: " + std::string(rest));
    }
    answer(result.message, *expected);
  }
}

// The client's request that this is; of several that look the same, the one that came least.
Expected* HostileReplica::find(const Message& message, bool whole) {
  const std::string address = message.field("X-Forwarded-For");
  const auto client = stage_.clients.find(address);
  if (client == stage_.clients.end() || message.count("X-Forwarded-For") != 1) return nullptr;
  Expected* found = nullptr;
  for (Expected& expected : client->second->requests) {
    const Message& sent = expected.message;
    const bool same_body = whole ? sent.complete && sent.body == message.body : sent.body.starts_with(message.body);
    const bool same = sent.first == message.first && expected.target == message.second && same_body &&
                      same_field(sent, message, "X-Id") && same_field(sent, message, "X-Hop");
    if (same && (!found || expected.touched < found->touched)) found = &expected;
  }
  if (!found) return nullptr;
  found->received += whole ? 1 : 0;
  if (++found->touched > (found->idempotent ? 3u : 1u)) {
    stage_.complain(fmt::format("{} {} reached replicas {} times", message.first, message.second, found->touched));
  }
  tunnel_traffic_ = client->second;
  return found;
}

void HostileReplica::check_rest() {
  std::string_view rest = std::string_view(peer_.received()).substr(read_);
  if (tunnel_) {
    const std::string_view sent = std::string_view(tunnel_traffic_->bytes).substr(tunnel_->end);
    if (!sent.starts_with(rest)) stage_.complain("a tunnel's bytes are not the client's: " + std::string(rest));
    return;
  }
  // It may have been answered early, and be whole by now: then another may have followed it.
  uint32_t requests_max = answered_early_ ? 2 : 1;
  while (!rest.empty()) {
    if (requests_max-- == 0) return stage_.complain("a replica that did not answer got a second request");
    const ReadResult result = read_forwarded_request(rest);
    if (result.reading == Reading::malformed) {
      return stage_.complain("a replica got half a malformed request (" + result.why + "): " + std::string(rest));
    }
    if (!result.message.head_complete) return;
    const bool whole = result.reading == Reading::message;
    if (!find(result.message, whole)) {
      stage_.complain("a replica got half a request that nobody sent: " + std::string(rest));
    }
    if (!whole) return;
    rest.remove_prefix(result.bytes);
  }
}

// --- what goes ------------------------------------------------------------------------------------------------------

void HostileReplica::end() {
  over_ = true;
  peer_.end();
}

void HostileReplica::say(std::string bytes, std::function<void()> then) {
  if (over_) return;
  const uint32_t most = stage_.dice.percent(50) ? 100'000 : 200;
  const size_t size = std::min<size_t>(bytes.size(), stage_.dice.between(1, most));
  peer_.write(std::string_view(bytes).substr(0, size));
  bytes.erase(0, size);
  if (bytes.empty()) return then();
  const uint64_t pause_ns = stage_.dice.percent(70) ? 0 : stage_.dice.below(3'000'000);
  stage_.ring.after(pause_ns, [this, bytes = std::move(bytes), then = std::move(then)]() mutable {
    say(std::move(bytes), std::move(then));
  });
}

// Head fields and body of a good answer.
std::string HostileReplica::echo(const Message& message, std::string_view body_hash, std::string& body) {
  uint32_t size = stage_.dice.below(200);
  if (stage_.dice.percent(10)) size = stage_.dice.between(1000, 70'000);
  if (stage_.dice.percent(2)) size = stage_.dice.between(150'000, 400'000);
  const std::string pattern = message.field("X-Id") + "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
  body.clear();
  while (body.size() < size) body += pattern;
  body.resize(size);
  return "X-Echo: " + message.first + " " + message.second + " " + std::string(body_hash) + "\r\nX-Echo-Id: " +
         message.field("X-Id") + "\r\nX-Size: " + std::to_string(size) + "\r\nX-Hash: " + hash_text(body) + "\r\n";
}

void HostileReplica::answer(const Message& message, Expected& expected) {
  busy_ = true;
  std::string body;
  std::string head = echo(message, hash_text(message.body), body);
  Dice& dice = stage_.dice;
  std::string good;
  for (uint32_t hints = dice.percent(10) ? dice.between(1, 3) : 0; hints > 0; --hints) {
    good += dice.one_of<std::string>({"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
                                      "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"});
  }
  const bool bodiless = message.first == "HEAD";
  bool ends = dice.percent(10);
  if (dice.percent(5)) {
    good += dice.one_of<std::string>({"HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 Not Modified\r\n"}) + head + "\r\n";
    ends = false;
  } else {
    good += (dice.percent(90) ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 404 \r\n") + head;
    if (ends && (stage_.polite || dice.percent(50))) good += "Connection: close\r\n";
    switch (dice.below(ends ? 3 : 2)) {
      case 0: good += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + (bodiless ? "" : body); break;
      case 1: {
        good += "Transfer-Encoding: chunked\r\n\r\n";
        if (bodiless) break;
        for (size_t at = 0, size = 0; at < body.size(); at += size) {
          size = std::min<size_t>(body.size() - at, dice.between(1, 60'000));
          good += fmt::format("{:x}{}\r\n", size, dice.percent(10) ? ";e=1" : "") + body.substr(at, size) + "\r\n";
        }
        good += dice.percent(20) ? "0\r\nX-Trailer: 1\r\n\r\n" : "0\r\n\r\n";
        break;
      }
      case 2: good += "\r\n" + (bodiless ? std::string() : body); break;
    }
  }
  if (!stage_.polite && dice.percent(25)) return answer_badly(message, expected, good);
  const uint64_t pause_ns = dice.percent(60) ? 0 : dice.below(20'000'000);
  stage_.ring.after(pause_ns, [this, good = std::move(good), ends]() mutable {
    say(std::move(good), [this, ends] {
      busy_ = false;
      if (ends) end();
    });
  });
}

void HostileReplica::answer_badly(const Message& message, Expected& expected, const std::string& good) {
  Dice& dice = stage_.dice;
  const auto cut = [&] { return good.substr(0, dice.below(static_cast<uint32_t>(good.size()))); };
  const auto reset = [this] {
    over_ = true;
    peer_.reset();
  };
  const auto ending = [this] { end(); };
  const bool delimited = good.find("Content-Length: ") != good.npos || good.find("Transfer-Encoding: ") != good.npos;
  const auto hanging = [this] { over_ = true; };
  const bool upgrade = message.count("Upgrade") == 1;
  if (upgrade && dice.percent(80)) {
    expected.tunnel = "tunnel of " + message.field("X-Id");
    tunnel_ = &expected;
    deaf_ = true;
    return say(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + expected.tunnel,
        dice.percent(50) ? std::function<void()>(ending) : hanging);
  }
  switch (dice.below(12)) {
    case 0: return hanging();
    case 1: return reset();
    case 2: return end();
    // (The orderly end of an answer that nothing else delimits is its end.)
    case 3: return say(cut(), delimited ? std::function<void()>(ending) : reset);
    case 4: return say(cut(), reset);
    case 5: return say(cut(), hanging);
    case 6: return say("SSH-2.0-OpenSSH_9.2\r\n", hanging);
    case 7: return say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", hanging);
    case 8: return say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", hanging);
    case 9: {
      std::string flood;
      for (int i = 0; i < 20; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
      return say(flood + good, hanging);
    }
    // More than was asked for. Not a well-formed answer: one that comes after the next request has left looks like its
    // answer to everybody.
    case 10: return say(good + "more than one answer\r\n", [this] { busy_ = false; });
    case 11:
      return say(good, [this] {
        over_ = deaf_ = true;
        peer_.pause_reading();
      });
  }
}

void HostileReplica::answer_early(const Message& message) {
  std::string body;
  const std::string head = echo(message, "early", body);
  deaf_ = answered_early_ = true;
  const bool hangs = stage_.dice.percent(50);
  say("HTTP/1.1 413 Content Too Large\r\n" + head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
          (message.first == "HEAD" ? "" : body),
      [this, hangs] {
        over_ = true;
        if (!hangs) peer_.end();
      });
}

}  // namespace ringmaster::proxy
