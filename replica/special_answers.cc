#include "replica/special_answers.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "http/forward.h"
#include "replica/websocket.h"

namespace ringmaster::replica {

namespace {

using async::Task;
using std::chrono::milliseconds;

constexpr uint64_t echo_bytes_max = 1 << 20;

// --- endings that are alike ------------------------------------------------------------------------------------------

// Sends an answer made before the body was read, once it has been.
Task<Next> finish(Connection& connection, std::string answer, bool keep_alive) {
  const Result<void> dropped = co_await connection.drop_body();
  if (!dropped && connection.cause() == http::Cause::none) co_return Next::close;
  if (!dropped) {  // a malformed body: the connection cannot be read any further
    std::array<char, 1024> out;
    const http::Cause cause = connection.cause();
    const http::LocalAnswer refusal{
        .status = http::status_of(cause), .cause = http::name_of(cause), .message = http::text_of(cause)};
    answer.assign(out.data(), http::write_local_answer(refusal, out));
    keep_alive = false;
  }
  const bool sent = co_await connection.send(answer);
  if (!sent) co_return Next::close;
  co_return keep_alive ? Next::go_on : Next::linger;
}

Task<Next> finish_json(Connection& connection, const http::RequestHead& head, uint16_t status,
                       const std::string& body) {
  return finish(connection, json_answer(status, body, head), head.keep_alive);
}

Task<Next> refuse_early(Connection& connection, http::Cause cause) {
  std::array<char, 1024> out;
  const http::LocalAnswer refusal{
      .status = http::status_of(cause), .cause = http::name_of(cause), .message = http::text_of(cause)};
  const uint32_t count = http::write_local_answer(refusal, out);
  const bool sent = co_await connection.send({out.data(), count});
  co_return sent ? Next::linger : Next::close;
}

// --- /echo, /upload --------------------------------------------------------------------------------------------------

// JSON is UTF-8: bytes that are not are replaced by U+FFFD, one for each run.
std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Task<Next> echo(Connection& connection, const http::RequestHead& head) {
  nlohmann::ordered_json value;
  value["server"] = connection.worker().service.server_id;
  value["method"] = head.method_name;
  value["target"] = head.target;
  value["minor"] = head.minor;
  value["fields"] = nlohmann::ordered_json::array();
  for (const http::Field& field : head.fields) value["fields"].push_back({field.name, field.value});
  // The head's spans end with the first piece of the body; what is still needed of it does not point anywhere.
  http::RequestHead rest = head;
  rest.fields = {};
  std::string body;
  while (true) {
    const Result<std::span<char>> piece = co_await connection.body_piece();
    if (!piece) co_return co_await finish(connection, {}, false);
    if (piece->empty()) break;
    if (body.size() + piece->size() > echo_bytes_max) {
      co_return co_await refuse_early(connection, http::Cause::body_too_large);
    }
    body.append(piece->data(), piece->size());
  }
  value["body_bytes"] = body.size();
  value["body"] = body;
  co_return co_await finish_json(connection, rest, 200, dump(value));
}

Task<Next> upload(Connection& connection, const http::RequestHead& head) {
  http::RequestHead rest = head;
  rest.fields = {};
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
  ensure(state != nullptr && XXH3_64bits_reset(state.get()) == XXH_OK);
  uint64_t bytes = 0;
  while (true) {
    const Result<std::span<char>> piece = co_await connection.body_piece();
    if (!piece) co_return co_await finish(connection, {}, false);
    if (piece->empty()) break;
    bytes += piece->size();
    XXH3_64bits_update(state.get(), piece->data(), piece->size());
  }
  const std::string body = fmt::format(R"({{"bytes":{},"xxh3":"{:016x}"}})", bytes, XXH3_64bits_digest(state.get()));
  co_return co_await finish_json(connection, rest, 200, body);
}

// --- /bytes/N --------------------------------------------------------------------------------------------------------

// The byte at offset i of every body is i mod 251: a prime, so that bytes that are lost, doubled or moved by any power
// of two show. One block serves all connections; it lies between the framing of a chunk that holds it whole.
class Block {
 public:
  static constexpr size_t bytes = 251 * 1024;

