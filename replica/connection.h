// One client of the replica: a flat coroutine that reads heads, sends prepared answers, and hands whatever takes
// longer to special_answers.cc.
//
// The fast path (GET /home and the like, without a body) makes no allocation for a request: bytes are received into the
// connection's own buffer, read where they lie, answered from prepared bytes. Pipelined requests are answered in order,
// their answers sent together. Receives are one-shot: each connection owns its buffer, so there is no pool to run dry
// and nothing to end.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>

#include "async/loop.h"
#include "async/task.h"
#include "http/body.h"
#include "http/head.h"
#include "replica/endpoints.h"
#include "replica/worker.h"

namespace ringmaster::replica {

// What becomes of the connection after an answer.
enum class Next : uint8_t {
  go_on,
  close,   // the client has gone, or expects nothing any more
  linger,  // our answer must get through to a client that may still be sending
  reset,   // the client must see that the answer is cut off
};

class Connection {
 public:
  Connection(Worker& worker, async::Socket socket);

  async::Task<void> run();

  // --- for the answers that take longer -----------------------------------------------------------------------------
  // The next piece of the request's body, empty at its end; valid until the next call, as the head's spans are until
  // the first. Error: the body is malformed and cause() says how, or (cause none) the client has gone.
  async::Task<Result<std::span<char>>> body_piece();
  // Reads what is left of the body away.
  async::Task<Result<void>> drop_body();
  http::Cause cause() const noexcept { return cause_; }

  // For what follows a switch of protocols: the bytes that are there and have not been taken; more of them (false: the
  // end, an error, or the buffer is full); taking them. At least 32 KiB fit.
  std::span<char> raw() noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
  async::Task<bool> read_raw();
  void take_raw(size_t count) noexcept { begin_ += static_cast<uint32_t>(count); }

  // false: the client has gone.
  async::Task<bool> send(std::string_view bytes, uring::SendMode mode = uring::SendMode::now);
  // Reads and drops whatever comes until the client has gone.
  async::Task<void> ignore_until_closed();

  Worker& worker() noexcept { return worker_; }
  async::Loop& loop() noexcept { return worker_.loop; }

 private:
  enum class Halt : uint8_t { more_bytes, out_full, special, refused, closing };  // why no more can be prepared

  static constexpr uint32_t buffer_bytes = 64 * 1024;
  static constexpr uint32_t out_bytes = 2048;

  Halt answer_prepared() noexcept;
  bool is_prepared() const noexcept;
  void begin_body() noexcept;
  std::span<char> room() noexcept;
  async::Task<Next> refuse();
  async::Task<void> end(Next next);

  Worker& worker_;
  async::Socket socket_;
  std::unique_ptr<char[]> bytes_;  // [begin_, end_) has come and has not been taken
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  http::HeadParser parser_{http::HeadParser::Kind::request};
  http::RequestHead head_;
  Wish wish_;
  // The body under way.
  http::ChunkedDecoder decoder_;
  uint64_t body_remaining_ = 0;    // by length
  bool body_chunked_ = false;
  bool body_finished_ = true;
  bool continue_wanted_ = false;
  http::Cause cause_ = http::Cause::none;
  uint32_t out_filled_ = 0;
  std::array<char, out_bytes> out_;
};

}  // namespace ringmaster::replica
