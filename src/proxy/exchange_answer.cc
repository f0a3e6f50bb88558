// The second half of an exchange's life: what the replica says, on its way to the client; and tunnels.

#include <cstring>

#include "http/forward.h"
#include "http/writer.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/upstream_pool.h"

namespace ringmaster::proxy {

namespace {

constexpr uint8_t interim_answers_max = 8;
constexpr uint32_t retry_after_s = 1;
// A send that takes the connection's end along cannot be asked how far it has come (Stream::probe_send), so that even
// a slow reader must take all of it within timeouts.response_idle.
constexpr size_t last_send_bytes_max = 128 * 1024;

}  // namespace

// The next receive for a body: large buffers once it has shown that it is long.
Want Exchange::want_for(const Stream& from, const http::BodyTransfer& body) const noexcept {
  const bool bulk = from.last_filled_buffer() && body.remaining() > parts_.stream_tools.bulk_from;
  return bulk ? Want::bulk : Want::small;
}

// --- the answer -----------------------------------------------------------------------------------------------------

void Exchange::on_upstream_bytes() noexcept {
  switch (stage_) {
    case Stage::requesting:
      // The request has not even been submitted: nobody asked for these bytes.
      if (sent_ns_ == parts_.now() || upstream_->stream().unsent()) return attempt_failed(http::Cause::replica_reset);
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
    http::Cause cause = http::Cause::none;
    const http::HeadStatus status = parse_answer_head(head, cause);
    if (status == http::HeadStatus::incomplete) continue;
    if (status == http::HeadStatus::refused) return attempt_failed(cause);
    if (head.status >= 200) return start_answer(head);
    if (!on_interim(head)) return;
    answer_parser_ = http::HeadParser(http::HeadParser::Kind::response);
    answer_assembly_.reset();
  }
}

http::HeadStatus Exchange::parse_answer_head(http::ResponseHead& head, http::Cause& cause) noexcept {
  const http::HeadLimits& limits = parts_.settings.head_limits;
  const auto parse = [&](http::HeadParser& reader, std::string_view bytes) {
    return reader.parse_response(bytes, method_, limits, parts_.fields, head);
  };
  const uint32_t bytes_max = http::head_bytes_max(limits) + 1;
  return read_head(upstream_->stream(), answer_parser_, answer_assembly_, bytes_max, parts_.meters, head, cause, parse);
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
  // It says that the replica is still at work (RFC 9110 section 15.2): the wait for the answer begins anew.
  upstream_->expect_within(parts_.settings.response_ns);
  return true;
}

bool Exchange::client_may_stay() const noexcept {
  return client_keep_alive_ && request_body_.finished() && !parts_.draining;
}

// The client has said that it sends nothing more, and all that it sent was read: closing loses it no answer.
bool Exchange::all_read_of_client() const noexcept {
  const Piece* rest = client_.stream().front();
  return last_request_ && request_body_.finished() && (!rest || rest->size() == 0);
}

void Exchange::start_answer(const http::ResponseHead& head) noexcept {
  upstream_->pool().meters().latency.add_us((parts_.now() - sent_ns_) / 1000);
  if (head.status == 404 && parts_.settings.drop_in && !api_) return translate_not_found(head);
  http::AnswerContext context{.client_minor = client_minor_,
                              .keep_alive = client_may_stay(),
                              .via = parts_.settings.via,
                              .head_request = head_request_,
                              .date = parts_.date(),
                              .own_fields = own_fields()};
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
    uring::Lease larger = parts_.buffers.take_bulk(static_cast<uint32_t>(head_size + body_size));
    if (!larger) return attempt_failed(http::Cause::overloaded);
    begin = larger.space();
    memcpy(begin + head_size, body_begin, body_size);
    lease = std::move(larger);
  }
  memcpy(begin, parts_.rewrite.data(), head_size);
  stage_ = Stage::answering;
  answered_ = true;
  note_answer(head.status, head_size);
  last_send_ = answer_body_.finished();
  send_to_client(std::move(lease), {begin, head_size + body_size});
  if (answer_body_.finished()) return answer_read();
  upstream_->expect_within(parts_.settings.response_idle_ns);
  from.want(want_for(from, answer_body_));
}

