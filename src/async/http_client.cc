#include "async/http_client.h"

#include <errno.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "http/body.h"
#include "http/head.h"

namespace ringmaster::async {

namespace {

constexpr uint32_t piece_bytes = 64 * 1024;
constexpr int interim_max = 8;

std::unexpected<Error> malformed(const char* doing) { return std::unexpected(Error{ErrorKind::malformed, 0, doing}); }

// "" where something in it would break the head.
std::string request_bytes(const ClientRequest& request) {
  std::string host = request.host;
  if (host.empty()) host = request.address.family() == AF_UNIX ? "localhost" : request.address.text();
  const bool sound = is_plain(request.method) && is_plain(request.target) && is_plain(host) &&
                     request.target.find_first_of(" \t") == std::string::npos &&
                     std::ranges::all_of(request.fields, [](const auto& field) {
                       return is_plain(field.first) && is_plain(field.second);
                     });
  if (!sound) return {};
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.method, request.target,
                                host);
  const bool takes_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (takes_body || !request.body.empty()) out += fmt::format("Content-Length: {}\r\n", request.body.size());
  for (const auto& [name, value] : request.fields) out += name + ": " + value + "\r\n";
  out += "\r\n";
  out += request.body;
  return out;
}

// One conversation: the bytes that came, and what has been read from them.
class Conversation {
 public:
  Conversation(Loop& loop, Socket socket, const ClientRequest& request)
      : loop_(loop), socket_(std::move(socket)), request_(request) {}

  Task<Result<void>> send(Patience patience);
  Task<Result<void>> read_head(Patience patience);
  // Calls `piece` for each, or collects them where it is null.
  Task<Result<void>> read_body(const PieceHandler* piece, Patience patience, std::chrono::nanoseconds idle);

  ClientAnswer answer;

 private:
  Task<Result<size_t>> receive(Patience patience);
  Result<bool> take_piece(size_t count, const PieceHandler* piece);

