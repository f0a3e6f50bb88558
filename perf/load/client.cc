#include "client.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/clock.h"

namespace ringmaster::perf {

namespace {

uint64_t to_ns(double seconds) noexcept { return static_cast<uint64_t>(seconds * 1e9); }

Order make_order(const Plan& plan) {
  Order order;
  const bool bytes = plan.path.empty();
  const std::string path = bytes ? "/bytes/" + std::to_string(plan.answer_bytes) : plan.path;
  order.head = (plan.body_bytes > 0 ? "POST " : "GET ") + path;
  order.head += path.find('?') == std::string::npos ? "?request_id=" : "&request_id=";
  order.id_offset = order.head.size();
  order.head +=
      std::string(id_digits, '0') + " HTTP/1.1\r\nHost: ringmaster.test\r\nUser-Agent: perf\r\nAccept: */*\r\n";
  if (plan.body_bytes > 0) order.head += "Content-Length: " + std::to_string(plan.body_bytes) + "\r\n";
  order.head += plan.keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  order.body_bytes = plan.body_bytes;
  order.answer_bytes = plan.answer_bytes;
  order.any_answer = !bytes;
  order.check_every = std::max(plan.check_every, 1U);
  return order;
}

// What the drives have in common: the outcome, and connections that failed and wait to be used again.
class CountingDrive : public Drive {
 public:
  CountingDrive(const Order& order, uint64_t& next_id) : order_(order), next_id_(next_id) {}

  void failed(ClientConnection& connection, Failure failure, std::string_view detail) override {
    outcome.count(failure, detail);
    --outstanding_;
    free_again(connection);
  }

  bool gave_up() const noexcept { return outcome.failed() >= Client::failures_max; }
  uint64_t outstanding() const noexcept { return outstanding_; }

  // Begins what is due. Called before every wait.
  virtual void pump(uint64_t now_ns) = 0;
  // When pump() should be called next if nothing happens before.
  virtual uint64_t next_ns() const noexcept { return UINT64_MAX; }
  virtual bool is_done(uint64_t now_ns) const noexcept = 0;
  // Asks the kernel again and again instead of sleeping.
  virtual bool spins() const noexcept { return false; }

  Outcome outcome;

 protected:
  virtual void free_again(ClientConnection& connection) = 0;

  void begin(ClientConnection& connection, uint64_t due_ns) {
    if (first_ns_ == 0) first_ns_ = due_ns;
    ++started_;
    ++outstanding_;
    connection.begin(*this, order_, next_id_++, due_ns);
  }

  void record(const ClientConnection& connection, uint64_t now_ns, uint64_t due_ns) {
    ++outcome.answers;
    outcome.answer_bytes += order_.any_answer ? 0 : order_.answer_bytes;
    outcome.latency.record(now_ns - due_ns);
    outcome.lateness.record(connection.sent_ns() - due_ns);
    outcome.seconds = static_cast<double>(now_ns - first_ns_) / 1e9;
    if (!connection.is_ending()) --outstanding_;
  }

  const Order& order_;
  uint64_t& next_id_;
  uint64_t first_ns_ = 0;
  uint64_t started_ = 0;
  uint64_t outstanding_ = 0;  // an answered request counts until its connection can be used again
};

}  // namespace

// Asks again on each connection as soon as it has its answer.
class ClosedLoop final : public CountingDrive {
 public:
  ClosedLoop(const Order& order, uint64_t& next_id, const Plan& plan, uint64_t end_ns)
      : CountingDrive(order, next_id), requests_(plan.requests == 0 ? UINT64_MAX : plan.requests), end_ns_(end_ns) {}

  void add(ClientConnection& connection) { free_.push_back(&connection); }

  void answered(ClientConnection& connection, uint64_t now_ns, uint64_t due_ns) override {
    record(connection, now_ns, due_ns);
    if (connection.is_idle() && !is_over(now_ns)) begin(connection, now_ns);
  }
  void ended(ClientConnection& connection, bool announced) override {
    if (announced) --outstanding_;
    free_again(connection);
  }

  void pump(uint64_t now_ns) override {
    for (ClientConnection* connection : std::exchange(free_, {})) {
      if (!is_over(now_ns) && !gave_up()) begin(*connection, now_ns);
    }
  }
  uint64_t next_ns() const noexcept override { return end_ns_; }
  bool is_done(uint64_t now_ns) const noexcept override { return is_over(now_ns) && outstanding_ == 0; }

 private:
  bool is_over(uint64_t now_ns) const noexcept { return now_ns >= end_ns_ || started_ >= requests_; }
  void free_again(ClientConnection& connection) override { free_.push_back(&connection); }