// What the proxy adds to an answer by itself: the sticky cookie, where the client has none that names a replica of the
// table, and the debug fields.
std::string_view Exchange::own_fields() noexcept {
  const ProxySettings& settings = parts_.settings;
  if (api_ || (!settings.debug_headers && !settings.sticky.on())) return {};
  const UpstreamPool& pool = upstream_->pool();
  http::Writer writer(parts_.own_fields.data());
  if (settings.sticky.on() && !parts_.router->knows(route_.sticky)) writer.text(pool.sticky_field());
  if (settings.debug_headers) {
    writer.literal("X-Ringmaster-Replica: ");
    writer.text(pool.upstream().name);
    writer.literal("\r\nX-Ringmaster-Slot: ");
    writer.number(route_.slot);
    writer.literal("\r\nX-Ringmaster-Epoch: ");
    writer.number(epoch_);
    writer.literal("\r\nX-Ringmaster-Key: ");
    writer.text(route_.key_source < settings.key_texts.size() ? settings.key_texts[route_.key_source] : "none");
    writer.literal("\r\nX-Ringmaster-Verdict: ");
    writer.text(balance::name_of(verdict_));
    writer.literal("\r\n");
  }
  return {parts_.own_fields.data(), writer.size()};
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

// Of the request as it was sent; copied, because the reply is written over it.
std::string_view Exchange::path_asked_for() noexcept {
  const std::string_view request(request_begin_, request_size_);
  const size_t begin = request.find(' ') + 1;
  const size_t size = request.copy(parts_.rewrite.data(), request.find_first_of(" ?", begin) - begin, begin);
  return {parts_.rewrite.data(), size};
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
    if (step.begin != step.end)
      send_to_client(std::move(lease), {step.begin, static_cast<size_t>(step.end - step.begin)});
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
  upstream_->pool().served();
  // The kernel may still be reading the request's bytes: on_upstream_joined() goes on, maybe within the call.
  if (!may_be_kept(upstream_keep_alive_)) return upstream_->terminate();
  upstream_->release();
  upstream_ = nullptr;
  if (!client_.stream().sending()) finish();
}

// The rest of the answer will not come. Never padded: the client must be able to tell (RFC 9112 section 8).
void Exchange::cut_answer() noexcept {
  parts_.meters.answers_truncated.add();
  if (upstream_) upstream_->pool().failed(http::Cause::response_truncated);
  note_refusal(http::Cause::response_truncated);
  leave();
}

void Exchange::reply(uint16_t status, std::string_view cause, const Message& message) noexcept {
  stage_ = Stage::replying;
  answer_keep_alive_ = client_may_stay();
  // No attempt is under way any more: the store that held the request holds the reply, where it fits.
  uring::Lease lease;
  std::span<char> out(inline_);
  if (512 + 2 * (message.before.size() + message.text.size() + message.behind.size()) > out.size()) {
    lease = parts_.buffers.take_bulk();
    if (!lease) return leave();
    out = {lease.space(), lease.capacity()};
  }
  const uint32_t size = http::write_local_answer({.status = status,
                                                  .cause = parts_.settings.drop_in ? "" : cause,
                                                  .before = message.before,
                                                  .message = message.text,
                                                  .behind = message.behind,
                                                  .keep_alive = answer_keep_alive_,
                                                  .head_request = head_request_,
                                                  .client_minor = client_minor_,
                                                  .retry_after_s = status == 503 ? retry_after_s : 0,
                                                  .date = parts_.date()},
                                                 out);
  if (size == 0) return leave();
  note_answer(status, static_cast<uint32_t>(std::string_view(out.data(), size).find("\r\n\r\n")) + 4);
  answered_ = true;
  last_send_ = true;
  send_to_client(std::move(lease), out.first(size));
}

void Exchange::note_answer(uint16_t status, uint32_t head_bytes) noexcept {
  parts_.meters.answers_by_class[status / 100].add();
  if (!access_) return;
  access_->status = status;
  access_->head_bytes = head_bytes;
  access_->sent_bytes = 0;  // of interim answers before it
}

void Exchange::note_refusal(http::Cause cause) noexcept {
  if (access_) access_->cause = cause;
  parts_.count_refusal(cause, client_.client_ip());
}

void Exchange::send_to_client(uring::Lease lease, std::span<const char> bytes) noexcept {
  if (access_) access_->sent_bytes += bytes.size();
  Stream& client = client_.stream();
  // Where only the connection's end tells the answer's, it stays open until all has left: leave() may have to reset it.
  const bool end_is_told = answer_framing_ != http::Framing::until_close;
  if (last_send_ && end_is_told && bytes.size() <= last_send_bytes_max && all_read_of_client()) {
    client_.client_ip();  // for the access log, while the socket can still be asked
    client.send_last(std::move(lease), bytes);
  } else {
    client.send(std::move(lease), bytes);
    if (!last_send_ || !end_is_told) watch_client();
  }
  client_.expect_within(parts_.settings.response_idle_ns);
}

void Exchange::on_client_sent(Sent sent) noexcept {
  if (stage_ == Stage::leaving) return leave();
  if (sent == Sent::failed) return on_client_gone();
  if (sent == Sent::some) return client_.expect_within(parts_.settings.response_idle_ns);
  switch (stage_) {
    case Stage::requesting: return read_answer_head();
    case Stage::waiting: return;
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
  using Next = Connection::After;
  const bool stays = answer_keep_alive_ && request_body_.finished();
  client_.exchange_finished(stays ? Next::request : all_read_of_client() ? Next::close : Next::linger);  // frees this
}

// --- a tunnel -------------------------------------------------------------------------------------------------------

void Exchange::start_tunnel(const http::ResponseHead& head) noexcept {
  uring::Lease lease = parts_.buffers.take_bulk();
  const uint32_t size = lease ? http::write_interim_answer(head, {lease.space(), lease.capacity()}) : 0;
  if (size == 0) return attempt_failed(http::Cause::overloaded);
  stage_ = Stage::tunnelling;
  answered_ = true;
  parts_.meters.tunnels.add();
  upstream_->pool().served();
  note_answer(101, 0);
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
  const bool up_done = pump_one_way(client, upstream, closed_to_upstream_);
  const bool down_done = pump_one_way(upstream, client, closed_to_client_);
  if (up_done && down_done && !client.sending() && !upstream.sending()) leave();
}

// true: this direction has ended.
bool Exchange::pump_one_way(Stream& from, Stream& to, bool& closed) noexcept {
  if (to.sending() || closed) return closed;
  if (Piece* piece = from.front()) {
    const std::span<const char> bytes(piece->begin, piece->size());
    if (access_ && &from != &client_.stream()) access_->sent_bytes += bytes.size();
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