  Loop& loop_;
  Socket socket_;
  const ClientRequest& request_;
  const http::HeadLimits limits_;
  const uint32_t capacity_ = http::head_bytes_max(limits_) + piece_bytes;
  std::unique_ptr<char[]> bytes_ = std::make_unique_for_overwrite<char[]>(capacity_);
  uint32_t filled_ = 0;
  http::Framing framing_ = http::Framing::none;
  uint64_t remaining_ = 0;  // by length
  http::ChunkedDecoder decoder_;
  bool stopped_ = false;    // by the piece handler
};

Task<Result<void>> Conversation::send(Patience patience) {
  const std::string out = request_bytes(request_);
  if (out.empty()) co_return malformed("request");
  co_return co_await loop_.send(socket_.get(), out, patience);
}

Task<Result<size_t>> Conversation::receive(Patience patience) {
  const std::span<char> room(bytes_.get() + filled_, capacity_ - filled_);
  const Result<size_t> got = co_await loop_.receive(socket_.get(), room, patience);
  if (got) filled_ += static_cast<uint32_t>(*got);
  co_return got;
}

Task<Result<void>> Conversation::read_head(Patience patience) {
  const auto scratch = std::make_unique<http::FieldScratch>();
  http::HeadParser parser(http::HeadParser::Kind::response);
  const llhttp_method_t method = request_.method == "HEAD" ? HTTP_HEAD : HTTP_GET;
  http::ResponseHead head;
  for (int interim = 0; interim <= interim_max;) {
    const http::HeadStatus status = parser.parse_response({bytes_.get(), filled_}, method, limits_, *scratch, head);
    if (status == http::HeadStatus::refused || (status == http::HeadStatus::incomplete && filled_ == capacity_)) {
      co_return malformed("answer");
    }
    if (status == http::HeadStatus::incomplete) {
      const Result<size_t> got = co_await receive(patience);
      if (!got) co_return std::unexpected(got.error());
      if (*got == 0) co_return std::unexpected(Error{ErrorKind::closed, 0, "answer"});
      continue;
    }
    if (head.status == 101) co_return malformed("answer");  // nobody asked
    if (head.status >= 200) {
      answer.status = head.status;
      for (const http::Field& field : head.fields) answer.fields.emplace_back(field.name, field.value);
      framing_ = head.framing;
      remaining_ = head.content_length;
    }
    filled_ -= head.head_bytes;
    std::memmove(bytes_.get(), bytes_.get() + head.head_bytes, filled_);
    if (head.status >= 200) co_return Result<void>();
    parser = http::HeadParser(http::HeadParser::Kind::response);
    ++interim;
  }
  co_return malformed("answer");
}

// true: the body is complete, or nobody wants more of it.
Result<bool> Conversation::take_piece(size_t count, const PieceHandler* piece) {
  const std::string_view bytes(bytes_.get(), count);
  if (bytes.empty()) return false;
  if (piece) {
    stopped_ = !(*piece)(bytes);
    return stopped_;
  }
  if (answer.body.size() + bytes.size() > request_.answer_bytes_max) {
    return std::unexpected(Error{ErrorKind::full, 0, "answer"});
  }
  answer.body.append(bytes);
  return false;
}

Task<Result<void>> Conversation::read_body(const PieceHandler* piece, Patience patience,
                                           std::chrono::nanoseconds idle) {
  const bool by_length = framing_ == http::Framing::length;
  if (!piece && by_length && remaining_ > request_.answer_bytes_max) {
    co_return std::unexpected(Error{ErrorKind::full, 0, "answer"});
  }
  while (true) {
    http::ChunkedDecoder::Step step;
    step.payload = step.consumed = filled_;  // until close
    if (by_length || framing_ == http::Framing::none) {
      step.payload = step.consumed = static_cast<uint32_t>(std::min<uint64_t>(filled_, remaining_));
      remaining_ -= step.payload;
      step.finished = remaining_ == 0;
    } else if (framing_ == http::Framing::chunked) {
      step = decoder_.decode(bytes_.get(), filled_);
    }
    if (step.cause != http::Cause::none) co_return malformed("answer");
    const Result<bool> enough = take_piece(step.payload, piece);
    if (!enough) co_return std::unexpected(enough.error());
    if (*enough) co_return Result<void>();
    // One request, one answer: bytes behind it are somebody's mistake or malice.
    if (step.finished && step.consumed < filled_) co_return malformed("answer");
    if (step.finished) co_return Result<void>();
    filled_ = 0;
    const Patience wait = idle.count() > 0 ? loop_.within(idle, patience.scope) : patience;
    const Result<size_t> got = co_await receive(wait);
    if (!got) co_return std::unexpected(got.error());
    if (*got == 0) {
      if (framing_ == http::Framing::until_close) co_return Result<void>();
      co_return std::unexpected(Error{ErrorKind::closed, 0, "answer"});
    }
  }
}

Task<Result<ClientAnswer>> converse(Loop& loop, const ClientRequest& request, Patience patience,
                                    const PieceHandler* piece, std::chrono::nanoseconds idle,
                                    const std::function<void()>* began) {
  Result<Socket> socket = co_await loop.connect(request.address, patience);
  if (!socket) co_return std::unexpected(socket.error());
  Conversation conversation(loop, std::move(*socket), request);
  const Result<void> sent = co_await conversation.send(patience);
  // A server may answer and close before it has read the whole request: what it said counts.
  if (!sent && sent.error().kind != ErrorKind::closed && sent.error().kind != ErrorKind::os) {
    co_return std::unexpected(sent.error());
  }
  const Result<void> headed = co_await conversation.read_head(patience);
  if (!headed) co_return std::unexpected(sent ? headed.error() : sent.error());
  const bool streams = piece && conversation.answer.status / 100 == 2;
  if (streams && began && *began) (*began)();
  const Patience body_patience = streams ? Patience{UINT64_MAX, patience.scope} : patience;
  const std::chrono::nanoseconds body_idle = streams ? idle : std::chrono::nanoseconds();
  const Result<void> read = co_await conversation.read_body(streams ? piece : nullptr, body_patience, body_idle);
  if (!read) co_return std::unexpected(read.error());
  co_return std::move(conversation.answer);
}

}  // namespace

std::string_view ClientAnswer::field(std::string_view name) const noexcept {
  for (const auto& [field_name, value] : fields) {
    if (same_name(field_name, name)) return value;
  }
  return {};
}

Task<Result<ClientAnswer>> fetch(Loop& loop, const ClientRequest& request, Patience patience) {
  return converse(loop, request, patience, nullptr, {}, nullptr);
}

Task<Result<ClientAnswer>> fetch_stream(Loop& loop, const ClientRequest& request, PieceHandler piece, Patience patience,
                                        std::chrono::nanoseconds idle, std::function<void()> began) {
  co_return co_await converse(loop, request, patience, &piece, idle, &began);
}

}  // namespace ringmaster::async
