#include "async/http_server.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "base/log.h"
#include "base/utc.h"
#include "http/body.h"
#include "http/forward.h"

namespace ringmaster::async {

namespace {

using std::chrono::milliseconds;

constexpr uint32_t body_piece_bytes = 16 * 1024;        // room behind a head for its body's pieces
constexpr uint32_t turned_away_max = 64;                // connections over the limit that still get their 503
constexpr uint32_t linger_bytes_max = 256 * 1024;       // what a refused client may still send
constexpr milliseconds linger_time{1000};
constexpr milliseconds accept_pause{100};               // after EMFILE and the like
constexpr uint32_t small_write_bytes = 16 * 1024;       // below, one copy is cheaper than three sends

bool has_no_body(uint16_t status) { return status < 200 || status == 204 || status == 304; }

enum class BodyFraming : uint8_t { none, length, chunked, until_close };

std::string answer_head(const Answer& answer, BodyFraming framing, bool keep_alive, uint8_t minor) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", answer.status, http::reason_of(answer.status));
  head += "Date: " + utc_http_date(std::chrono::system_clock::now()) + "\r\n";  // RFC 9110 section 6.6.1
  if (!answer.content_type.empty() && framing != BodyFraming::none) {
    head += "Content-Type: " + answer.content_type + "\r\n";
  }
  if (framing == BodyFraming::length) head += fmt::format("Content-Length: {}\r\n", answer.body.size());
  if (framing == BodyFraming::chunked) head += "Transfer-Encoding: chunked\r\n";
  for (const auto& [name, value] : answer.fields) {
    if (!is_plain(name) || !is_plain(value)) continue;  // would break the head; and may come from outside
    head += name + ": " + value + "\r\n";
  }
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (minor == 0) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

}  // namespace

// --- what handlers see -----------------------------------------------------------------------------------------------

std::string_view Request::field(std::string_view name) const noexcept {
  for (const http::Field& field : head.fields) {
    if (same_name(field.name, name)) return field.value;
  }
  return {};
}

uint32_t Request::count_fields(std::string_view name) const noexcept {
  uint32_t count = 0;
  for (const http::Field& field : head.fields) count += same_name(field.name, name) ? 1 : 0;
  return count;
}

bool Request::has_field(std::string_view name) const noexcept { return count_fields(name) > 0; }

Task<Result<void>> BodyWriter::write(std::string_view bytes) {
  if (broken_) co_return std::unexpected(Error{ErrorKind::closed, 0, "send"});
  if (bytes.empty() || way_.muted) co_return Result<void>();
  std::string begin = way_.chunked ? fmt::format("{:x}\r\n", bytes.size()) : std::string();
  const std::string_view end = way_.chunked ? "\r\n" : "";
  Result<void> sent;
  if (bytes.size() <= small_write_bytes) {
    begin.append(bytes).append(end);
    sent = co_await loop_.send(way_.socket, begin, loop_.within(way_.send_timeout, &cut_));
  } else {
    constexpr auto more = uring::SendMode::more_comes;
    sent = co_await loop_.send(way_.socket, begin, loop_.within(way_.send_timeout, &cut_), more);
    if (sent) sent = co_await loop_.send(way_.socket, bytes, loop_.within(way_.send_timeout, &cut_));
    if (sent) sent = co_await loop_.send(way_.socket, end, loop_.within(way_.send_timeout, &cut_));
  }
  broken_ = !sent;
  co_return sent;
}

// --- the server ------------------------------------------------------------------------------------------------------

// The bytes of a connection: [0, head end) is the head under way, whose spans stay valid while its handler runs; what
// follows is room for pieces of its body, and at last the beginning of the next request.
struct HttpServer::Connection : Link<WaitingTag> {
  Connection(Socket the_socket, uint32_t the_capacity, CancelScope& stopping, CancelScope& cut)
      : socket(std::move(the_socket)),
        bytes(std::make_unique_for_overwrite<char[]>(the_capacity)),
        capacity(the_capacity),
        idle(stopping),
        reading(cut) {}
  ~Connection() { unlink(); }

  void make_room() noexcept {
    unlink();
    idle.cancel();
    reading.cancel();
  }

  std::span<char> room() const { return {bytes.get() + filled, capacity - filled}; }
  // Forgets the bytes [from, from + count).
  void take_out(uint32_t from, uint32_t count) {
    std::memmove(bytes.get() + from, bytes.get() + from + count, filled - from - count);
    filled -= count;
  }