  const uint64_t requests_;
  const uint64_t end_ns_;
  std::vector<ClientConnection*> free_;
};

// Request i is due at begin + i / rate, on the connection that has been free for longest.
class OpenLoop final : public CountingDrive {
 public:
  OpenLoop(const Order& order, uint64_t& next_id, const Plan& plan, uint64_t begin_ns)
      : CountingDrive(order, next_id),
        begin_ns_(begin_ns),
        interval_ns_(1e9 / plan.rate),
        total_(static_cast<uint64_t>(std::llround(plan.seconds * plan.rate))) {}

  void add(ClientConnection& connection) { free_.push_back(&connection); }

  void answered(ClientConnection& connection, uint64_t now_ns, uint64_t due_ns) override {
    record(connection, now_ns, due_ns);
    if (!connection.is_idle()) return;
    free_.push_back(&connection);
    if (due_ns_of(started_) <= now_ns) pump(now_ns);
  }
  void ended(ClientConnection& connection, bool announced) override {
    if (!announced) return;  // idle, and still in the list: it will connect when its turn comes
    --outstanding_;
    free_.push_back(&connection);
  }

  void pump(uint64_t now_ns) override {
    while (started_ < total_ && due_ns_of(started_) <= now_ns && !free_.empty() && !gave_up()) {
      ClientConnection& connection = *free_.front();
      free_.pop_front();
      begin(connection, due_ns_of(started_));
    }
  }
  uint64_t next_ns() const noexcept override {
    return started_ < total_ && !free_.empty() ? due_ns_of(started_) : UINT64_MAX;
  }
  bool is_done(uint64_t) const noexcept override { return started_ == total_ && outstanding_ == 0; }
  // A CPU that sleeps takes up to 50 us to wake in a virtual machine: that would be counted as the proxy's latency.
  bool spins() const noexcept override { return true; }
  uint64_t unsent() const noexcept { return total_ - started_; }

 private:
  uint64_t due_ns_of(uint64_t index) const noexcept {
    return begin_ns_ + static_cast<uint64_t>(static_cast<double>(index) * interval_ns_);
  }
  void free_again(ClientConnection& connection) override { free_.push_back(&connection); }

  const uint64_t begin_ns_;
  const double interval_ns_;
  const uint64_t total_;
  std::deque<ClientConnection*> free_;
};

// One request on each connection, with a bounded number of connections on their way.
class Visits final : public CountingDrive {
 public:
  static constexpr size_t under_way_max = 64;

  // `settled` says how many of the requests need no more waiting for.
  Visits(const Order& order, uint64_t& next_id, std::vector<std::unique_ptr<ClientConnection>>& connections,
         std::function<size_t()> settled)
      : CountingDrive(order, next_id), connections_(connections), settled_(std::move(settled)) {}

  void answered(ClientConnection& connection, uint64_t now_ns, uint64_t due_ns) override {
    record(connection, now_ns, due_ns);
  }
  void ended(ClientConnection& connection, bool announced) override {
    if (announced) --outstanding_;
    outcome.count(Failure::idle_lost, "an idle connection was closed");
    free_again(connection);
  }

  void pump(uint64_t now_ns) override {
    while (started_ < connections_.size() && started_ < settled() + under_way_max && !gave_up()) {
      begin(*connections_[started_], now_ns);
    }
  }
  bool is_done(uint64_t) const noexcept override { return started_ == connections_.size() && settled() >= started_; }

 private:
  size_t settled() const { return settled_() + outcome.failed(); }
  void free_again(ClientConnection&) override {}

  std::vector<std::unique_ptr<ClientConnection>>& connections_;
  const std::function<size_t()> settled_;
};

// Connections that nobody uses at the moment.
class Resting final : public Drive {
 public:
  void answered(ClientConnection&, uint64_t, uint64_t) override {}
  void ended(ClientConnection&, bool) override { ++lost; }
  void failed(ClientConnection&, Failure, std::string_view) override { ++lost; }

