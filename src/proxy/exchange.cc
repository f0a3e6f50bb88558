#include "proxy/exchange.h"

#include <cstring>

#include "http/forward.h"
#include "http/writer.h"
#include "proxy/connection.h"
#include "proxy/upstream_pool.h"

namespace ringmaster::proxy {

namespace {

constexpr std::string_view continue_answer = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr uint8_t interim_answers_max = 8;
constexpr uint64_t bulk_from_bytes = 128 * 1024;  // a body with more than this to come is worth a large buffer
constexpr uint32_t retry_after_s = 1;

std::span<const char> bytes_between(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

// The next receive for a body: large buffers once it has shown that it is long.
Want want_for(const Stream& from, const http::BodyTransfer& body) {
  return from.last_filled_buffer() && body.remaining() > bulk_from_bytes ? Want::bulk : Want::small;
}

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

// --- the request -------------------------------------------------------------------------------------------------------

void Exchange::begin(const http::RequestHead& head) noexcept {
  parts_.meters.requests.add();
  parts_.retry_budget.on_request();
  method_ = head.method;
  head_request_ = head.method == HTTP_HEAD;
  client_minor_ = head.minor;
  client_keep_alive_ = head.keep_alive;
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
    const auto slot = parts_.router->slot_for(head, client_.client_ip());
    if (!slot) return turn_away(http::Cause::no_replica);
    slot_ = *slot;
  }
  if (const http::Cause cause = prepare_request(head); cause != http::Cause::none) return refuse(cause);
  attempt();
}

// Its framing is wrong, it is too large, or came too slowly. What follows it in the stream is nobody's request: nothing
// more is read.
void Exchange::refuse(http::Cause cause) noexcept {
  client_keep_alive_ = false;
  if (stage_ == Stage::requesting) return turn_away(cause);
  parts_.count_refusal(cause, client_.client_ip());
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
  writer.literal("\r\n");
  parts_.meters.answers_by_class[options ? 2 : 4].add();
  send_to_client({}, {inline_.data(), writer.size()});
}

// Rebuilds the head, and puts it in front of as much of the body as has come, so that both leave in one send: in this
// exchange's own small store where they fit, else in the receive buffer itself.
http::Cause Exchange::prepare_request(const http::RequestHead& head) noexcept {
  Stream& in = client_.stream();
  Piece* piece = in.front();
  http::ForwardContext context{
      .client_ip = client_.client_ip(), .trust_forwarded = client_.trusted(), .via = parts_.settings.via};
  std::string address;
  if (head.host.empty()) {  // HTTP/1.0 may leave it out; HTTP/1.1, which the replica gets, may not
    if (const UpstreamPool* pool = api_ ? api_ : parts_.router->pick(slot_, tried_)) {
      address = pool->upstream().address.text();
    }
    context.default_host = address;
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
    request_lease_ = parts_.buffers.take_bulk();
    if (!request_lease_ || request_size_ > request_lease_.capacity()) return http::Cause::overloaded;
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
  stage_ = Stage::requesting;
  request_sent_ = false;
  send_failed_ = false;
  UpstreamPool* pool = api_ ? api_ : parts_.router->pick(slot_, tried_);
  if (!pool) {
    if (cause_ == http::Cause::none) cause_ = http::Cause::no_replica;
    return end_attempt(After::reply);
  }
  ++attempts_;
  upstream_ = pool->take(*this, fresh_, cause_);
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
  if (sent == Sent::failed) {
    // It takes no more of the request. What it has to say to that, an answer or a reset, comes by the other way.
    send_failed_ = true;
    return;
  }
  request_sent_ = true;
  upstream_->expect_within(stage_ == Stage::requesting ? parts_.settings.response_ns : parts_.settings.response_idle_ns);
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
    upstream_->stream().send(std::move(lease), bytes_between(step.begin, step.end));
    if (request_body_.finished()) break;
    in.want(want_for(in, request_body_));
    return;
  }
  if (request_body_.finished()) return in.want(Want::small, true);
  if (in.ended()) return on_client_end();
  in.want(want_for(in, request_body_));
  client_.expect_within(parts_.settings.request_body_idle_ns);
}

// --- failure, and what comes after -------------------------------------------------------------------------------------

void Exchange::on_upstream_failed(http::Cause cause) noexcept {
  switch (stage_) {
    case Stage::requesting:
      if (upstream_->stream().front()) {  // an answer is waiting for an interim one to leave; it may be whole
        upstream_failed_ = true;
        return;
      }
      return attempt_failed(answer_began_ ? http::Cause::response_truncated : cause);
    case Stage::answering:
      upstream_failed_ = true;
      return pump_answer();
    case Stage::tunnelling: return leave();
    default: return;
  }
}

void Exchange::on_upstream_timeout() noexcept {
  if (stage_ == Stage::requesting) {
    if (upstream_->connecting()) return attempt_failed(http::Cause::replica_connect_timeout);
    // While the client's body is what everybody waits for, the client's own timer counts.
    if (waits_for_body() || client_.stream().sending()) return upstream_->expect_within(parts_.settings.response_ns);
    return attempt_failed(http::Cause::replica_response_timeout);
  }
  if (stage_ != Stage::answering) return;
  if (client_.stream().sending()) return upstream_->expect_within(parts_.settings.response_idle_ns);
  upstream_failed_ = true;
  pump_answer();
}

// More of the request's body would be sent at once, if the client gave it.
bool Exchange::waits_for_body() const noexcept {
  return upstream_ && request_sent_ && !send_failed_ && !upstream_->stream().sending() && !request_body_.finished();
}

bool Exchange::may_retry() noexcept {
  const bool safe = !api_ && !answer_began_ && !answered_ && replayable_ &&
                    attempts_ < parts_.settings.attempts_max && (idempotent_ || !handed_over_);
  if (!safe) return false;
  const bool affordable = parts_.retry_budget.take();
  (affordable ? parts_.meters.retries : parts_.meters.retries_denied).add();
  return affordable;
}

void Exchange::attempt_failed(http::Cause cause) noexcept {
  UpstreamPool& pool = upstream_->pool();
  handed_over_ |= request_sent_ || upstream_->stream().handed_over();
  // A kept connection that the replica closed as we took it says nothing about the replica: try a new one first.
  const bool stale = cause == http::Cause::replica_reset && upstream_->reused() && !answer_began_;
  fresh_ = stale;
  if (!stale) {
    pool.meters().failures.add();
    tried_.add(pool.upstream().id);
    if (!answer_began_) pool.eject(cause);
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
      if (after_ == After::not_found) return reply(400, "", not_found_message());
      parts_.count_refusal(cause_, client_.client_ip());
      return reply(http::status_of(cause_), http::name_of(cause_), http::text_of(cause_));
    case Stage::answering:
      if (last_send_ && !client_.stream().sending()) finish();
      return;
    case Stage::leaving: return leave();
    default: return;
  }
}

// --- the answer --------------------------------------------------------------------------------------------------------

void Exchange::on_upstream_bytes() noexcept {
  switch (stage_) {
    case Stage::requesting:
      // The request has not even been submitted: nobody asked for these bytes.
      if (sent_ns_ == parts_.now()) return attempt_failed(http::Cause::replica_reset);
      return read_answer_head();
    case Stage::answering: return pump_answer();
    case Stage::tunnelling: return pump_tunnel();
    default: return;
  }
}

void Exchange::on_upstream_end() noexcept {
  switch (stage_) {
    case Stage::requesting:
      if (client_.stream().sending()) return;  // bytes of the answer may be waiting: on_client_sent() looks
      return attempt_failed(answer_began_ ? http::Cause::response_truncated : http::Cause::replica_reset);
    case Stage::answering: return pump_answer();
    case Stage::tunnelling: return pump_tunnel();
    default: return;
  }
}

void Exchange::read_answer_head() noexcept {
  while (stage_ == Stage::requesting && !client_.stream().sending()) {
    if (!upstream_->stream().front()) {
      if (upstream_->stream().ended() || upstream_failed_) on_upstream_end();
      return;
    }
    answer_began_ = true;
    http::ResponseHead head;
    const http::HeadStatus status = parse_answer_head(head);
    if (status == http::HeadStatus::incomplete) continue;
    if (status == http::HeadStatus::refused) {
      return attempt_failed((answer_assembly_ ? answer_assembly_->parser : answer_parser_).cause());
    }
    if (head.status >= 200) return start_answer(head);
    if (!on_interim(head)) return;
    answer_parser_ = http::HeadParser(http::HeadParser::Kind::response);
    answer_assembly_.reset();
  }
}

http::HeadStatus Exchange::parse_answer_head(http::ResponseHead& head) noexcept {
  const http::HeadLimits& limits = parts_.settings.head_limits;
  Stream& from = upstream_->stream();
  Piece* piece = from.front();
  if (!answer_assembly_) {
    const auto status =
        answer_parser_.parse_response({piece->begin, piece->size()}, method_, limits, parts_.fields, head);
    if (status == http::HeadStatus::complete) piece->begin += head.head_bytes;
    if (status != http::HeadStatus::incomplete) return status;
    parts_.meters.heads_in_pieces.add();
    answer_assembly_ = std::make_unique<HeadAssembly>(answer_parser_, http::head_bytes_max(limits) + 1);
    answer_assembly_->append(piece->begin, piece->end);
    from.drop_front();
    return status;
  }
  const auto before = static_cast<uint32_t>(answer_assembly_->bytes().size());
  answer_assembly_->append(piece->begin, piece->end);
  const auto status =
      answer_assembly_->parser.parse_response(answer_assembly_->bytes(), method_, limits, parts_.fields, head);
  if (status == http::HeadStatus::complete) piece->begin += head.head_bytes - before;
  else if (status == http::HeadStatus::incomplete) from.drop_front();
  return status;
}

// 1xx. true: go on to the head that follows.
bool Exchange::on_interim(const http::ResponseHead& head) noexcept {
  if (head.status == 101) {
    if (upgrade_ && head.upgrade_websocket) start_tunnel(head);
    else attempt_failed(http::Cause::response_unasked_upgrade);
    return false;
  }
  if (++interim_answers_ > interim_answers_max) {
    attempt_failed(http::Cause::response_too_many_interim);
    return false;
  }
  // 100 has been answered by us, or was not asked for. HTTP/1.0 knows none of them (RFC 9110 section 15.2).
  if (head.status != 100 && client_minor_ == 1) {
    if (uring::Lease lease = parts_.buffers.take_bulk()) {
      const uint32_t size = http::write_interim_answer(head, {lease.space(), lease.capacity()});
      const std::span<const char> bytes(lease.space(), size);
      if (size > 0) send_to_client(std::move(lease), bytes);
    }
  }
  Stream& from = upstream_->stream();
  if (from.front()->size() == 0) from.drop_front();
  return true;
}

bool Exchange::client_may_stay() const noexcept {
  return client_keep_alive_ && request_body_.finished() && !parts_.draining;
}

void Exchange::start_answer(const http::ResponseHead& head) noexcept {
  upstream_->pool().meters().latency.add_us((parts_.now() - sent_ns_) / 1000);
  if (head.status == 404 && parts_.settings.drop_in && !api_) return translate_not_found(head);
  http::AnswerContext context{.client_minor = client_minor_,
                              .keep_alive = client_may_stay(),
                              .via = parts_.settings.via,
                              .head_request = head_request_};
  answer_framing_ = http::answer_framing(head, context);
  if (answer_framing_ == http::Framing::until_close) context.keep_alive = false;
  answer_keep_alive_ = context.keep_alive;
  upstream_keep_alive_ = head.keep_alive && head.framing != http::Framing::until_close;
  answer_body_ = {head.framing, head.content_length, answer_framing_, 0};
  const uint32_t head_size = http::write_answer(head, context, parts_.rewrite);
  if (head_size == 0) return attempt_failed(http::Cause::response_too_large);

  Stream& from = upstream_->stream();
  Piece* piece = from.front();
  const auto body = answer_body_.transform(piece->begin, piece->end);
  if (body.cause != http::Cause::none) return attempt_failed(http::Cause::response_malformed);
  char* const body_begin = body.begin ? body.begin : piece->begin;
  const auto body_size = static_cast<size_t>(body.begin ? body.end - body.begin : 0);
  if (body.consumed < piece->size()) upstream_keep_alive_ = false;  // more than one answer: nobody asked for that
  char* begin = body_begin - head_size;
  uring::Lease lease = from.take_front();
  if (begin < lease.low()) {  // the head came in pieces and is longer than the room in front of the body
    uring::Lease larger = parts_.buffers.take_bulk();
    if (!larger || head_size + body_size > larger.capacity()) return attempt_failed(http::Cause::overloaded);
    begin = larger.space();
    memcpy(begin + head_size, body_begin, body_size);
    lease = std::move(larger);
  }
  memcpy(begin, parts_.rewrite.data(), head_size);
  stage_ = Stage::answering;
  answered_ = true;
  parts_.meters.answers_by_class[head.status / 100].add();
  last_send_ = answer_body_.finished();
  send_to_client(std::move(lease), {begin, head_size + body_size});
  if (answer_body_.finished()) return answer_read();
  upstream_->expect_within(parts_.settings.response_idle_ns);
  from.want(want_for(from, answer_body_));
}

// Drop-in mode: the assignment wants 400 and a message of its own where a replica does not know the path.
void Exchange::translate_not_found(const http::ResponseHead& head) noexcept {
  Stream& from = upstream_->stream();
  const uint32_t behind_head = from.front()->size();
  from.drop_front();
  const bool read_whole = head.framing == http::Framing::none
                              ? behind_head == 0
                              : head.framing == http::Framing::length && head.content_length == behind_head;
  if (read_whole && may_be_kept(head.keep_alive)) {
    upstream_->release();
    upstream_ = nullptr;
  }
  end_attempt(After::not_found);
}

std::string Exchange::not_found_message() const {
  const std::string_view request(request_begin_, request_size_);
  const size_t begin = request.find(' ') + 1;
  const std::string_view path = request.substr(begin, request.find_first_of(" ?", begin) - begin);
  return "<Error> '" + std::string(path) + "' endpoint does not exist in server replicas";
}

// The next piece of the answer's body, if the last one has left.
void Exchange::pump_answer() noexcept {
  while (stage_ == Stage::answering && upstream_ && !last_send_ && !client_.stream().sending()) {
    Stream& from = upstream_->stream();
    Piece* piece = from.front();
    if (!piece) {
      if (from.ended() || upstream_failed_) return end_of_answer();
      upstream_->expect_within(parts_.settings.response_idle_ns);
      return from.want(want_for(from, answer_body_));
    }
    const auto step = answer_body_.transform(piece->begin, piece->end);
    if (step.cause != http::Cause::none) return cut_answer();
    if (step.consumed < piece->size()) upstream_keep_alive_ = false;
    uring::Lease lease = from.take_front();
    last_send_ = answer_body_.finished();
    if (step.begin != step.end) send_to_client(std::move(lease), bytes_between(step.begin, step.end));
    if (answer_body_.finished()) return answer_read();
    if (step.begin != step.end) from.want(want_for(from, answer_body_));
  }
}

// The replica has ended its side; everything before has been sent on.
void Exchange::end_of_answer() noexcept {
  std::string_view last;
  if (upstream_failed_ || !answer_body_.finish(last)) return cut_answer();
  last_send_ = true;
  if (!last.empty()) send_to_client({}, last);
  answer_read();
}

// Whether the replica's connection is as good as new: all of the request has gone, all of the answer has come.
bool Exchange::may_be_kept(bool replica_agrees) const noexcept {
  Stream& stream = upstream_->stream();
  return replica_agrees && request_sent_ && request_body_.finished() && !send_failed_ && !stream.sending() &&
         !stream.ended() && !stream.front();
}

// The whole answer has been read: the replica's connection is free for the next request, if it may have one.
void Exchange::answer_read() noexcept {
  // The kernel may still be reading the request's bytes: on_upstream_joined() goes on, maybe within the call.
  if (!may_be_kept(upstream_keep_alive_)) return upstream_->terminate();
  upstream_->release();
  upstream_ = nullptr;
  if (!client_.stream().sending()) finish();
}

// The rest of the answer will not come. Never padded: the client must be able to tell (RFC 9112 section 8).
void Exchange::cut_answer() noexcept {
  parts_.meters.answers_truncated.add();
  parts_.count_refusal(http::Cause::response_truncated, client_.client_ip());
  leave();
}

void Exchange::reply(uint16_t status, std::string_view cause, std::string_view message) noexcept {
  stage_ = Stage::replying;
  answer_keep_alive_ = client_may_stay();
  uring::Lease lease = parts_.buffers.take_bulk();
  if (!lease) return leave();
  const bool drop_in = parts_.settings.drop_in;
  const std::string text = drop_in && !message.starts_with("<Error>") ? "<Error> " + std::string(message) : std::string(message);
  const uint32_t size = http::write_local_answer({.status = status,
                                                  .cause = drop_in ? "" : cause,
                                                  .message = text,
                                                  .keep_alive = answer_keep_alive_,
                                                  .head_request = head_request_,
                                                  .client_minor = client_minor_,
                                                  .retry_after_s = status == 503 ? retry_after_s : 0},
                                                 {lease.space(), lease.capacity()});
  if (size == 0) return leave();
  parts_.meters.answers_by_class[status / 100].add();
  const std::span<const char> bytes(lease.space(), size);
  answered_ = true;
  last_send_ = true;
  send_to_client(std::move(lease), bytes);
}

void Exchange::send_to_client(uring::Lease lease, std::span<const char> bytes) noexcept {
  client_.stream().send(std::move(lease), bytes);
  client_.expect_within(parts_.settings.response_idle_ns);
}

void Exchange::on_client_sent(Sent sent) noexcept {
  if (stage_ == Stage::leaving) return leave();
  if (sent == Sent::failed) return on_client_gone();
  switch (stage_) {
    case Stage::requesting: return read_answer_head();
    case Stage::answering: return last_send_ ? finish() : pump_answer();
    case Stage::replying: return finish();
    case Stage::tunnelling: return pump_tunnel();
    case Stage::failed:
      if (!upstream_) go_on();
      return;
    case Stage::leaving: return;
  }
}

void Exchange::finish() noexcept {
  if (upstream_) return;  // still ending; on_upstream_joined() comes back
  client_.exchange_finished(answer_keep_alive_ && request_body_.finished());  // frees this
}

// --- the client --------------------------------------------------------------------------------------------------------

void Exchange::on_client_bytes() noexcept {
  if (stage_ == Stage::tunnelling) return pump_tunnel();
  if (stage_ == Stage::requesting || stage_ == Stage::answering) pump_request();
}

// Half a close: the client may still want its answer. In the middle of its body, it has given up.
void Exchange::on_client_end() noexcept {
  if (stage_ == Stage::tunnelling) return pump_tunnel();
  const bool wants_more = stage_ == Stage::requesting || stage_ == Stage::answering;
  if (wants_more && !request_body_.finished() && !client_.stream().front()) on_client_gone();
}

void Exchange::on_client_gone() noexcept {
  if (stage_ == Stage::leaving) return;
  parts_.meters.client_aborts.add();
  leave();
}

void Exchange::on_client_timeout() noexcept {
  if (stage_ == Stage::tunnelling) return leave();
  if (client_.stream().sending()) return on_client_gone();  // it has stopped reading
  if (!waits_for_body()) return;
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
    client_.terminate();
    if (upstream_) return upstream_->terminate();  // on_upstream_joined() comes back
  }
  if (upstream_ || client_.stream().sending()) return;
  client_.exchange_left();  // frees this
}

// --- a tunnel ----------------------------------------------------------------------------------------------------------

void Exchange::start_tunnel(const http::ResponseHead& head) noexcept {
  uring::Lease lease = parts_.buffers.take_bulk();
  const uint32_t size = lease ? http::write_interim_answer(head, {lease.space(), lease.capacity()}) : 0;
  if (size == 0) return attempt_failed(http::Cause::overloaded);
  stage_ = Stage::tunnelling;
  answered_ = true;
  parts_.meters.tunnels.add();
  parts_.meters.answers_by_class[1].add();
  if (Piece* piece = upstream_->stream().front(); piece->size() == 0) upstream_->stream().drop_front();
  upstream_->expect_within(parts_.settings.tunnel_idle_ns);
  const std::span<const char> bytes(lease.space(), size);
  client_.stream().send(std::move(lease), bytes);
  pump_tunnel();
}

void Exchange::pump_tunnel() noexcept {
  Stream& client = client_.stream();
  Stream& upstream = upstream_->stream();
  client_.expect_within(parts_.settings.tunnel_idle_ns);
  upstream_->expect_within(parts_.settings.tunnel_idle_ns);
  const bool done = pump_one_way(client, upstream, closed_to_upstream_) & pump_one_way(upstream, client, closed_to_client_);
  if (done && !client.sending() && !upstream.sending()) leave();
}

// true: this direction has ended.
bool Exchange::pump_one_way(Stream& from, Stream& to, bool& closed) noexcept {
  if (to.sending() || closed) return closed;
  if (Piece* piece = from.front()) {
    const std::span<const char> bytes(piece->begin, piece->size());
    to.send(from.take_front(), bytes);
    return false;
  }
  if (!from.ended()) {
    from.want(Want::small);
    return false;
  }
  closed = true;
  to.finish_sending();
  return true;
}

}  // namespace ringmaster::proxy
