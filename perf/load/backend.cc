#include "backend.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "outgoing.h"
#include "wire.h"

namespace ringmaster::perf {

namespace {
constexpr uint64_t body_bytes_max = uint64_t{1} << 30;
constexpr uint64_t one_piece_bytes = 16 * 1024;  // up to this size a body is copied behind its head
constexpr uint32_t held_bytes = 128;

// A replica that knows the time says so (RFC 9110, 6.6.1). Fixed: its 37 bytes are what matters here.
std::string make_date_field() {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  return text.data();
}
}  // namespace

// A conversation goes round: head, body, (held,) answering, head again. Bytes that come while it is not reading wait in
// input_.
class Backend::Connection final : public EventLoop::Handler {
 public:
  explicit Connection(Backend& backend) : backend_(backend) {}

  bool open(Fd fd) {
    fd_ = std::move(fd);
    state_ = State::head;
    input_.clear();
    return backend_.loop_.watch(fd_.get(), *this, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET).has_value();
  }

  void on_event(uint32_t flags) override {
    if (!fd_) return;
    if ((flags & EPOLLOUT) != 0 && state_ == State::answering) go_on();
    // An end or error is announced once only, maybe beside bytes: then read on until it shows.
    if (fd_ && (flags & ~static_cast<uint32_t>(EPOLLOUT)) != 0)
      receive((flags & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0);
  }

  // The answer to /hold.
  void release() {
    start_answer("200 OK", held_bytes, held_id_);
    state_ = State::answering;
    go_on();
  }

 private:
  enum class State : uint8_t { head, body, held, answering };

  bool is_reading() const noexcept { return state_ == State::head || state_ == State::body; }

  void receive(bool to_the_end) {
    auto& scratch = backend_.loop_.scratch();
    while (fd_) {
      const ssize_t got = recv(fd_.get(), scratch.data(), scratch.size(), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return close();
      if (got < 0) return;
      take({scratch.data(), static_cast<size_t>(got)});
      if (static_cast<size_t>(got) < scratch.size() && !to_the_end) return;
    }
  }

  void take(std::string_view bytes) {
    if (input_.empty()) {
      const size_t used = serve(bytes);
      if (used < bytes.size()) input_.assign(bytes.substr(used));
    } else {
      input_.append(bytes);
      input_.erase(0, serve(input_));
    }
    if (fd_ && input_.size() > head_bytes_max) close();  // nobody here sends so much ahead
  }

  // The rest of the answer, then the requests that came meanwhile.
  void go_on() {
    send_rest();
    if (fd_ && !input_.empty()) input_.erase(0, serve(input_));
  }

  // Returns the bytes that were used.
  size_t serve(std::string_view bytes) {
    size_t used = 0;
    while (fd_ && is_reading() && used < bytes.size()) {
      const auto rest = bytes.substr(used);
      if (state_ == State::body) {
        used += take_body(rest);
      } else if (const auto end = head_end(rest)) {
        take_head(rest.substr(0, *end));
        used += *end;
      } else {
        break;
      }
    }
    return fd_ ? used : bytes.size();
  }

  void take_head(std::string_view text) {
    const auto head = parse_request(text);
    keep_alive_ = head && head->keep_alive;
    body_left_ = body_bytes_ = head ? head->body_bytes : 0;
    body_is_spoilt_ = false;
    if (head) {
      state_ = route(*head, text);
    } else {
      start_answer("400 Bad Request", 0, "");
      state_ = State::answering;
    }
    if (state_ == State::answering) send_rest();
  }

  // Prepares the answer and says what comes next.
  State route(const RequestHead& head, std::string_view text) {
    const std::string_view path = head.target.substr(0, head.target.find('?'));
    const std::string_view id = request_id(head.target);
    uint64_t bytes = 0;
    if (path == "/hold") {
      held_id_ = id;
      backend_.held_.push_back(this);
      return State::held;
    }
    if (path.starts_with("/bytes/") &&
        std::from_chars(path.data() + 7, path.data() + path.size(), bytes).ec == std::errc() &&
        bytes <= body_bytes_max) {
      start_answer("200 OK", bytes, id);
    } else if (path == "/heartbeat") {
      start_answer("200 OK", 0, id);
    } else if (path == "/echo") {
      start_answer("200 OK", 0, id, text);
    } else {
      start_answer("404 Not Found", 0, id);
    }
    return body_left_ > 0 ? State::body : State::answering;
  }

  size_t take_body(std::string_view bytes) {
    const auto piece = bytes.substr(0, body_left_);
    body_is_spoilt_ |= !is_pattern(body_bytes_ - body_left_, piece);
    body_left_ -= piece.size();
    if (body_left_ == 0) {
      if (body_is_spoilt_) start_answer("500 Spoilt Body", 0, "");
      state_ = State::answering;
      send_rest();
    }
    return piece.size();
  }

  // Puts the answer in place; nothing is sent yet. `text` is the body where it is given, else `bytes` of the pattern.
  void start_answer(std::string_view status, uint64_t bytes, std::string_view id, std::string_view text = "") {
    const bool in_one_piece = bytes <= one_piece_bytes;
    std::string& out = outgoing_.begin(in_one_piece ? 0 : bytes);
    std::array<char, 20> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), text.empty() ? bytes : text.size()).ptr;
    out.append("HTTP/1.1 ").append(status).append("\r\nServer: perf\r\n").append(backend_.date_field_);
    out.append("Content-Type: application/octet-stream\r\nContent-Length: ").append(digits.data(), end);
    if (!id.empty()) out.append("\r\nX-Id: ").append(id);
    out.append(keep_alive_ ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n").append(text);
    if (in_one_piece) out.append(pattern().substr(0, bytes));
  }

  void send_rest() {
    const auto sent = outgoing_.send_to(fd_.get());
    if (!sent) return close();
    if (!*sent) return;
    state_ = State::head;
    if (!keep_alive_) close();
  }

  void close() {
    fd_.reset();
    if (state_ == State::held) std::erase(backend_.held_, this);
    backend_.free_.push_back(this);
  }

  Backend& backend_;
  Fd fd_;
  State state_ = State::head;
  bool keep_alive_ = true;
  bool body_is_spoilt_ = false;
  std::string input_;
  std::string held_id_;
  Outgoing outgoing_;
  uint64_t body_bytes_ = 0;  // of the request
  uint64_t body_left_ = 0;
};

class Backend::Listener final : public EventLoop::Handler {
 public:
  Listener(Backend& backend, Fd fd) : backend_(backend), fd_(std::move(fd)) {}