  Socket socket;
  std::unique_ptr<char[]> bytes;
  uint32_t capacity;
  uint32_t filled = 0;
  CancelScope idle;      // between requests
  CancelScope reading;   // the rest of one
  Request request;
  std::vector<http::Field> fields;
};

HttpServer::HttpServer(Loop& loop, Handler handler, HttpServerSettings settings)
    : loop_(loop),
      handler_(std::move(handler)),
      settings_(settings),
      cut_(loop.scope()),
      stopping_(cut_),
      tasks_(loop),
      scratch_(std::make_unique<http::FieldScratch>()) {}

HttpServer::~HttpServer() = default;

void HttpServer::serve(Listener listener) { tasks_.spawn(accept_loop(std::move(listener), listeners_++)); }

Task<void> HttpServer::stop(milliseconds grace) {
  stopping_.cancel();
  (void)co_await tasks_.join(loop_.within(grace, &cut_));
  cut_.cancel();
  co_await tasks_.join();
}

Task<void> HttpServer::accept_loop(Listener listener, uint32_t number) {
  Acceptor acceptor(loop_, listener.get());
  while (!stopping_.cancelled()) {
    Result<Socket> socket = co_await acceptor.next({UINT64_MAX, &stopping_});
    if (!socket) {
      if (socket.error().kind == ErrorKind::cancelled) break;
      log_warning("cannot accept a connection: {}", to_string(socket.error()));
      (void)co_await loop_.sleep(accept_pause, &stopping_);
      continue;
    }
    // Counted here: a task begins in a later turn, and hundreds may arrive in this one.
    if (connections_ < settings_.connections_max ||
        (connections_ < settings_.connections_max + turned_away_max && make_room())) {
      ++connections_;
      tasks_.spawn(converse(std::move(*socket), number));
    } else if (connections_ < settings_.connections_max + turned_away_max) {
      ++connections_;
      tasks_.spawn(turn_away(std::move(*socket)));
    }
  }
  co_await acceptor.end();
}

// Whoever has nothing to say, or takes for ever to say it, must not keep out those who ask. It ends in its own turn.
bool HttpServer::make_room() noexcept {
  Connection* const longest = waiting_.front();
  if (longest) longest->make_room();
  return longest != nullptr;
}

Task<void> HttpServer::turn_away(Socket socket) {
  const Next next = co_await refuse(socket.get(), http::Cause::overloaded, false);
  if (next == Next::linger) co_await linger(socket.get());
  --connections_;
}

Task<void> HttpServer::converse(Socket socket, uint32_t number) {
  {
    Connection connection(std::move(socket), http::head_bytes_max(settings_.head) + body_piece_bytes, stopping_, cut_);
    connection.request.peer = loop_.ring().peer_of(connection.socket.get());
    connection.request.listener = number;
    connection.request.scope = &cut_;
    Next next = Next::go_on;
    while (next == Next::go_on) next = co_await exchange(connection);
    if (next == Next::linger) co_await linger(connection.socket.get());
  }
  --connections_;
}

Task<HttpServer::Next> HttpServer::exchange(Connection& connection) {
  connection.request.body.clear();
  waiting_.push_back(connection);
  Next next = co_await read_head(connection);
  if (next != Next::go_on) co_return next;
  if (connection.request.head.method == HTTP_CONNECT) {
    co_return co_await refuse(connection.socket.get(), http::Cause::connect_not_allowed, false);
  }
  next = co_await read_body(connection);
  connection.unlink();
  if (next != Next::go_on) co_return next;
  ++requests_;
  {
    const Answer answer = co_await handler_(connection.request);
    next = co_await send_answer(connection, answer);
  }
  connection.take_out(0, connection.request.head.head_bytes);
  co_return next;
}

Task<HttpServer::Next> HttpServer::read_head(Connection& connection) {
  const int socket = connection.socket.get();
  if (connection.filled == 0) {
    const Patience idle = loop_.within(settings_.idle_timeout, &connection.idle);
    const Result<size_t> got = co_await loop_.receive(socket, connection.room(), idle, true);
    if (!got || *got == 0) co_return Next::close;
    connection.filled = static_cast<uint32_t>(*got);
  }
  const Patience patience = loop_.within(settings_.header_timeout, &connection.reading);
  http::HeadParser parser(http::HeadParser::Kind::request);
  http::RequestHead& head = connection.request.head;
  while (true) {
    const std::string_view bytes(connection.bytes.get(), connection.filled);
    const http::HeadStatus status = parser.parse_request(bytes, settings_.head, *scratch_, head);
    if (status == http::HeadStatus::complete) break;
    if (status == http::HeadStatus::refused) co_return co_await refuse(socket, parser.cause(), false);
    if (connection.room().empty()) co_return co_await refuse(socket, http::Cause::fields_too_large, false);
    const Result<size_t> got = co_await loop_.receive(socket, connection.room(), patience);
    if (!got && got.error().kind == ErrorKind::timed_out) {
      co_return co_await refuse(socket, http::Cause::request_timeout, false);
    }
    if (!got || *got == 0) co_return Next::close;
    connection.filled += static_cast<uint32_t>(*got);
  }
  // The scratch is everybody's; the handler may take its time.
  connection.fields.assign(head.fields.begin(), head.fields.end());
  head.fields = connection.fields;
  co_return Next::go_on;
}

Task<HttpServer::Next> HttpServer::read_body(Connection& connection) {
  const http::RequestHead& head = connection.request.head;
  if (head.framing == http::Framing::none) co_return Next::go_on;
  const int socket = connection.socket.get();
  const bool head_request = head.method == HTTP_HEAD;
  std::string& body = connection.request.body;
  const bool by_length = head.framing == http::Framing::length;
  if (by_length && head.content_length > settings_.body_bytes_max) {
    co_return co_await refuse(socket, http::Cause::body_too_large, head_request);
  }
  if (head.expect_continue && head.minor == 1 && connection.filled == head.head_bytes) {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const Result<void> sent = co_await loop_.send(socket, go_on, loop_.within(settings_.send_timeout, &cut_));
    if (!sent) co_return Next::close;
  }
  http::ChunkedDecoder decoder;
  while (true) {
    char* const begin = connection.bytes.get() + head.head_bytes;
    const uint32_t count = connection.filled - head.head_bytes;
    http::ChunkedDecoder::Step step;
    if (by_length) {
      const uint64_t remaining = head.content_length - body.size();
      step.payload = step.consumed = static_cast<uint32_t>(std::min<uint64_t>(count, remaining));
      step.finished = step.payload == remaining;
    } else {
      step = decoder.decode(begin, count);
    }
    if (step.cause != http::Cause::none) co_return co_await refuse(socket, step.cause, head_request);
    if (body.size() + step.payload > settings_.body_bytes_max) {
      co_return co_await refuse(socket, http::Cause::body_too_large, head_request);
    }
    body.append(begin, step.payload);
    connection.take_out(head.head_bytes, step.consumed);
    if (step.finished) co_return Next::go_on;
    const Patience patience = loop_.within(settings_.body_idle_timeout, &connection.reading);
    const Result<size_t> got = co_await loop_.receive(socket, connection.room(), patience);
    if (!got && got.error().kind == ErrorKind::timed_out) {
      co_return co_await refuse(socket, http::Cause::request_timeout, head_request);
    }
    if (!got || *got == 0) co_return Next::close;
    connection.filled += static_cast<uint32_t>(*got);
  }
}

Task<HttpServer::Next> HttpServer::send_answer(Connection& connection, const Answer& answer) {
  const http::RequestHead& head = connection.request.head;
  BodyFraming framing = answer.stream ? BodyFraming::chunked : BodyFraming::length;
  if (answer.stream && head.minor == 0) framing = BodyFraming::until_close;
  if (has_no_body(answer.status)) framing = BodyFraming::none;
  const bool keep_alive =
      head.keep_alive && !answer.close && !stopping_.cancelled() && framing != BodyFraming::until_close;
  const bool head_only = head.method == HTTP_HEAD || framing == BodyFraming::none;

  std::string out = answer_head(answer, framing, keep_alive, head.minor);
  const bool streams = answer.stream && !head_only;
  if (!answer.stream && !head_only) out += answer.body;
  const Patience patience = loop_.within(settings_.send_timeout, &cut_);
  const Result<void> sent = co_await loop_.send(connection.socket.get(), out, patience);
  if (!sent) co_return Next::close;
  if (streams) {
    const bool whole = co_await send_stream(connection, answer, framing == BodyFraming::chunked);
    if (!whole) co_return Next::close;
  }
  co_return keep_alive ? Next::go_on : Next::linger;
}

// false: the client has not got all of it, and must be able to tell.
Task<bool> HttpServer::send_stream(Connection& connection, const Answer& answer, bool chunked) {
  const int socket = connection.socket.get();
  BodyWriter::Way way{.socket = socket, .chunked = chunked, .muted = false, .send_timeout = settings_.send_timeout};
  BodyWriter writer(loop_, way, cut_, stopping_);
  co_await answer.stream(writer);
  bool whole = !writer.broken() && !cut_.cancelled();
  if (whole && chunked) {
    static constexpr std::string_view last_chunk = "0\r\n\r\n";
    const Result<void> sent = co_await loop_.send(socket, last_chunk, loop_.within(settings_.send_timeout, &cut_));
    whole = sent.has_value();
  }
  if (!whole) loop_.ring().reset_on_close(socket);
  co_return whole;
}

Task<HttpServer::Next> HttpServer::refuse(int socket, http::Cause cause, bool head_request) {
  std::array<char, 1024> out;
  const http::LocalAnswer answer{.status = http::status_of(cause),
                                 .cause = http::name_of(cause),
                                 .message = http::text_of(cause),
                                 .keep_alive = false,
                                 .head_request = head_request};
  const uint32_t bytes = http::write_local_answer(answer, out);
  const Patience patience = loop_.within(settings_.send_timeout, &cut_);
  const Result<void> sent = co_await loop_.send(socket, std::span<const char>(out).first(bytes), patience);
  co_return sent ? Next::linger : Next::close;
}

// Closing while the client still sends makes the kernel answer with a reset, and that takes our answer out of the
// client's hands: say that we are done, and read on for a moment (RFC 9112 section 9.6).
Task<void> HttpServer::linger(int socket) {
  loop_.ring().shut_down(socket, true);
  const Patience patience = loop_.within(linger_time, &cut_);
  const auto dropped = std::make_unique_for_overwrite<char[]>(body_piece_bytes);
  for (uint32_t total = 0; total < linger_bytes_max;) {
    const Result<size_t> got = co_await loop_.receive(socket, {dropped.get(), body_piece_bytes}, patience);
    if (!got || *got == 0) break;
    total += static_cast<uint32_t>(*got);
  }
}

}  // namespace ringmaster::async
