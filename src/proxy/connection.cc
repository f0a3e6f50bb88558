#include "proxy/connection.h"

#include "proxy/exchange.h"

namespace ringmaster::proxy {

Connection::Connection(uint32_t index, uint32_t generation, Parts& parts, int socket) noexcept
    : parts_(parts),
      stream_(parts.stream_tools, socket, {Verb::client_receive, generation, index},
              {Verb::client_send, generation, index}, parts.settings.pipeline_depth),
      timer_(OwnedTimer::Owner::client, this),
      index_(index) {}

Connection::~Connection() {
  parts_.timers.disarm(timer_);
  unlink();
}

// --- reading requests -----------------------------------------------------------------------------------------------

void Connection::start() noexcept {
  stream_.want(Want::one);
  wait_for_request();
}

void Connection::wait_for_request() noexcept {
  state_ = State::reading;
  if (!linked()) parts_.idle_clients.push_back(*this);
  const uint64_t patience = parts_.draining ? drain_idle_ns
                            : served_       ? parts_.settings.keep_alive_ns
                                            : parts_.settings.request_header_ns;
  expect_within(patience);
}

void Connection::on_receive(const uring::Completion& completion) noexcept {
  const Arrival arrival = stream_.on_receive(completion);
  if (state_ == State::ending) return close_if_joined();
  if (arrival == Arrival::nothing) return;
  switch (state_) {
    case State::reading:
      if (arrival == Arrival::bytes) return read_request();
      return terminate();
    case State::exchanging:
      if (arrival == Arrival::bytes) return exchange_->on_client_bytes();
      if (arrival == Arrival::end) return exchange_->on_client_end();
      return exchange_->on_client_gone();
    case State::lingering:
      if (arrival != Arrival::bytes) return terminate();
      while (Piece* piece = stream_.front()) {
        lingered_bytes_ += piece->size();
        stream_.drop_front();
      }
      if (lingered_bytes_ > linger_bytes_max) terminate();
      return;
    case State::ending: return;
  }
}

// Takes whole heads from what has arrived until a request has to wait for its answer. Answers of our own may end
// within the call, and exchange_finished() asks for the next request: the loop, not recursion, takes it.
void Connection::read_request() noexcept {
  if (reading_on_) return;
  reading_on_ = true;
  while (state_ == State::reading && stream_.front()) {
    http::HeadParser parser(http::HeadParser::Kind::request);
    http::RequestHead head;
    http::Cause cause = http::Cause::none;
    const http::HeadStatus status = parse_head(parser, head, cause);
    if (status == http::HeadStatus::incomplete) {
      if (!stream_.receiving()) stream_.want(Want::one, true);
      continue;
    }
    if (status == http::HeadStatus::complete) {
      if (Exchange* exchange = make_exchange()) exchange->begin(head);
    } else {
      refuse(cause);
    }
    assembly_.reset();  // the exchange has rebuilt the head: nobody looks at these bytes any more
  }
  if (state_ == State::reading && stream_.ended()) terminate();  // no more of this head will come
  reading_on_ = false;
  close_if_joined();
}

http::HeadStatus Connection::parse_head(http::HeadParser& parser, http::RequestHead& head,
                                        http::Cause& cause) noexcept {
  const http::HeadLimits& limits = parts_.settings.head_limits;
  const bool begins = !assembly_;
  const auto parse = [&](http::HeadParser& reader, std::string_view bytes) {
    return reader.parse_request(bytes, limits, parts_.fields, head);
  };
  const uint32_t bytes_max = http::head_bytes_max(limits) + 1;
  const auto status = read_head(stream_, parser, assembly_, bytes_max, parts_.meters, head, cause, parse);
  if (begins && status == http::HeadStatus::incomplete) expect_within(parts_.settings.request_header_ns);
  return status;
}

Exchange* Connection::make_exchange() noexcept {
  unlink();
  state_ = State::exchanging;
  Exchange* const exchange = exchange_ = parts_.exchanges.make(parts_, *this);
  if (exchange) {
    parts_.meters.exchanges.add();
  } else {
    parts_.count_refusal(http::Cause::overloaded, client_ip());
    terminate();  // which may free this
  }
  return exchange;
}

void Connection::refuse(http::Cause cause) noexcept {
  std::string_view bytes;
  if (assembly_) bytes = assembly_->bytes();
  else if (Piece* piece = stream_.front()) bytes = {piece->begin, piece->size()};
  if (Exchange* exchange = make_exchange()) exchange->refuse_head(cause, bytes);
}

// --- after an answer ------------------------------------------------------------------------------------------------

void Connection::free_exchange() noexcept {
  parts_.exchanges.free(exchange_->index());
  parts_.meters.exchanges.subtract();
  exchange_ = nullptr;
}

void Connection::exchange_finished(After after) noexcept {
  free_exchange();
  served_ = true;
  if (stream_.closed()) return close();
  if (Piece* piece = stream_.front(); piece && piece->size() == 0) stream_.drop_front();
  if (after == After::close && !stream_.front()) return close();
  if (after != After::request) return linger();
  stream_.want(Want::small, true);
  wait_for_request();
  if (stream_.front()) read_request();
  else if (stream_.ended()) terminate();
}

void Connection::exchange_left() noexcept {
  free_exchange();
  close_if_joined();
}

void Connection::linger() noexcept {
  // Only where something is unread, or may be: closing then would make the kernel send a reset, and the client might
  // lose the answer to it.
  if (stream_.ended()) return terminate();
  state_ = State::lingering;
  stream_.drop_all();
  stream_.finish_sending();
  stream_.want(Want::small);
  expect_within(linger_ns);
}

void Connection::close() noexcept {
  state_ = State::ending;
  parts_.timers.disarm(timer_);
  stream_.retire();
  close_if_joined();
}

// --- sending, time, ending ------------------------------------------------------------------------------------------

void Connection::on_send(const uring::Completion& completion) noexcept {
  const Sent sent = stream_.on_send(completion);
  if (sent != Sent::failed) parts_.meters.answer_bytes.add(static_cast<uint64_t>(completion.result));
  if (exchange_) exchange_->on_client_sent(sent);
  else if (state_ == State::ending) close_if_joined();
}

void Connection::expect_within(uint64_t timeout_ns) noexcept { parts_.timers.set(timer_, parts_.now() + timeout_ns); }

void Connection::on_timer() noexcept {
  switch (state_) {
    case State::reading:
      // An empty line is no request yet, some clients send one behind a body: a 408 would be taken for the next answer.
      if (assembly_ && !assembly_->parser.untouched()) return refuse(http::Cause::request_timeout);
      return terminate();
    case State::exchanging: return exchange_->on_client_timeout();
    case State::lingering: return terminate();
    case State::ending: return;
  }
}

void Connection::begin_drain() noexcept {
  // A request may be on its way to us on an idle connection: it has a second to arrive, and is answered with
  // Connection: close.
  if (state_ == State::reading && !assembly_) expect_within(drain_idle_ns);
}

void Connection::cut() noexcept {
  if (exchange_) exchange_->cut();
  else terminate();
}

void Connection::terminate() noexcept {
  if (state_ == State::ending) return;
  state_ = State::ending;
  unlink();
  parts_.timers.disarm(timer_);
  stream_.terminate();
  close_if_joined();
}

void Connection::close_if_joined() noexcept {
  if (state_ != State::ending || exchange_ || reading_on_ || !stream_.joined()) return;
  stream_.close();
  parts_.meters.client_connections.subtract();
  parts_.clients.free(index_);  // this
}

// --- who it is ------------------------------------------------------------------------------------------------------

void Connection::look_up_peer() noexcept {
  ip_size_ = static_cast<uint8_t>(parts_.ring.peer_of(stream_.socket()).write_ip(ip_).size());
  trusted_ = parts_.settings.trusted_proxies.contains(client_ip());
}

std::string_view Connection::client_ip() noexcept {
  if (ip_size_ == 0xFF) look_up_peer();
  return {ip_.data(), ip_size_};
}

bool Connection::trusted() noexcept {
  client_ip();
  return trusted_;
}

}  // namespace ringmaster::proxy
