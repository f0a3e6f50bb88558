#include "proxy/exchange.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "http/client.h"
#include "http/forward.h"
#include "http/writer.h"
#include "proxy/connection.h"
#include "proxy/upstream_pool.h"

namespace ringmaster::proxy {

namespace {

constexpr uint64_t watch_after_ns = 10'000'000;  // a little more than an answer of a quick replica takes under load
constexpr std::string_view continue_answer = "HTTP/1.1 100 Continue\r\n\r\n";

// [begin, end) has been taken out of the stream's front piece, which may hold more behind it: the lease under those
// bytes. Empty: no memory to put the rest elsewhere.
uring::Lease take_lease(Stream& stream, char* rest) {
  uring::Lease lease;
  if (rest == stream.front()->end) return stream.take_front();
  stream.split_front(rest, lease);
  return lease;
}

}  // namespace

Exchange::Exchange(uint32_t index, uint32_t, Parts& parts, Connection& client) noexcept
    : parts_(parts), client_(client), index_(index), answer_parser_(http::HeadParser::Kind::response) {}

// --- the request ----------------------------------------------------------------------------------------------------

Exchange::~Exchange() {
  if (!access_) return;
  access_->attempts = attempts_;
  parts_.access->end(*access_, client_.client_ip(), parts_.now());
}

void Exchange::begin(const http::RequestHead& head) noexcept {
  if (parts_.access) access_ = parts_.access->begin(head, parts_.now());
  parts_.meters.requests.add();
  parts_.retry_budget.on_request();
  method_ = head.method;
  head_request_ = head.method == HTTP_HEAD;
  client_minor_ = head.minor;
  client_keep_alive_ = head.keep_alive;
  last_request_ = !head.keep_alive;
  idempotent_ = head.idempotent;
  upgrade_ = head.upgrade_websocket;
  expect_continue_ = head.expect_continue && head.framing != http::Framing::none;
  request_body_ = {head.framing, head.content_length, head.framing, parts_.settings.body_bytes_max};
  if (parts_.settings.body_bytes_max != 0 && head.framing == http::Framing::length &&
      head.content_length > parts_.settings.body_bytes_max) {
    return refuse(http::Cause::body_too_large);
  }
  if (head.max_forwards == 0) return answer_as_last_recipient();
  api_ = parts_.router->drop_in_api(head);
  if (!api_) {
    const auto route = parts_.router->route(head, client_of(head));
    if (!route) return turn_away(http::Cause::no_replica);
    route_ = *route;
  }
  if (const http::Cause cause = prepare_request(head); cause != http::Cause::none) return refuse(cause);
  // Only a receive tells of the client's body, and that it has left. One that is armed must be cancelled before a last
  // answer, and then the end cannot leave with it: where nothing else is to come, it waits for on_client_timeout().
  Stream& in = client_.stream();
  if (last_request_ && request_body_.finished()) client_.expect_within(watch_after_ns);
  else if (!in.last_filled_buffer()) in.want(Want::small, true);
  attempt();
}

void Exchange::refuse_head(http::Cause cause, std::string_view bytes) noexcept {
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  if (parts_.access) access_ = parts_.access->begin_unread(bytes, parts_.now());
  // RFC 9110 section 9.3.2: an answer to HEAD has no body, whatever else is wrong with the request.
  head_request_ = bytes.starts_with("HEAD ");
  refuse(cause);
}

std::string_view Exchange::client_of(const http::RequestHead& head) noexcept {
  const std::string_view peer = client_.client_ip();
  return client_.trusted() ? http::client_of(head, peer, parts_.settings.trusted_proxies) : peer;
}

// Its framing is wrong, it is too large, or came too slowly. What follows it in the stream is nobody's request: nothing
// more is read.
void Exchange::refuse(http::Cause cause) noexcept {
  client_keep_alive_ = false;
  if (stage_ == Stage::requesting) return turn_away(cause);
  note_refusal(cause);
  leave();
}

// Nothing is wrong with the request, but it cannot be served.
void Exchange::turn_away(http::Cause cause) noexcept {
  cause_ = cause;
  end_attempt(After::reply);
}

// RFC 9110 section 7.6.2: OPTIONS and TRACE go no further when their Max-Forwards is used up. TRACE is not for us.
void Exchange::answer_as_last_recipient() noexcept {
  stage_ = Stage::replying;
  answer_keep_alive_ = client_may_stay() && client_minor_ == 1;
  const bool options = method_ == HTTP_OPTIONS;
  http::Writer writer(inline_.data());
  writer.text(options ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 405 Method Not Allowed\r\n");
  writer.literal("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nContent-Length: 0\r\n");
  if (!answer_keep_alive_) writer.literal("Connection: close\r\n");
  if (const std::string_view date = parts_.date(); !date.empty()) {
    writer.literal("Date: ");
    writer.text(date);
    writer.literal("\r\n");
  }
  writer.literal("\r\n");
  note_answer(options ? 200 : 405, writer.size());
  last_send_ = true;
  send_to_client({}, {inline_.data(), writer.size()});
}

// Rebuilds the head, and puts it in front of as much of the body as has come, so that both leave in one send: in this
// exchange's own small store where they fit, else in the receive buffer itself.
http::Cause Exchange::prepare_request(const http::RequestHead& head) noexcept {
  Stream& in = client_.stream();
  Piece* piece = in.front();
  http::ForwardContext context{
      .client_ip = client_.client_ip(), .trust_forwarded = client_.trusted(), .via = parts_.settings.via};
  if (head.host.empty()) {  // HTTP/1.0 may leave it out; HTTP/1.1, which the replica gets, may not
    if (const UpstreamPool* pool = api_ ? api_ : parts_.router->place(ask()).pool) {
      context.default_host = pool->upstream().authority;
    }
  }
  uint64_t body_here = piece && !request_body_.finished() ? piece->size() : 0;
  if (body_here > request_body_.remaining()) body_here = request_body_.remaining();
  const bool fits = http::upstream_request_bytes_max(head, context) + body_here +
                        http::BodyTransfer::front_bytes_max + http::BodyTransfer::back_bytes_max <=
                    inline_.size();
  char* const out = fits ? inline_.data() : parts_.rewrite.data();
  const uint32_t head_size =
      http::write_upstream_request(head, context, {out, fits ? inline_.size() : parts_.rewrite.size()});
  if (head_size == 0) return http::Cause::internal_error;

  http::BodyTransfer::Step body;
  if (piece) {
    body = request_body_.transform(piece->begin, piece->end);
    if (body.cause != http::Cause::none) return body.cause;
    if (!body.begin) body.begin = body.end = piece->begin;
  }
  const auto body_size = static_cast<uint32_t>(body.end - body.begin);
  char* const rest = piece ? piece->begin + body.consumed : nullptr;
  request_size_ = head_size + body_size;
  if (fits) {
    if (body_size > 0) memcpy(inline_.data() + head_size, body.begin, body_size);
    request_begin_ = inline_.data();
  } else if (piece && body.begin - piece->lease.low() >= static_cast<ptrdiff_t>(head_size)) {
    request_begin_ = body.begin - head_size;
    memcpy(body.begin - head_size, out, head_size);
    request_lease_ = take_lease(in, rest);
    return request_lease_ ? http::Cause::none : http::Cause::overloaded;
  } else {
    request_lease_ = parts_.buffers.take_bulk(request_size_);
    if (!request_lease_) return http::Cause::overloaded;
    memcpy(request_lease_.space(), out, head_size);
    if (body_size > 0) memcpy(request_lease_.space() + head_size, body.begin, body_size);
    request_begin_ = request_lease_.space();
  }
  if (piece) {
    piece->begin = rest;
    if (piece->size() == 0) in.drop_front();
  }
  return http::Cause::none;
}

void Exchange::attempt() noexcept {
  if (api_) return attempt_at(*api_);
  const Placement placement = parts_.router->place(ask());
  verdict_ = placement.verdict;
  epoch_ = parts_.router->epoch();
  if (placement.verdict != balance::Verdict::owner) {
    parts_.meters.placements[static_cast<size_t>(placement.verdict)].add();
  }
  if (balance::serves(placement.verdict)) return attempt_at(*placement.pool);
  if (balance::waits(placement.verdict)) {
    stage_ = Stage::waiting;
    fresh_ = false;
    return parts_.router->wait(*this, placement);
  }
  if (placement.verdict == balance::Verdict::full) cause_ = http::Cause::replica_full;
  else if (cause_ == http::Cause::none) cause_ = http::Cause::no_replica;
  end_attempt(After::reply);
}

void Exchange::on_room(UpstreamPool& pool) noexcept {
  since_ns = 0;
  attempt_at(pool);
}

void Exchange::on_waited_in_vain(http::Cause cause) noexcept { turn_away(cause); }

void Exchange::attempt_at(UpstreamPool& pool) noexcept {
  stage_ = Stage::requesting;
  request_sent_ = false;
  send_failed_ = false;
  ++attempts_;
  if (access_) access_->replica.set(pool.upstream().name);
  upstream_ = pool.take(*this, fresh_, cause_);
  if (!upstream_) return end_attempt(After::reply);
  if (expect_continue_) {
    // The body is wanted. The replica is not asked: it may never say so, and a client may wait for ever.
    expect_continue_ = false;
    if (client_minor_ == 1 && request_body_.passed() == 0) send_to_client({}, continue_answer);
  }
  if (!upstream_->connecting()) send_request();
}

void Exchange::on_upstream_connected() noexcept {
  if (stage_ == Stage::requesting) send_request();
}

void Exchange::send_request() noexcept {
  sent_ns_ = parts_.now();
  upstream_->stream().send({request_begin_, request_size_});
  upstream_->expect_within(parts_.settings.response_ns);
}

void Exchange::on_upstream_sent(Sent sent) noexcept {
  handed_over_ |= upstream_->stream().handed_over();
  if (stage_ == Stage::tunnelling) {
    closed_to_upstream_ |= sent == Sent::failed;  // what it still has to say goes on
    return pump_tunnel();
  }
  if (sent == Sent::some) return wait_for_replica();
  if (sent == Sent::failed && upstream_->stream().last_error() == ETIMEDOUT) return give_up_on_replica();
  if (sent == Sent::failed && stage_ == Stage::requesting && upstream_->stream().failed_by_us()) {
    return attempt_failed(http::Cause::overloaded);  // the replica does not know that more was to come
  }
  if (sent == Sent::failed) {
    // It takes no more of the request. What it has to say to that, an answer or a reset, comes by the other way.
    send_failed_ = true;
    return;
  }
  request_sent_ = true;
  wait_for_replica();
  pump_request();
}

// The next piece of the request's body, if the last one has left.
void Exchange::pump_request() noexcept {
  if (!upstream_ || !request_sent_ || send_failed_ || request_body_.finished()) return;
  if (upstream_->stream().sending() || upstream_->stream().terminating()) return;
  Stream& in = client_.stream();
  while (Piece* piece = in.front()) {
    const auto step = request_body_.transform(piece->begin, piece->end);
    if (step.cause != http::Cause::none) return refuse(step.cause);
    char* const rest = piece->begin + step.consumed;
    if (step.begin == step.end) {  // framing only, so far
      piece->begin = rest;
      if (piece->size() == 0) in.drop_front();
      if (request_body_.finished()) break;
      continue;
    }
    uring::Lease lease = take_lease(in, rest);
    if (!lease) return refuse(http::Cause::overloaded);
    replayable_ = false;
    parts_.meters.request_bytes.add(static_cast<uint64_t>(step.end - step.begin));
    upstream_->stream().send(std::move(lease), {step.begin, static_cast<size_t>(step.end - step.begin)});
    if (request_body_.finished()) break;
    in.want(want_for(in, request_body_));
    return;
  }
  if (request_body_.finished()) return in.want(Want::small, true);
  if (in.ended()) return on_client_end();
  in.want(want_for(in, request_body_));
  client_.expect_within(parts_.settings.request_body_idle_ns);
}

// --- failure, and what comes after ----------------------------------------------------------------------------------

void Exchange::on_upstream_failed(http::Cause cause) noexcept {
  switch (stage_) {
    case Stage::requesting:
      if (upstream_->stream().front()) {  // an answer is waiting for an interim one to leave; it may be whole
        upstream_failed_ = true;
        return;
      }
      if (answer_began_ && cause != http::Cause::overloaded) cause = http::Cause::response_truncated;
      return attempt_failed(cause);
    case Stage::answering:
      upstream_failed_ = true;
      return pump_answer();
    case Stage::tunnelling: return leave();
    default: return;
  }
}

void Exchange::on_upstream_timeout() noexcept {
  const bool requesting = stage_ == Stage::requesting;
  if (!requesting && stage_ != Stage::answering) return;
  if (upstream_->connecting()) return attempt_failed(http::Cause::replica_connect_timeout);
  // While the client is what everybody waits for, its own timer counts.
  const bool client_is_slow = client_.stream().sending() || (requesting && waits_for_body());
  // And it may be reading slowly itself: on_upstream_sent() knows.
  if (!client_is_slow && !upstream_->stream().probe_send()) return give_up_on_replica();
  wait_for_replica();
}

void Exchange::wait_for_replica() noexcept {
  const ProxySettings& settings = parts_.settings;
  upstream_->expect_within(stage_ == Stage::requesting ? settings.response_ns : settings.response_idle_ns);
}

void Exchange::give_up_on_replica() noexcept {
  if (stage_ == Stage::requesting) return attempt_failed(http::Cause::replica_response_timeout);
  if (stage_ != Stage::answering) return;
  upstream_failed_ = true;
  pump_answer();
}

// Only where another replica serves at once. The retry is paid for now: a refusal later would cost the client an answer
// that might have come.
bool Exchange::may_leave_silent() noexcept {
  if (retry_paid_) return true;
  const bool waits_for_answer = stage_ == Stage::requesting && !upstream_->connecting() && !waits_for_body() &&
                                !client_.stream().sending() && !upstream_->stream().front();
  if (!waits_for_answer || !idempotent_ || !repeatable()) return false;
  if (!balance::serves(parts_.router->place(ask()).verdict)) return false;
  retry_paid_ = parts_.retry_budget.take();
  return retry_paid_;
}

// More of the request's body would be sent at once, if the client gave it.
bool Exchange::waits_for_body() const noexcept {
  return upstream_ && request_sent_ && !send_failed_ && !upstream_->stream().sending() && !request_body_.finished();
}

// All of it is still at hand, and nobody has seen an answer. A kept connection that had been closed tells nothing of
// the replica, so what was tried on it counts for nothing: each such try is followed by one that counts.
bool Exchange::repeatable() const noexcept {
  return !api_ && !answer_began_ && !answered_ && replayable_ &&
         attempts_ - stale_attempts_ < static_cast<int>(parts_.settings.attempts_max);
}

bool Exchange::may_retry() noexcept {
  if (cause_ == http::Cause::overloaded) return false;  // what we lack, the next replica does not give us
  if (!repeatable() || (!idempotent_ && handed_over_)) return false;
  if (!fresh_) {
    const balance::Verdict verdict = parts_.router->place(ask()).verdict;
    if (!balance::serves(verdict) && !balance::waits(verdict)) return false;  // nobody is left to ask
  }
  const bool affordable = std::exchange(retry_paid_, false) || parts_.retry_budget.take();
  (affordable ? parts_.meters.retries : parts_.meters.retries_denied).add(cause_);
  return affordable;
}

void Exchange::attempt_failed(http::Cause cause) noexcept {
  UpstreamPool& pool = upstream_->pool();
  handed_over_ |= request_sent_ || upstream_->stream().handed_over();
  // A kept connection that the replica closed as we took it says nothing about the replica: try a new one first.
  const bool stale = cause == http::Cause::replica_reset && upstream_->reused() && !answer_began_;
  fresh_ = stale;
  if (stale) {
    ++stale_attempts_;
  } else {
    tried_.add(pool.upstream().id);
    pool.failed(cause);
  }
  cause_ = cause;
  end_attempt(After::retry);  // if it may: a send in flight tells only at its end whether it handed anything over
}

void Exchange::end_attempt(After after) noexcept {
  stage_ = Stage::failed;
  after_ = after;
  if (upstream_) upstream_->terminate();  // on_upstream_joined() goes on
  else go_on();
}

void Exchange::on_upstream_joined(bool handed_over) noexcept {
  handed_over_ |= handed_over;
  upstream_ = nullptr;
  go_on();
}

// Nothing of the replica's connection is in flight any more.
void Exchange::go_on() noexcept {
  switch (stage_) {
    case Stage::failed:
      if (after_ == After::retry && may_retry()) return attempt();
      if (after_ == After::retry) after_ = After::reply;
      if (client_.stream().sending()) return;  // an interim answer; on_client_sent() comes back here
      if (after_ == After::not_found) {
        return reply(400, "", {"<Error> '", path_asked_for(), "' endpoint does not exist in server replicas"});
      }
      note_refusal(cause_);
      return reply(http::status_of(cause_), http::name_of(cause_),
                   {parts_.settings.drop_in ? "<Error> " : "", http::text_of(cause_), ""});
    case Stage::answering:
      if (last_send_ && !client_.stream().sending()) finish();
      return;
    case Stage::leaving: return leave();
    default: return;
  }
}

// --- the client -----------------------------------------------------------------------------------------------------

void Exchange::on_client_bytes() noexcept {
  if (stage_ == Stage::tunnelling) return pump_tunnel();
  if (stage_ == Stage::requesting || stage_ == Stage::answering) pump_request();
}

// Half a close: the client may still want its answer. In the middle of its body, it has given up.
void Exchange::on_client_end() noexcept {
  if (stage_ == Stage::tunnelling) return pump_tunnel();
  const bool wants_more = stage_ == Stage::requesting || stage_ == Stage::waiting || stage_ == Stage::answering;
  if (wants_more && !request_body_.finished() && !client_.stream().front()) on_client_gone();
}

void Exchange::on_client_gone() noexcept {
  if (stage_ == Stage::leaving) return;
  parts_.meters.client_aborts.add();
  leave();
}

// Where all of its request has come, a receive only tells that it has left.
void Exchange::watch_client() noexcept {
  if (request_body_.finished()) client_.stream().want(Want::small, true);
}

void Exchange::on_client_timeout() noexcept {
  if (stage_ == Stage::tunnelling) return leave();
  if (client_.stream().sending()) {  // does it read slowly, or not any more? on_client_sent() knows
    if (!client_.stream().probe_send()) return on_client_gone();
    return client_.expect_within(parts_.settings.response_idle_ns);
  }
  if (!waits_for_body()) return watch_client();
  if (stage_ == Stage::requesting) return refuse(http::Cause::request_timeout);
  if (stage_ == Stage::answering) return on_client_gone();
}

// Ends both sides; called again whenever something of them has completed, until nothing is in flight.
void Exchange::leave() noexcept {
  if (stage_ != Stage::leaving) {
    if (stage_ == Stage::tunnelling) parts_.meters.tunnels.subtract();
    // An orderly end would make the client take what it has for the whole answer.
    if (stage_ == Stage::answering && answer_framing_ == http::Framing::until_close) client_.stream().abort();
    stage_ = Stage::leaving;
    leave_room();
    client_.terminate();
    if (upstream_) return upstream_->terminate();  // on_upstream_joined() comes back
  }
  if (upstream_ || client_.stream().sending()) return;
  client_.exchange_left();  // frees this
}

}  // namespace ringmaster::proxy
