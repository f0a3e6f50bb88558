// The Ring's side: operations, the rules that they keep, provided buffers, the loop. The network: fake_network.cc.
#include "fake_ring.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fake_memory.h"

namespace ringmaster::fake {

namespace {

constexpr int first_descriptor = 1'000'000;  // far above what the kernel gives
constexpr size_t reap_max = 256;
constexpr uint32_t stuck_waits_max = 10'000;
constexpr uint32_t events_max = 10'000;      // run in one wait() without a completion

}  // namespace

FaultRates FaultRates::harmless() {
  return {.split = 300, .delay = 300, .late_cancel = 500, .no_buffers = 50, .multishot_ends = 50, .slow_send = 200};
}

FaultRates FaultRates::hostile() {
  FaultRates rates = harmless();
  rates.accept_fails = 20;
  rates.refused = 50;
  rates.timed_out = 10;
  rates.reset = 20;
  return rates;
}

FaultRates FaultRates::exhausted() {
  FaultRates rates = harmless();
  rates.accept_fails = 30;
  rates.fails = 30;
  rates.open_fails = 30;
  return rates;
}

FakeRing::FakeRing(uint64_t seed, FaultRates rates)
    : seed_(seed), random_state_(seed), rates_(rates), next_descriptor_(first_descriptor) {}

FakeRing::~FakeRing() = default;

std::string FakeRing::replay() const { return fmt::format("RINGMASTER_FAKE_SEED={}", seed_); }

void FakeRing::broken_rule(const std::string& rule) const {
  std::fprintf(stderr, "FakeRing: broken rule: %s (at %llu ns; replay with %s)\n", rule.c_str(),
               static_cast<unsigned long long>(now_ns_), replay().c_str());
  std::abort();
}

// splitmix64 (Steele, Lea and Flood, 2014): the same numbers with every compiler and library.
uint64_t FakeRing::random(uint64_t below) {
  uint64_t value = random_state_ += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return (value ^ (value >> 31)) % below;
}

bool FakeRing::chance(uint32_t thousandths) { return thousandths > 0 && random(1000) < thousandths; }

void FakeRing::schedule(uint64_t delay_ns, std::function<void()> action) {
  events_.emplace(std::pair(now_ns_ + delay_ns, next_sequence_++), std::move(action));
}

void FakeRing::after(uint64_t delay_ns, std::function<void()> action) { schedule(delay_ns, std::move(action)); }

uint32_t FakeRing::in_flight() const noexcept { return static_cast<uint32_t>(operations_.size()); }

uint32_t FakeRing::open_descriptors() const noexcept {
  return static_cast<uint32_t>(
      std::ranges::count_if(sockets_, [](const auto& entry) { return !entry.second.closing; }));
}

// --- descriptors ----------------------------------------------------------------------------------------------------

int FakeRing::new_descriptor() {
  if (free_descriptors_.empty()) return next_descriptor_++;
  return free_descriptors_.extract(free_descriptors_.begin()).value();
}

FakeRing::Socket* FakeRing::find(int descriptor) {
  const auto found = sockets_.find(descriptor);
  return found == sockets_.end() ? nullptr : &found->second;
}

FakeRing::Socket& FakeRing::open_socket(int descriptor, const char* doing) {
  Socket* socket = find(descriptor);
  if (!socket || socket->closing) broken_rule(fmt::format("{} on descriptor {}, which is not open", doing, descriptor));
  return *socket;
}

Result<int> FakeRing::open_stream_socket(int) {
  if (next_open_error_ != 0) return std::unexpected(Error::from_errno(std::exchange(next_open_error_, 0), "socket"));
  if (chance(rates_.open_fails)) return std::unexpected(Error::from_errno(random(2) ? EMFILE : ENOBUFS, "socket"));
  const int descriptor = new_descriptor();
  sockets_[descriptor] = Socket{};
  return descriptor;
}

void FakeRing::reset_on_close(int socket) { open_socket(socket, "reset_on_close").reset_on_close = true; }

SocketAddress FakeRing::peer_of(int socket) { return open_socket(socket, "peer_of").peer_address; }

// --- operations -----------------------------------------------------------------------------------------------------

FakeRing::OperationPointer FakeRing::begin(Kind kind, int descriptor, uint64_t user_data, const char* doing) {
  if (user_data == 0) broken_rule(fmt::format("{} with user_data 0: its end could not be awaited", doing));
  auto operation = std::make_shared<Operation>();
  operation->number = next_operation_++;
  operation->kind = kind;
  operation->descriptor = descriptor;
  operation->user_data = user_data;
  operations_.emplace(operation->number, operation);
  if (Socket* socket = find(descriptor)) ++socket->undelivered;
  return operation;
}

void FakeRing::submit(std::function<void()> action) {
  ++counters_.operations;
  queued_.push_back(std::move(action));
}

// In the kernel, before it did anything.
bool FakeRing::fails(const OperationPointer& operation) {
  if (operation->over || !chance(rates_.fails)) return false;
  constexpr int errors[] = {ENOMEM, ENOBUFS, ECANCELED};
  Socket* socket = find(operation->descriptor);
  if (operation->kind == Kind::connect) socket->state = State::failed;
  complete(socket, operation, -errors[random(std::size(errors))], false);
  return true;
}

void FakeRing::accept_multishot(int listener, uint64_t user_data) {
  Socket& socket = open_socket(listener, "accept");
  if (socket.state != State::listening) broken_rule("accept on a descriptor that does not listen");
  if (socket.reading) broken_rule("a second accept in flight on one listener");
  socket.reading = begin(Kind::accept, listener, user_data, "accept");
  submit([this, listener] { try_accept(listener); });
}

void FakeRing::connect(int socket, const SocketAddress& address, uint64_t user_data) {
  Socket& connecting = open_socket(socket, "connect");
  if (connecting.state != State::fresh) broken_rule("connect on a socket that was connected before");
  connecting.state = State::connecting;
  const OperationPointer operation = begin(Kind::connect, socket, user_data, "connect");
  operation->address = &address;
  operation->address_then = address;
  connecting.writing = operation;
  submit([this, operation] {
    if (!fails(operation)) start_connect(operation);
  });
}

void FakeRing::receive_multishot(int socket, bool expect_empty, uint64_t user_data) {
  receive_in_group(Kind::receive_multishot, socket, expect_empty, user_data);
}

void FakeRing::receive_one(int socket, bool expect_empty, uint64_t user_data) {
  receive_in_group(Kind::receive_one, socket, expect_empty, user_data);
}

void FakeRing::receive_in_group(Kind kind, int socket, bool expect_empty, uint64_t user_data) {
  Socket& reader = open_socket(socket, "receive");
  if (reader.state != State::connected) broken_rule("receive on a socket that is not connected");
  if (reader.reading) broken_rule("a second receive in flight on one socket");
  if (group_entries_ == 0) broken_rule("receive into provided buffers before set_up_buffers");
  const OperationPointer operation = begin(kind, socket, user_data, "receive");
  operation->expect_empty = expect_empty;
  reader.reading = operation;
  submit([this, operation] {
    if (operation->over || fails(operation)) return;
    const int at = operation->descriptor;
    if (!operation->expect_empty && group_.empty()) complete(find(at), operation, -ENOBUFS, false);
    else try_receive(at);
  });
}

void FakeRing::receive(int socket, std::span<char> bytes, bool, uint64_t user_data) {
  Socket& reader = open_socket(socket, "receive");
  if (reader.state != State::connected) broken_rule("receive on a socket that is not connected");
  if (reader.reading) broken_rule("a second receive in flight on one socket");
  if (bytes.empty()) broken_rule("receive into nothing");
  reader.reading = begin(Kind::receive, socket, user_data, "receive");
  reader.reading->target = bytes;
  submit([this, socket, operation = reader.reading] {
    if (!fails(operation)) try_receive(socket);
  });
}

void FakeRing::send(int socket, std::span<const char> bytes, SendMode mode, uint64_t user_data) {
  Socket& writer = open_socket(socket, "send");
  if (writer.state != State::connected) broken_rule("send on a socket that is not connected");
  if (writer.writing) broken_rule("a second send in flight on one socket: their bytes would interleave");
  if (bytes.empty()) broken_rule("send of nothing");
  writer.writing = begin(Kind::send, socket, user_data, "send");
  writer.writing->source = bytes;
  writer.writing->source_then.assign(bytes.data(), bytes.size());
  writer.writing->mode = mode;
  writer.closing = mode == SendMode::then_close || mode == SendMode::with_end;
  if (mode == SendMode::with_end && writer.undelivered > 1) broken_rule("with_end with a receive in flight");
  submit([this, socket, operation = writer.writing, closing = writer.closing] {
    if (operation->mode == SendMode::with_end) find(socket)->inbound.clear();
    if (closing) detach(socket);
    if (!fails(operation)) try_send(operation->descriptor);
    if (closing) close_if_over(operation->descriptor);
  });
}

void FakeRing::poll_multishot(int descriptor, uint64_t user_data) {
  if (descriptor >= first_descriptor) broken_rule("poll is for descriptors of the kernel");
  begin(Kind::poll, descriptor, user_data, "poll");
  submit([] {});
}

void FakeRing::cancel(uint64_t target) {
  if (target == 0) broken_rule("cancel of user_data 0");
  submit([this, target] {
    std::vector<OperationPointer> named;
    for (const auto& [number, operation] : operations_) {
      if (operation->user_data == target && !operation->over) named.push_back(operation);
    }
    if (named.empty()) return;
    named.front()->cancel_asked = true;
    if (named.size() > 1) broken_rule(fmt::format("cancel of user_data {:#x}, which names two operations", target));
    uint64_t delay_ns = std::exchange(next_cancel_delay_ns_, 0);
    if (delay_ns == 0 && chance(rates_.late_cancel)) delay_ns = 1 + random(1'000'000);
    if (delay_ns == 0) take_effect(named.front());
    else schedule(delay_ns, [this, operation = named.front()] { take_effect(operation); });
  });
}

void FakeRing::take_effect(const OperationPointer& target) {
  if (target->over) return;
  const int32_t result = target->sent > 0 ? static_cast<int32_t>(target->sent) : -ECANCELED;
  Socket* socket = find(target->descriptor);
  if (target->kind == Kind::connect) socket->state = State::failed;
  complete(socket, target, result, false);
  close_if_over(target->descriptor);
}

void FakeRing::close(int descriptor) {
  if (descriptor < first_descriptor) {
    for (const auto& [number, operation] : operations_) {
      if (operation->descriptor == descriptor) broken_rule("close with a poll in flight");
    }
    submit([descriptor] { ::close(descriptor); });
    return;
  }
  Socket& socket = open_socket(descriptor, "close");
  if (socket.undelivered > 0) {
    broken_rule(fmt::format("close of descriptor {} with {} operations in flight", descriptor, socket.undelivered));
  }
  socket.closing = true;
  submit([this, descriptor] { finish_close(descriptor); });
}

// Posts a completion. It is seen at once or late, but never before an earlier one of the same direction.
void FakeRing::complete(Socket* socket, OperationPointer operation, int32_t result, bool more, uint16_t buffer_id) {
  const Completion completion{
      .user_data = operation->user_data, .result = result, .buffer_id = buffer_id, .more = more};
  uint64_t seen_ns = now_ns_ + (chance(rates_.delay) ? random(2'000'000) : 0);
  if (socket) {
    const bool writes = operation->kind == Kind::send || operation->kind == Kind::connect;
    uint64_t& order_ns = writes ? socket->write_order_ns : socket->read_order_ns;
    seen_ns = order_ns = std::max(order_ns, seen_ns);
    if (!more) (writes ? socket->writing : socket->reading).reset();
  }
  if (!more) operation->over = true;
  schedule(seen_ns - now_ns_, [this, operation, completion] { deliver(operation, completion); });
}

void FakeRing::deliver(const OperationPointer& operation, const Completion& completion) {
  ready_.push_back(completion);
  if (completion.more) return;
  operations_.erase(operation->number);
  if (Socket* socket = find(operation->descriptor)) --socket->undelivered;
  close_if_over(operation->descriptor);
}

// --- provided buffers -----------------------------------------------------------------------------------------------

void FakeRing::set_up_buffers(uint16_t entries) {
  if (group_entries_ > 0) broken_rule("set_up_buffers twice");
  if (entries == 0 || entries > 32768 || (entries & (entries - 1)) != 0) {
    broken_rule("set_up_buffers: entries must be a power of two, at most 32768");
  }
  group_entries_ = entries;
}

void FakeRing::provide_buffer(uint16_t buffer_id, std::span<char> bytes) {
  if (group_.size() >= group_entries_) broken_rule("more buffers provided than set_up_buffers said");
  if (!group_ids_.insert(buffer_id).second) broken_rule(fmt::format("buffer {} provided twice", buffer_id));
  poison(bytes);
  group_.push_back({buffer_id, bytes});
}

// --- the loop -------------------------------------------------------------------------------------------------------

// Until something is ready, or nothing more is due. False where the bound of events was reached first.
bool FakeRing::run_events(uint64_t until_ns) {
  for (uint32_t count = 0; ready_.size() < reap_max && !events_.empty(); ++count) {
    const uint64_t due_ns = events_.begin()->first.first;
    if (due_ns > now_ns_ && (!ready_.empty() || due_ns > until_ns)) return true;
    if (count == events_max) return false;
    now_ns_ = std::max(now_ns_, due_ns);
    const auto event = events_.extract(events_.begin());
    event.mapped()();
  }
  return true;
}

std::span<const Completion> FakeRing::wait(uint64_t deadline_ns) {
  ++counters_.submissions;
  now_ns_ += 1'000;  // handlers take time
  ready_.clear();
  const std::vector<std::function<void()>> submitted = std::exchange(queued_, {});
  for (const auto& action : submitted) action();
  poll_descriptors(0);
  const bool settled = run_events(deadline_ns);
  if (ready_.empty() && settled && deadline_ns > now_ns_) {
    if (deadline_ns != UINT64_MAX) {
      now_ns_ = deadline_ns;
    } else {
      poll_descriptors(20);
      if (ready_.empty() && ++stuck_waits_ > stuck_waits_max) broken_rule("waits for ever: nothing can complete");
    }
  }
  if (!ready_.empty()) stuck_waits_ = 0;
  counters_.completions += ready_.size();
  returned_ = ready_;  // a new place, so that an old span shows under the address sanitizer
  return returned_;
}

// Level instead of edge: a completion for each wait() that finds it readable.
void FakeRing::poll_descriptors(int timeout_ms) {
  std::vector<OperationPointer> polls;
  std::vector<pollfd> descriptors;
  for (const auto& [number, operation] : operations_) {
    if (operation->kind != Kind::poll || operation->over) continue;
    polls.push_back(operation);
    descriptors.push_back({.fd = operation->descriptor, .events = POLLIN, .revents = 0});
  }
  if (descriptors.empty() || ::poll(descriptors.data(), descriptors.size(), timeout_ms) <= 0) return;
  for (size_t i = 0; i < polls.size(); ++i) {
    if (descriptors[i].revents != 0) {
      ready_.push_back({.user_data = polls[i]->user_data, .result = descriptors[i].revents, .more = true});
    }
  }
}

std::vector<uint64_t> seeds(uint64_t count) {
  if (const char* one = std::getenv("RINGMASTER_FAKE_SEED")) return {std::strtoull(one, nullptr, 10)};
  std::vector<uint64_t> all;
  for (uint64_t seed = 1; seed <= count; ++seed) all.push_back(seed);
  return all;
}

}  // namespace ringmaster::fake