  int fd() const noexcept { return fd_.get(); }

  void on_event(uint32_t) override {
    while (true) {
      Fd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) return;
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Connection& connection = backend_.take_connection();
      if (!connection.open(std::move(fd))) backend_.free_.push_back(&connection);
    }
  }

 private:
  Backend& backend_;
  Fd fd_;
};

Backend::Backend(EventLoop& loop) : loop_(loop), date_field_(make_date_field()) {}
Backend::~Backend() = default;

Result<SocketAddress> Backend::listen(const SocketAddress& address) {
  auto fd = listen_on(address);
  if (!fd) return std::unexpected(fd.error());
  auto listener = std::make_unique<Listener>(*this, std::move(*fd));
  if (const auto watched = loop_.watch(listener->fd(), *listener, EPOLLIN); !watched) {
    return std::unexpected(watched.error());
  }
  listeners_.push_back(std::move(listener));
  return local_address(listeners_.back()->fd());
}

void Backend::release() {
  const auto held = std::exchange(held_, {});
  for (Connection* connection : held) connection->release();
}

Backend::Connection& Backend::take_connection() {
  if (free_.empty()) {
    connections_.push_back(std::make_unique<Connection>(*this));
    return *connections_.back();
  }
  Connection& connection = *free_.back();
  free_.pop_back();
  return connection;
}

}  // namespace ringmaster::perf
