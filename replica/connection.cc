#include "replica/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "http/forward.h"
#include "replica/special_answers.h"

namespace ringmaster::replica {

namespace {

using async::Task;
using std::chrono::seconds;

// Longer than a proxy keeps an idle connection, so that it is not the replica that closes first.
constexpr seconds idle_time{300};
// Tests of back-pressure stop reading for a while.
constexpr seconds send_time{600};
constexpr seconds linger_time{1};
constexpr uint32_t linger_bytes_max = 1 << 20;

constexpr http::HeadLimits head_limits;

}  // namespace

Connection::Connection(Worker& worker, async::Socket socket)
    : worker_(worker), socket_(std::move(socket)), bytes_(std::make_unique_for_overwrite<char[]>(buffer_bytes)) {
  static_assert(http::head_bytes_max(head_limits) + 2 <= buffer_bytes, "a whole head and an empty line fit");
}

Task<void> Connection::run() {
  Next next = Next::go_on;
  while (next == Next::go_on) {
    const Halt halt = answer_prepared();
    if (out_filled_ > 0) {
      const std::span<const char> out(out_.data(), std::exchange(out_filled_, 0));
      const Result<void> sent = co_await loop().send(socket_.get(), out, loop().within(send_time));
      if (!sent) break;
    }
    if (halt == Halt::more_bytes) {
      const std::span<char> free = room();
      const bool idle = begin_ == end_;
      const Result<size_t> got = co_await loop().receive(socket_.get(), free, loop().within(idle_time), idle);
      if (!got || *got == 0) break;
      end_ += static_cast<uint32_t>(*got);
    } else if (halt == Halt::special) {
      next = co_await answer_special(*this, head_, wish_);
    } else if (halt == Halt::refused) {
      next = co_await refuse();
    } else if (halt == Halt::closing) {
      next = Next::linger;
    }
  }
  co_await end(next);
}

// Answers as many requests as are there, can be answered from prepared bytes, and fit into out_.
Connection::Halt Connection::answer_prepared() noexcept {
  while (begin_ < end_) {
    const std::string_view bytes(bytes_.get() + begin_, end_ - begin_);
    const http::HeadStatus status = parser_.parse_request(bytes, head_limits, worker_.scratch, head_);
    if (status == http::HeadStatus::incomplete) return Halt::more_bytes;
    cause_ = parser_.cause();
    if (status == http::HeadStatus::refused) return Halt::refused;
    parser_ = http::HeadParser(http::HeadParser::Kind::request);
    wish_ = find_wish(head_);
    begin_body();
    if (!is_prepared()) {
      begin_ += head_.head_bytes;
      return Halt::special;
    }
    const std::string_view answer = worker_.answers.get(wish_.endpoint, head_, loop().now_ns());
    if (answer.size() > out_bytes - out_filled_) return Halt::out_full;  // reads this head once more, after the send
    std::memcpy(out_.data() + out_filled_, answer.data(), answer.size());
    out_filled_ += static_cast<uint32_t>(answer.size());
    begin_ += head_.head_bytes;
    if (!head_.keep_alive) return Halt::closing;
  }
  return Halt::more_bytes;
}

bool Connection::is_prepared() const noexcept {
  if (wish_.fault != Fault::none || !body_finished_ || !PreparedAnswers::has(wish_.endpoint)) return false;
  return wish_.endpoint != Endpoint::heartbeat || worker_.service.heartbeat.load() == HeartbeatMode::well;
}

std::span<char> Connection::room() noexcept {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_bytes && begin_ > 0) {
    std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  return {bytes_.get() + end_, buffer_bytes - end_};
}

// --- bodies ----------------------------------------------------------------------------------------------------------

void Connection::begin_body() noexcept {
  body_chunked_ = head_.framing == http::Framing::chunked;
  body_remaining_ = head_.framing == http::Framing::length ? head_.content_length : 0;
  body_finished_ = !body_chunked_ && body_remaining_ == 0;
  continue_wanted_ = head_.expect_continue && head_.minor == 1 && !body_finished_;
  if (body_chunked_) decoder_ = http::ChunkedDecoder();
}

Task<Result<std::span<char>>> Connection::body_piece() {
  while (!body_finished_ && cause_ == http::Cause::none) {
    if (begin_ == end_) {
      if (std::exchange(continue_wanted_, false)) {
        const bool sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
        if (!sent) break;
      }
      const Result<size_t> got = co_await loop().receive(socket_.get(), room(), loop().within(idle_time));
      if (!got || *got == 0) break;
      end_ += static_cast<uint32_t>(*got);
    }
    char* const at = bytes_.get() + begin_;
    http::ChunkedDecoder::Step step;
    if (body_chunked_) {
      step = decoder_.decode(at, end_ - begin_);
    } else {
      step.payload = step.consumed = static_cast<uint32_t>(std::min<uint64_t>(end_ - begin_, body_remaining_));
      body_remaining_ -= step.payload;
      step.finished = body_remaining_ == 0;
    }
    cause_ = step.cause;
    if (cause_ != http::Cause::none) break;
    begin_ += step.consumed;
    body_finished_ = step.finished;
    if (step.payload > 0) co_return std::span<char>(at, step.payload);
  }
  if (cause_ != http::Cause::none) co_return std::unexpected(Error{ErrorKind::malformed, 0, "body"});
  if (!body_finished_) co_return std::unexpected(Error{ErrorKind::closed, 0, "body"});
  co_return std::span<char>();
}

Task<Result<void>> Connection::drop_body() {
  while (!body_finished_) {
    const Result<std::span<char>> piece = co_await body_piece();
    if (!piece) co_return std::unexpected(piece.error());
  }
  co_return Result<void>();
}

// --- raw bytes -------------------------------------------------------------------------------------------------------

Task<bool> Connection::read_raw() {
  const std::span<char> free = room();
  if (free.empty()) co_return false;
  const Result<size_t> got = co_await loop().receive(socket_.get(), free, loop().within(send_time));
  if (!got || *got == 0) co_return false;
  end_ += static_cast<uint32_t>(*got);
  co_return true;
}

Task<bool> Connection::send(std::string_view bytes, uring::SendMode mode) {
  const Result<void> sent = co_await loop().send(socket_.get(), bytes, loop().within(send_time), mode);
  co_return sent.has_value();
}

Task<void> Connection::ignore_until_closed() {
  while (true) {
    begin_ = end_ = 0;
    const bool more = co_await read_raw();
    if (!more) break;
  }
}

// --- ends ------------------------------------------------------------------------------------------------------------

Task<Next> Connection::refuse() {
  std::array<char, 1024> out;
  const http::LocalAnswer answer{
      .status = http::status_of(cause_), .cause = http::name_of(cause_), .message = http::text_of(cause_)};
  const uint32_t count = http::write_local_answer(answer, out);
  const bool sent = co_await send({out.data(), count});
  co_return sent ? Next::linger : Next::close;
}

// Closing while bytes arrive makes the kernel send a reset, which takes our last answer out of the client's hands.
Task<void> Connection::end(Next next) {
  if (next == Next::reset) loop().ring().reset_on_close(socket_.get());
  if (next != Next::linger) co_return;
  loop().ring().shut_down(socket_.get(), true);
  const async::Patience patience = loop().within(linger_time);
  for (uint32_t dropped = 0; dropped < linger_bytes_max;) {
    const std::span<char> all(bytes_.get(), buffer_bytes);
    const Result<size_t> got = co_await loop().receive(socket_.get(), all, patience);
    if (!got || *got == 0) break;
    dropped += static_cast<uint32_t>(*got);
  }
}

}  // namespace ringmaster::replica