  Block() : chunk_(fmt::format("{:x}\r\n", bytes)), begin_(chunk_.size()) {
    for (size_t i = 0; i < bytes; ++i) chunk_.push_back(static_cast<char>(i % 251));
    chunk_ += "\r\n";
  }
  std::string_view chunk() const { return chunk_; }
  std::string_view payload(uint64_t count) const {
    return std::string_view(chunk_).substr(begin_, std::min<uint64_t>(count, bytes));
  }

 private:
  std::string chunk_;
  size_t begin_;
};

const Block& block() {
  static const Block the_block;
  return the_block;
}

Task<bool> send_plain(Connection& connection, uint64_t count) {
  while (count > 0) {
    const std::string_view piece = block().payload(count);
    const bool sent = co_await connection.send(piece);
    if (!sent) co_return false;
    count -= piece.size();
  }
  co_return true;
}

Task<bool> send_chunked(Connection& connection, uint64_t count) {
  for (; count >= Block::bytes; count -= Block::bytes) {
    const bool sent = co_await connection.send(block().chunk());
    if (!sent) co_return false;
  }
  std::string last;
  if (count > 0) last = fmt::format("{:x}\r\n{}\r\n", count, block().payload(count));
  last += "0\r\n\r\n";
  co_return co_await connection.send(last);
}

Task<Next> bytes(Connection& connection, const http::RequestHead& head, uint64_t count) {
  const std::string_view framing = parameter(head.query, "framing").value_or("length");
  const bool by_length = framing != "chunked" && framing != "close";
  const bool chunked = framing == "chunked" && head.minor == 1;
  const bool keep_alive = head.keep_alive && (by_length || chunked);
  std::string out = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" + date_field(std::time(nullptr));
  if (by_length) out += fmt::format("Content-Length: {}\r\n", count);
  if (chunked) out += "Transfer-Encoding: chunked\r\n";
  out += connection_field(keep_alive ? persistence_of(head) : Persistence::close);
  out += "\r\n";
  const bool with_body = head.method != HTTP_HEAD;

  const Result<void> dropped = co_await connection.drop_body();
  if (!dropped) co_return co_await finish(connection, {}, false);
  const auto mode = with_body && count > 0 ? uring::SendMode::more_comes : uring::SendMode::now;
  bool sent = co_await connection.send(out, mode);
  if (sent && with_body && chunked) sent = co_await send_chunked(connection, count);
  if (sent && with_body && !chunked) sent = co_await send_plain(connection, count);
  if (!sent) co_return Next::close;
  co_return keep_alive ? Next::go_on : Next::linger;
}

// --- /fault/heartbeat ------------------------------------------------------------------------------------------------

Task<Next> set_heartbeat(Connection& connection, const http::RequestHead& head) {
  const std::string_view fail = parameter(head.query, "fail").value_or("");
  const bool known = fail == "0" || fail == "1" || fail == "hang";
  if (!known) return finish_json(connection, head, 400, message_body("fail must be 0, 1 or hang", false));
  HeartbeatMode mode = fail == "0" ? HeartbeatMode::well : HeartbeatMode::failing;
  if (fail == "hang") mode = HeartbeatMode::hanging;
  connection.worker().service.heartbeat.store(mode);
  return finish_json(connection, head, 200, message_body(fail == "0" ? "Heartbeats succeed" : "Heartbeats fail", true));
}

// --- faults ----------------------------------------------------------------------------------------------------------

Task<bool> send_half(Connection& connection, const http::RequestHead& head) {
  constexpr size_t whole = 1000;
  const std::string half = answer_head(200, whole, persistence_of(head)) + std::string(whole / 2, 'x');
  co_return co_await connection.send(half);
}

Task<Next> answer_slowly(Connection& connection, const http::RequestHead& head, uint32_t pause_ms) {
  const bool keep_alive = head.keep_alive;
  const bool with_body = head.method != HTTP_HEAD;
  const std::string body = message_body("Slowly, from Server: " + connection.worker().service.server_id, true);
  const std::string out = answer_head(200, body.size(), persistence_of(head));
  Next next = co_await finish(connection, out, keep_alive);
  for (size_t i = 0; with_body && i < body.size() && next != Next::close; ++i) {
    const Result<void> slept = co_await connection.loop().sleep(milliseconds(pause_ms));
    if (!slept) co_return Next::close;
    const bool sent = co_await connection.send(std::string_view(body).substr(i, 1));
    if (!sent) next = Next::close;
  }
  co_return next;
}

Task<Next> answer_fault(Connection& connection, const http::RequestHead& head, const Wish& wish) {
  switch (wish.fault) {
    case Fault::reset_before: co_return Next::reset;
    case Fault::reset_mid: {
      const bool sent = co_await send_half(connection, head);
      co_return sent ? Next::reset : Next::close;
    }
    case Fault::close_mid: {
      const bool sent = co_await send_half(connection, head);
      co_return sent ? Next::linger : Next::close;
    }
    case Fault::hang_mid: {
      const bool sent = co_await send_half(connection, head);
      if (sent) co_await connection.ignore_until_closed();
      co_return Next::close;
    }
    case Fault::hang: {
      co_await connection.ignore_until_closed();
      co_return Next::close;
    }
    case Fault::garbage: {
      const bool sent = co_await connection.send("SSH-2.0-garbage\r\n\x16\x03\x01\x02");
      co_return sent ? Next::linger : Next::close;
    }
    case Fault::early: {
      const std::string body = message_body("Before the body was read", true);
      const bool sent = co_await connection.send(answer_head(200, body.size(), Persistence::close) + body);
      co_return sent ? Next::linger : Next::close;
    }
    case Fault::slow: co_return co_await answer_slowly(connection, head, wish.fault_number);
    case Fault::status: {
      const auto status = static_cast<uint16_t>(wish.fault_number);
      co_return co_await finish_json(connection, head, status, message_body("As asked for", status < 400));
    }
    case Fault::unknown:
    case Fault::none: break;
  }
  co_return co_await finish_json(connection, head, 400, message_body("There is no such fault; see --help", false));
}

Task<Next> answer_prepared_later(Connection& connection, const http::RequestHead& head, Endpoint endpoint) {
  const HeartbeatMode mode = connection.worker().service.heartbeat.load();
  if (endpoint == Endpoint::heartbeat && mode == HeartbeatMode::hanging) {
    co_await connection.ignore_until_closed();
    co_return Next::close;
  }
  if (endpoint == Endpoint::heartbeat && mode == HeartbeatMode::failing) {
    co_return co_await finish_json(connection, head, 500, message_body("Told to fail", false));
  }
  const std::string answer(connection.worker().answers.get(endpoint, head, connection.loop().now_ns()));
  co_return co_await finish(connection, answer, head.keep_alive);
}

Task<Next> delay(Connection& connection, const http::RequestHead& head, uint64_t ms) {
  const std::string answer = json_answer(200, fmt::format(R"({{"delay_ms":{},"status":"successful"}})", ms), head);
  const bool keep_alive = head.keep_alive;
  const Result<void> slept = co_await connection.loop().sleep(milliseconds(ms));
  if (!slept) co_return Next::close;
  co_return co_await finish(connection, answer, keep_alive);
}

}  // namespace

Task<Next> answer_special(Connection& connection, const http::RequestHead& head, const Wish& wish) {
  if (wish.fault != Fault::none) return answer_fault(connection, head, wish);
  switch (wish.endpoint) {
    case Endpoint::echo: return echo(connection, head);
    case Endpoint::upload: return upload(connection, head);
    case Endpoint::bytes: return bytes(connection, head, wish.number);
    case Endpoint::delay: return delay(connection, head, wish.number);
    case Endpoint::websocket: return echo_websocket(connection, head);
    case Endpoint::fault_heartbeat: return set_heartbeat(connection, head);
    case Endpoint::status: {
      const auto status = static_cast<uint16_t>(wish.number);
      return finish_json(connection, head, status, message_body("As asked for", status < 400));
    }
    case Endpoint::home:
    case Endpoint::heartbeat:
    case Endpoint::root:
    case Endpoint::not_found: break;
  }
  return answer_prepared_later(connection, head, wish.endpoint);
}

}  // namespace ringmaster::replica
