// A small HTTP/1.1 client for heartbeats and for the Docker Engine API: TCP or unix socket, one connection for each
// request (Connection: close), so that an answer always proves that the server accepts connections.
//
//   ClientRequest request;
//   request.address = address;
//   request.target = "/heartbeat";
//   Result<ClientAnswer> answer = co_await fetch(loop, request, loop.within(milliseconds(500), &scope));
//
// The answer is read by the http room: everything that is not well-formed HTTP/1.1 (or 1.0) is `malformed`, a body
// that ends early is `closed`, one over the limit is `full`. Redirects are not followed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "async/field_list.h"
#include "async/loop.h"
#include "async/task.h"
#include "base/address.h"

namespace ringmaster::async {

struct ClientRequest {
  SocketAddress address;
  std::string method = "GET";
  std::string target = "/";
  std::string host;            // "": the address's text, "localhost" for unix sockets
  FieldList fields;             // further ones; Content-Length is set here
  std::string body;            // sent with Content-Length where not empty, or where the method is POST, PUT or PATCH
  uint64_t answer_bytes_max = 1 << 20;
};

struct ClientAnswer {
  uint16_t status = 0;
  FieldList fields;
  std::string body;

  // The first field of that name, compared without case; "" where there is none.
  std::string_view field(std::string_view name) const noexcept;
};

// The whole answer, by the deadline. `request` must live until the task ends.
Task<Result<ClientAnswer>> fetch(Loop& loop, const ClientRequest& request, Patience patience);

// Hands over each piece of a 2xx answer's body as it comes (as much as one receive brought; not lines, not messages)
// and keeps none of it. false from `piece` ends the conversation: the task returns the answer without a body.
// `began` is called once the head of a 2xx answer is there, be a piece long in coming.
// Patience's deadline holds to the end of the head; after that, its scope ends the task (cancelled), and silence of
// `idle` where that is not zero (timed_out). Other statuses: the body is kept, as fetch() does.
using PieceHandler = std::function<bool(std::string_view piece)>;
Task<Result<ClientAnswer>> fetch_stream(Loop& loop, const ClientRequest& request, PieceHandler piece, Patience patience,
                                        std::chrono::nanoseconds idle = {}, std::function<void()> began = {});

}  // namespace ringmaster::async
