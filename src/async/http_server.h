// A small HTTP/1.1 server for the admin thread and for tests: one coroutine for each connection, the http room's strict
// reading, whole bodies in memory up to a limit, pipelined requests answered in order.
//
//   HttpServer server(loop, [&](const Request& request) { return handle(api, request); }, settings);
//   server.serve(std::move(listener));
//   loop.run();
//   …                                        // in some task, at the end:
//   co_await server.stop(seconds(5));
//
// What a handler may rely on: the Request and all its spans live until its task has returned; `request.scope` is
// cancelled when the server has no more time for it. It may take as long as it likes. It never sees a malformed head
// (400 and the like have been answered), a body over the limit (413), or a wait for 100-continue. CONNECT is 405.
// The answer to HEAD is sent without its body, whatever the handler gives.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "async/field_list.h"
#include "async/loop.h"
#include "async/sockets.h"
#include "async/task.h"
#include "base/address.h"
#include "base/intrusive_list.h"
#include "http/head.h"
#include "http/refusal.h"

namespace ringmaster::async {

struct Request {
  http::RequestHead head;            // spans are valid while the handler runs; head.fields in order of arrival
  std::string body;
  SocketAddress peer;                // unix: family AF_UNIX, no path
  uint32_t listener = 0;             // the number of the serve() call, from 0
  CancelScope* scope = nullptr;      // for the handler's own awaits

  std::string_view method() const noexcept { return head.method_name; }
  std::string_view target() const noexcept { return head.target; }
  std::string_view path() const noexcept { return head.path; }
  std::string_view query() const noexcept { return head.query; }
  // The first field of that name, compared without case; "" where there is none.
  std::string_view field(std::string_view name) const noexcept;
  bool has_field(std::string_view name) const noexcept;
  uint32_t count_fields(std::string_view name) const noexcept;
};

// Writes the body of an answer in pieces: chunked to HTTP/1.1, until close to HTTP/1.0.
class BodyWriter {
 public:
  struct Way {
    int socket = -1;
    bool chunked = false;
    bool muted = false;  // HEAD: nothing is sent
    std::chrono::milliseconds send_timeout{};
  };
  BodyWriter(Loop& loop, const Way& way, CancelScope& cut, CancelScope& stopping) noexcept
      : loop_(loop), way_(way), cut_(cut), stopping_(stopping) {}

  // Returns when the kernel has taken all of it. An error: the client has gone or takes too long; return soon.
  Task<Result<void>> write(std::string_view bytes);
  // Cancelled when the server is stopping: wait for events under this scope, then return to end the answer in order.
  CancelScope& stopping() noexcept { return stopping_; }
  bool broken() const noexcept { return broken_; }

 private:
  Loop& loop_;
  const Way way_;
  CancelScope& cut_;
  CancelScope& stopping_;
  bool broken_ = false;
};

struct Answer {
  uint16_t status = 200;
  std::string content_type = "application/json";  // "" leaves the field out
  std::string body;
  FieldList fields;                               // further ones; one with a CTL in it is left out
  bool close = false;                             // say Connection: close and end the connection
  // Where set, writes the body instead (Server-Sent Events, large bodies). It lives as long as its task.
  std::function<Task<void>(BodyWriter&)> stream;
};

using Handler = std::function<Task<Answer>(const Request&)>;

struct HttpServerSettings {
  http::HeadLimits head;
  uint64_t body_bytes_max = 1 << 20;              // 413 past it
  // More of them: who has kept us waiting longest for a request or the rest of one makes room. Where all have asked and
  // wait for us, newcomers are told 503 and closed; far more are just closed.
  uint32_t connections_max = 256;
  std::chrono::milliseconds header_timeout{10'000};   // from a request's first byte to the end of its head: 408
  std::chrono::milliseconds body_idle_timeout{30'000};
  std::chrono::milliseconds idle_timeout{60'000};     // between requests
  std::chrono::milliseconds send_timeout{30'000};     // for one write to be taken
};

class HttpServer {
 public:
  HttpServer(Loop& loop, Handler handler, HttpServerSettings settings = {});
  ~HttpServer();  // stop() must have returned, or the loop's run()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Accepts on it from now on.
  void serve(Listener listener);
  // Accepts no more, ends idle connections, lets exchanges under way finish (with Connection: close) for at most
  // `grace`, then cuts. Returns when nothing is left. Works after Loop::stop() too, which itself cuts everything.
  Task<void> stop(std::chrono::milliseconds grace);

  uint32_t connections() const noexcept { return connections_; }
  uint64_t requests() const noexcept { return requests_; }

 private:
  struct Connection;
  struct WaitingTag;
  enum class Next : uint8_t { go_on, close, linger };  // what becomes of the connection

  Task<void> accept_loop(Listener listener, uint32_t number);
  Task<void> converse(Socket socket, uint32_t number);
  Task<void> turn_away(Socket socket);
  bool make_room() noexcept;
  Task<Next> exchange(Connection& connection);
  Task<Next> read_head(Connection& connection);
  Task<Next> read_body(Connection& connection);
  Task<Next> send_answer(Connection& connection, const Answer& answer);
  Task<bool> send_stream(Connection& connection, const Answer& answer, bool chunked);
  Task<Next> refuse(int socket, http::Cause cause, bool head_request);
  Task<void> linger(int socket);

  Loop& loop_;
  Handler handler_;
  HttpServerSettings settings_;
  CancelScope cut_;        // everything
  CancelScope stopping_;   // accepting, idle connections, streams
  Group tasks_;
  List<Connection, WaitingTag> waiting_;   // for a request or the rest of one: the longest first
  std::unique_ptr<http::FieldScratch> scratch_;
  uint32_t listeners_ = 0;
  uint32_t connections_ = 0;
  uint64_t requests_ = 0;
};

}  // namespace ringmaster::async
