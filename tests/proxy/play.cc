#include "play.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "balance/table.h"

namespace ringmaster::proxy {

using namespace std::chrono_literals;
using fake::FakePeer;

namespace {

constexpr uint64_t ms = 1'000'000;

}  // namespace

// --- a client -------------------------------------------------------------------------------------------------------

class Client {
 public:
  Client(Stage& stage, int listener, const std::string& ip, const TrafficPlan& plan, bool polite)
      : stage_(stage), ip_(ip), polite_(polite), traffic_(make_traffic(stage.dice, ip, plan)) {
    stage.clients[ip] = &traffic_;
    stage.ring.after(stage.dice.below(50) * ms, [this, listener] {
      peer_ = &stage_.ring.connect_client(listener, *SocketAddress::parse(ip_ + ":40000"));
      if (!polite_ && stage_.dice.percent(10)) pause();
      goes_on_until_ = polite_ || stage_.dice.percent(70)
                           ? traffic_.bytes.size()
                           : stage_.dice.below(static_cast<uint32_t>(traffic_.bytes.size()));
      piece_ = stage_.dice.one_of<uint32_t>({1, 20, 300, 20'000, 1'000'000});
      if (piece_ == 1 && traffic_.bytes.size() > 3000) piece_ = 500;
      write_on();
    });
  }

  const Traffic& traffic() const { return traffic_; }
  void check();

 private:
  void pause() {
    peer_->pause_reading();
    if (stage_.dice.percent(70)) stage_.ring.after(stage_.dice.below(200) * ms, [this] { peer_->resume_reading(); });
  }
  void write_on() {
    if (peer_->was_reset()) return;
    const size_t size = std::min<size_t>(goes_on_until_ - written_, stage_.dice.between(1, piece_));
    peer_->write(std::string_view(traffic_.bytes).substr(written_, size));
    written_ += size;
    if (written_ == goes_on_until_) return finish();
    const uint64_t pause_ns = stage_.dice.percent(60)              ? 0
                              : polite_ || stage_.dice.percent(99) ? stage_.dice.below(4 * ms)
                                                                   : 400 * ms;
    stage_.ring.after(pause_ns, [this] { write_on(); });
  }
  void finish() {
    const bool whole = goes_on_until_ == traffic_.bytes.size();
    const uint32_t way = polite_ ? 4 + stage_.dice.below(2) : stage_.dice.below(6);
    stage_.ring.after(stage_.dice.below(30) * ms, [this, way, whole] {
      switch (way) {
        case 0: aborted_ = true; return peer_->reset();
        case 1: aborted_ = true; return peer_->close();
        case 2:
        case 4: aborted_ = !whole; return peer_->end();
        default: return;  // waits for the proxy to end
      }
    });
  }
  void check_echo(const Message& answer, const Expected& expected, bool whole);

  Stage& stage_;
  const std::string ip_;
  const bool polite_;
  Traffic traffic_;
  FakePeer* peer_ = nullptr;
  size_t written_ = 0;
  size_t goes_on_until_ = 0;
  uint32_t piece_ = 1;
  bool aborted_ = false;
};

// Does this answer belong to that request, and is it all of it, if it looks so?
void Client::check_echo(const Message& answer, const Expected& expected, bool whole) {
  const Message& request = expected.message;
  const std::string begin = request.first + " " + expected.target + " ";
  const std::string echo = answer.field("X-Echo");
  const std::string hash = fmt::format("{:016x}", hash_of(request.body));
  const std::string id = has_connection_option(request, "X-Id") ? "" : request.field("X-Id");
  const bool right = (echo == begin + hash || echo == begin + "early") && answer.field("X-Echo-Id") == id;
  if (!right) stage_.complain(ip_ + " got an answer to another request: " + echo + " instead of " + begin + hash);
  const bool bodiless = request.first == "HEAD" || answer.second == "204" || answer.second == "304";
  if (!whole || bodiless) return;
  const bool all = answer.field("X-Size") == std::to_string(answer.body.size()) &&
                   answer.field("X-Hash") == fmt::format("{:016x}", hash_of(answer.body));
  if (!all) stage_.complain(ip_ + " got a cut answer that looks whole: " + echo);
}

void Client::check() {
  if (!peer_) return;
  const std::string_view received = peer_->received();
  const bool orderly = peer_->ended();  // a reset may have followed, when the client went on sending
  size_t at = 0, answered = 0;
  bool closing = false;
  while (at < received.size()) {
    const std::string_view rest = received.substr(at);
    if (closing) return stage_.complain(ip_ + " got bytes behind the last answer: " + std::string(rest));
    const Expected* expected = answered < traffic_.requests.size() ? &traffic_.requests[answered] : nullptr;
    const ReadResult read = read_answer(rest, expected ? expected->message.first : "GET", orderly);
    if (read.reading == Reading::malformed)
      return stage_.complain(ip_ + " got a malformed answer (" + read.why + "): " + std::string(rest));
    const Message& answer = read.message;
    const bool local = answer.count("X-Echo") == 0;
    if (answer.head_complete && answer.second[0] != '1' && !local) {
      if (!expected) return stage_.complain(ip_ + " got an answer to nothing: " + std::string(rest));
      check_echo(answer, *expected, read.reading == Reading::message);
    }
    if (read.reading == Reading::more) break;
    at += read.bytes;
    if (answer.second == "101") {
      if (!expected || !expected->tunnel.starts_with(received.substr(at)))
        stage_.complain(ip_ + " got the wrong tunnel");
      ++answered;
      break;
    }
    if (answer.second[0] == '1') {
      const bool asked = expected && expected->message.third == "HTTP/1.1";
      if (!asked && answer.second != "100") stage_.complain(ip_ + " got an interim answer that it cannot know");
      continue;
    }
    if (local && (answer.second < "400" || (expected && expected->message.first != "HEAD" &&
                                            answer.body.find("\"status\":\"failure\"") == std::string::npos))) {
      stage_.complain(ip_ + " got an answer of nobody: " + std::string(rest));
    }
    if (!expected && answer.field("Connection") != "close") stage_.complain(ip_ + " got two answers to one request");
    closing = answer.field("Connection") == "close";
    // Who has not said its whole method may be told more than an answer to HEAD can say.
    if (local && closing && expected && expected->message.first == "HEAD") break;
    ++answered;
    if (polite_ && local && expected) stage_.complain(ip_ + " did not deserve: " + std::string(rest.substr(0, 300)));
  }
  if (polite_ && answered < traffic_.requests.size()) {
    stage_.complain(fmt::format("{} got {} answers to {} requests", ip_, answered, traffic_.requests.size()));
  }
  if (polite_ && at < received.size() && answered < traffic_.requests.size())
    stage_.complain(ip_ + " got a cut answer");
}

// --- a world --------------------------------------------------------------------------------------------------------

Play::Play(const PlayPlan& plan) : plan_(plan), ring_(plan.seed, plan.rates), dice_(plan.seed * 7919) {
  stage_.polite = plan.polite;
  choose_settings();
  publish();
  listener_ = ring_.listen();
  std::vector<Fd> listeners;
  listeners.emplace_back(listener_);
  if (plan_.wrap) wrapped_ = plan_.wrap(ring_);
  worker_ = std::make_unique<Worker>(control_, 0, *proxy_settings_, wrapped_ ? *wrapped_ : ring_, buffers_,
                                     std::move(listeners), nullptr);
  worker_->parts().stream_tools.bulk_from = dice_.one_of<uint32_t>({0, 1000, 128 * 1024});
  const uint32_t clients = dice_.between(1, 6);
  for (uint32_t i = 0; i < clients; ++i) {
    add_client({.requests = dice_.between(1, 8),
                .may_be_malformed = !stage_.polite && dice_.percent(60),
                .may_upgrade_early = true});
  }
}

Play::~Play() = default;

void Play::add_client(const TrafficPlan& plan) {
  const std::string ip = fmt::format("127.0.0.{}", clients_.size() + 1);
  clients_.push_back(std::make_unique<Client>(stage_, listener_, ip, plan, stage_.polite));
}

bool Play::turn(uint64_t at_most_ns) {
  if (plan_.around_turn) plan_.around_turn(true);
  const bool goes_on = worker_->turn(ring_.now_ns() + at_most_ns);
  if (plan_.around_turn) plan_.around_turn(false);
  return goes_on;
}

void Play::choose_settings() {
  settings_.routing.key = {"query:request_id", "random"};
  settings_.heartbeat.interval = 100ms;
  const bool fair = stage_.polite || plan_.recovers;   // who is polite to the end can be served
  const auto patience = fair ? 5000ms : 150ms;
  settings_.timeouts = {patience, patience, patience, patience, patience, patience, patience, patience, patience};
  settings_.limits.request_line_bytes = 8192;
  settings_.limits.header_bytes = 32768;
  settings_.limits.header_count = 128;
  settings_.limits.pipeline_depth = dice_.between(1, 32);
  settings_.limits.connections = fair ? 100 : dice_.between(3, 100);
  settings_.limits.connections_per_replica = fair || dice_.percent(80) ? 0 : dice_.between(1, 3);
  if (!fair && dice_.percent(20)) settings_.limits.body_bytes = dice_.between(1, 2000);
  settings_.retry.attempts = dice_.below(3);
  proxy_settings_ = std::make_unique<ProxySettings>(settings_, 1);
  buffers_.provided_initial = static_cast<uint16_t>(dice_.between(1, 8));
  buffers_.provided_max = static_cast<uint16_t>(8 << dice_.below(4));
  buffers_.provided_bytes = dice_.one_of<uint32_t>({100, 1500, 8192, 66'560});
  ring_.set_socket_buffer(dice_.one_of<uint32_t>({2000, 16'384, 65'536, 500'000}));
}

void Play::publish() {
  balance::Builder builder(balance::TableSettings{});
  auto table = std::make_unique<RouteTable>();
  const uint32_t count = dice_.between(1, 4);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string name = "S" + std::to_string(i + 1);
    const auto port = static_cast<uint16_t>(9001 + i);
    const auto address = SocketAddress::loopback(port);
    const uint32_t kind = stage_.polite ? 9 : dice_.below(12);
    if (kind == 0) ring_.refuse(address);
    else if (kind == 1) ring_.never_answer(address);
    else if (kind == 2) ring_.time_out(address);
    else
      ring_.serve(address,
                  [this](FakePeer& peer) { replicas_.push_back(std::make_unique<HostileReplica>(stage_, peer)); });
    ASSERT_TRUE(builder.join(name, 1));
    builder.set_ready(name, true);
    upstreams_.push_back(std::make_shared<Upstream>(upstreams_.size() + 1, name, address, 1));
    table->upstreams.push_back(upstreams_.back());
  }
  table->table = builder.build();
  control_.publish(std::move(table));
}

// A peer that reads nothing for ever keeps nothing alive for ever: the clients' side ends by the proxy's own timers.
void Play::run_until_clients_have_gone(uint64_t not_before_ns) {
  const uint64_t latest_ns = ring_.now_ns() + 120'000 * ms;
  while (serving_ && (ring_.now_ns() < not_before_ns || meters().client_connections.value() > 0)) {
    if (ring_.now_ns() > latest_ns) {
      stage_.complain(fmt::format("{} connections and {} exchanges never end", meters().client_connections.value(),
                                  meters().exchanges.value()));
      break;
    }
    if (ring_.now_ns() > publish_at_ns_) {
      publish();
      publish_at_ns_ = UINT64_MAX;
    }
    if (ring_.now_ns() > drain_at_ns_) control_.set_phase(Phase::draining);
    serving_ = turn(20 * ms);
  }
}

void Play::recover() {
  ring_.set_faults({});
  plan_.end_faults();
  stage_.polite = true;
  publish();
  add_client({.requests = 3});
  run_until_clients_have_gone(ring_.now_ns() + 100 * ms);
}

std::string Play::run() {
  drain_at_ns_ = !stage_.polite && !plan_.recovers && dice_.percent(20) ? ring_.now_ns() + dice_.below(300) * ms
                                                                        : UINT64_MAX;
  publish_at_ns_ = dice_.percent(20) ? ring_.now_ns() + dice_.below(300) * ms : UINT64_MAX;
  run_until_clients_have_gone(ring_.now_ns() + 300 * ms);
  if (plan_.recovers) recover();
  control_.set_phase(Phase::ending);
  for (int i = 0; serving_ && i < 10'000; ++i) serving_ = turn(20 * ms);
  if (serving_) stage_.complain("the worker does not end");
  for (int i = 0; i < 200; ++i) ring_.wait(ring_.now_ns() + 5 * ms);  // what is under way arrives
  check();
  std::string text;
  if (!stage_.complaints.empty()) {
    text = fmt::format(" ({} accepted, {} requests, {} retries, {} connects, until {} ms)",
                       meters().connections_accepted.value(), meters().requests.value(), meters().retries.value(),
                       meters().upstream_connects.value(), ring_.now_ns() / ms);
  }
  for (const std::string& complaint : stage_.complaints) text += "\n  " + testing::PrintToString(complaint);
  if (serving_) {  // the worker's destructor would only say the same in more words
    std::fprintf(stderr, "RINGMASTER_FAKE_SEED=%llu%s\n", static_cast<unsigned long long>(plan_.seed), text.c_str());
    std::_Exit(1);
  }
  worker_.reset();
  return text;
}

void Play::check() {
  for (const auto& replica : replicas_) replica->check_rest();
  for (const auto& client : clients_) client->check();
  const WorkerMeters& meters = control_.meters(0);
  const auto hold = [&](std::string_view what, uint64_t is, uint64_t most) {
    if (is > most) stage_.complain(fmt::format("{}: {}, not at most {}", what, is, most));
  };
  hold("client connections", meters.client_connections.value(), 0);
  hold("exchanges", meters.exchanges.value(), 0);
  hold("tunnels", meters.tunnels.value(), 0);
  hold("stale completions", meters.completions_stale.value(), 0);
  hold("buffers", worker_->parts().buffers.provided_leased() + worker_->parts().buffers.bulk_leased(), 0);
  hold("pieces", worker_->parts().pieces.live(), 0);
  hold("operations", ring_.in_flight(), 1);  // the eventfd's poll
  hold("descriptors", ring_.open_descriptors(), 0);
  uint64_t sent = 0, received = 0, attempts = 0;
  for (const auto& client : clients_) {
    sent += client->traffic().requests.size();
    for (const Expected& expected : client->traffic().requests) received += expected.touched;
  }
  for (const UpstreamPtr& upstream : upstreams_) {
    hold("in flight", upstream->meters[0].in_flight.value(), 0);
    hold("upstream connections", upstream->meters[0].connections.value(), 0);
    attempts += upstream->meters[0].requests.value();
  }
  hold("requests routed", meters.requests.value(), sent);
  hold("requests that replicas got", received, attempts);
  hold("attempts", attempts, meters.requests.value() + meters.retries.value());
}

}  // namespace ringmaster::proxy