  uint64_t lost = 0;
};

namespace {

void wait_until_done(EventLoop& loop, CountingDrive& drive, uint64_t deadline_ns, Aside* aside = nullptr) {
  while (true) {
    const uint64_t now = monotonic_ns();
    drive.pump(now);
    if (aside != nullptr) aside->pump(now);
    const bool is_done = drive.is_done(now) && (aside == nullptr || aside->is_done());
    if (is_done || drive.gave_up() || now >= deadline_ns) return;
    uint64_t next = drive.next_ns() > now ? std::min(drive.next_ns(), deadline_ns) : deadline_ns;
    if (aside != nullptr) next = std::min(next, std::max(aside->next_ns(), now));
    loop.run_once(drive.spins() ? 0 : next - now);
  }
}

}  // namespace

uint64_t Outcome::failed() const noexcept {
  uint64_t sum = 0;
  for (const uint64_t count : failures) sum += count;
  return sum;
}

void Outcome::count(Failure failure, std::string_view detail, uint64_t times) {
  if (times == 0) return;
  if (failed() == 0)
    first_failure = std::string(failure_names[static_cast<size_t>(failure)]) + ": " + std::string(detail);
  failures[static_cast<size_t>(failure)] += times;
}

Client::Client(EventLoop& loop, const SocketAddress& target)
    : loop_(loop),
      target_(target),
      small_(make_order(Plan{})),
      held_order_(make_order(Plan{.path = "/hold"})),
      resting_(std::make_unique<Resting>()),
      idling_(std::make_unique<Resting>()) {}

Client::~Client() = default;

void Client::resize(Connections& connections, size_t count) {
  while (connections.size() > count) connections.pop_back();
  while (connections.size() < count) connections.push_back(std::make_unique<ClientConnection>(loop_, target_));
}

Outcome Client::run(const Plan& plan) {
  resize(pool_, plan.connections);
  const Order order = make_order(plan);
  const uint64_t begin = monotonic_ns();
  const uint64_t end = begin + to_ns(plan.seconds);
  const uint64_t deadline = end + to_ns(drain_seconds_max);
  std::optional<Aside> aside;
  if (plan.aside) aside.emplace(loop_, *plan.aside, begin, end);
  uint64_t connects = 0;
  for (const auto& connection : pool_) connects -= connection->connects();

  const auto conduct = [&](auto& drive) {
    for (const auto& connection : pool_) {
      connection->rest(drive);
      drive.add(*connection);
    }
    wait_until_done(loop_, drive, deadline, aside ? &*aside : nullptr);
    for (const auto& connection : pool_) {
      if (!connection->is_idle()) connection->close();  // whatever has not answered by now
      connection->rest(*resting_);
      connects += connection->connects();
    }
    if (!drive.gave_up())
      drive.outcome.count(Failure::unanswered, "no answer, or no end after it", drive.outstanding());
  };

  Outcome outcome;
  if (plan.rate > 0) {
    OpenLoop drive(order, next_id_, plan, begin);
    conduct(drive);
    if (!drive.gave_up()) drive.outcome.count(Failure::unsent, "no connection was free in time", drive.unsent());
    outcome = std::move(drive.outcome);
  } else {
    ClosedLoop drive(order, next_id_, plan, end);
    conduct(drive);
    outcome = std::move(drive.outcome);
  }
  outcome.connects = connects;
  if (aside) {
    outcome.aside_answers = aside->answers();
    if (!aside->is_done()) outcome.count(Failure::aside, "no answer");
    if (!aside->trouble().empty()) outcome.count(Failure::aside, aside->trouble());
  }
  outcome.count(Failure::idle_lost, "an idle connection was closed", std::exchange(idling_->lost, 0));
  return outcome;
}

Outcome Client::open_idle(uint32_t connections) {
  Connections fresh;
  resize(fresh, connections);
  Visits visits(small_, next_id_, fresh, [&visits] { return visits.outcome.answers; });
  wait_until_done(loop_, visits, monotonic_ns() + to_ns(30));
  visits.outcome.count(Failure::unanswered, "no answer", visits.gave_up() ? 0 : visits.outstanding());
  visits.outcome.connects = connections;
  for (auto& connection : fresh) {
    connection->rest(*idling_);
    idle_.push_back(std::move(connection));
  }
  return std::move(visits.outcome);
}

Outcome Client::hold(uint32_t connections, const std::function<size_t()>& held) {
  resize(held_, connections);
  const size_t before = held();
  visits_ = std::make_unique<Visits>(held_order_, next_id_, held_, [held, before] { return held() - before; });
  wait_until_done(loop_, *visits_, monotonic_ns() + to_ns(30));
  Outcome outcome = visits_->outcome;
  const uint64_t arrived = held() - before + outcome.failed();
  outcome.count(Failure::unanswered, "did not reach the backend", arrived < connections ? connections - arrived : 0);
  outcome.connects = connections;
  return outcome;
}

Outcome Client::take_held() {
  if (!visits_) return {};
  const uint64_t deadline = monotonic_ns() + to_ns(drain_seconds_max);
  while (visits_->outstanding() > 0 && monotonic_ns() < deadline) loop_.run_once(to_ns(0.1));
  visits_->outcome.count(Failure::unanswered, "no answer after the release", visits_->outstanding());
  Outcome outcome = std::move(visits_->outcome);
  held_.clear();
  visits_.reset();
  return outcome;
}

void Client::close_all() {
  pool_.clear();
  idle_.clear();
  held_.clear();
  visits_.reset();
  idling_->lost = 0;
}

}  // namespace ringmaster::perf
