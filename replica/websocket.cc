#include "replica/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "async/field_list.h"

namespace ringmaster::replica {

namespace {

using async::Task;

constexpr size_t key_characters = 24;
constexpr size_t frame_head_bytes_max = 14;
constexpr uint64_t control_bytes_max = 125;

constexpr uint16_t close_protocol_error = 1002;  // section 7.4.1

std::string_view field(const http::RequestHead& head, std::string_view name) {
  for (const http::Field& field : head.fields) {
    if (async::same_name(field.name, name)) return field.value;
  }
  return {};
}

bool is_control(Opcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

std::string close_frame(uint16_t code) {
  return frame_head(Opcode::close, true, 2) + static_cast<char>(code >> 8) + static_cast<char>(code & 0xFF);
}

// One message may come in several frames; others must not begin within it (section 5.4).
class Fragments {
 public:
  bool accept(const FrameHead& head) {
    if (is_control(head.opcode)) return true;
    if ((head.opcode == Opcode::continuation) != open_) return false;
    open_ = !head.final;
    return true;
  }

 private:
  bool open_ = false;
};

// Payload goes back as it comes.
Task<bool> echo_payload(Connection& connection, const FrameHead& head) {
  const std::string out = frame_head(head.opcode, head.final, head.length);
  const auto mode = head.length > 0 ? uring::SendMode::more_comes : uring::SendMode::now;
  const bool begun = co_await connection.send(out, mode);
  if (!begun) co_return false;
  for (uint64_t offset = 0; offset < head.length;) {
    if (connection.raw().empty()) {
      const bool more = co_await connection.read_raw();
      if (!more) co_return false;
    }
    const std::span<char> all = connection.raw();
    const std::span<char> piece = all.first(std::min<uint64_t>(all.size(), head.length - offset));
    unmask(piece, head.mask, offset);
    const bool sent = co_await connection.send({piece.data(), piece.size()});
    if (!sent) co_return false;
    connection.take_raw(piece.size());
    offset += piece.size();
  }
  co_return true;
}

// Control frames are short: read whole, answered whole. go_on, or how the connection ends.
Task<Next> answer_control(Connection& connection, const FrameHead& head) {
  while (connection.raw().size() < head.length) {
    const bool more = co_await connection.read_raw();
    if (!more) co_return Next::close;
  }
  const std::span<char> payload = connection.raw().first(head.length);
  unmask(payload, head.mask, 0);
  connection.take_raw(payload.size());
  if (head.opcode == Opcode::pong) co_return Next::go_on;
  if (head.opcode == Opcode::close && head.length == 1) {
    (void)co_await connection.send(close_frame(close_protocol_error));
    co_return Next::linger;
  }
  const Opcode answer = head.opcode == Opcode::ping ? Opcode::pong : Opcode::close;
  std::string out = frame_head(answer, true, head.length);
  out.append(payload.data(), payload.size());
  const bool sent = co_await connection.send(out);
  if (!sent) co_return Next::close;
  co_return head.opcode == Opcode::close ? Next::linger : Next::go_on;
}

Task<Next> echo_frames(Connection& connection) {
  Fragments fragments;
  while (true) {
    const std::span<char> raw = connection.raw();
    FrameHead head;
    FrameStatus status = read_frame_head({raw.data(), raw.size()}, head);
    if (status == FrameStatus::incomplete) {
      const bool more = co_await connection.read_raw();
      if (!more) co_return Next::close;
      continue;
    }
    if (status == FrameStatus::complete && !fragments.accept(head)) status = FrameStatus::invalid;
    if (status == FrameStatus::invalid) {
      (void)co_await connection.send(close_frame(close_protocol_error));
      co_return Next::linger;
    }
    connection.take_raw(head.bytes);
    if (is_control(head.opcode)) {
      const Next next = co_await answer_control(connection, head);
      if (next != Next::go_on) co_return next;
    } else {
      const bool echoed = co_await echo_payload(connection, head);
      if (!echoed) co_return Next::close;
    }
  }
}

}  // namespace

bool is_websocket_key(std::string_view key) noexcept {
  if (key.size() != key_characters || !key.ends_with("==")) return false;
  return std::ranges::all_of(key.substr(0, key_characters - 2), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

std::string websocket_accept(std::string_view key) {
  const std::string joined = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(joined.data()), joined.size(), digest.data());
  std::array<unsigned char, 32> text;
  const int bytes = EVP_EncodeBlock(text.data(), digest.data(), digest.size());
  return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(bytes)};
}

FrameStatus read_frame_head(std::string_view bytes, FrameHead& head) noexcept {
  if (bytes.size() < 2) return FrameStatus::incomplete;
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t opcode = at(0) & 0x0F;
  const bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
  const bool masked = (at(1) & 0x80) != 0;
  if ((at(0) & 0x70) != 0 || !known || !masked) return FrameStatus::invalid;
  head.opcode = static_cast<Opcode>(opcode);
  head.final = (at(0) & 0x80) != 0;
  head.length = at(1) & 0x7F;
  if (is_control(head.opcode) && (!head.final || head.length > control_bytes_max)) return FrameStatus::invalid;
  const size_t length_bytes = head.length == 126 ? 2 : head.length == 127 ? 8 : 0;
  head.bytes = static_cast<uint8_t>(2 + length_bytes + head.mask.size());
  static_assert(2 + 8 + sizeof(head.mask) == frame_head_bytes_max);
  if (bytes.size() < head.bytes) return FrameStatus::incomplete;
  if (length_bytes > 0) {
    head.length = 0;
    for (size_t i = 0; i < length_bytes; ++i) head.length = head.length << 8 | at(2 + i);
    const uint64_t shortest = length_bytes == 2 ? 126 : 65536;
    if (head.length < shortest || head.length >> 63 != 0) return FrameStatus::invalid;
  }
  bytes.substr(2 + length_bytes).copy(head.mask.data(), head.mask.size());
  return FrameStatus::complete;
}

std::string frame_head(Opcode opcode, bool final, uint64_t length) {
  std::string out;
  out += static_cast<char>((final ? 0x80 : 0) | static_cast<uint8_t>(opcode));
  const int length_bytes = length < 126 ? 0 : length < 65536 ? 2 : 8;
  out += static_cast<char>(length_bytes == 0 ? length : length_bytes == 2 ? 126 : 127);
  for (int i = length_bytes - 1; i >= 0; --i) out += static_cast<char>(length >> (8 * i) & 0xFF);
  return out;
}

void unmask(std::span<char> bytes, const std::array<char, 4>& mask, uint64_t offset) noexcept {
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ mask[(offset + i) % 4]);
}

Task<Next> echo_websocket(Connection& connection, const http::RequestHead& head) {
  const std::string key(field(head, "Sec-WebSocket-Key"));
  const bool version = field(head, "Sec-WebSocket-Version") == "13";
  if (!head.upgrade_websocket || !version || !is_websocket_key(key)) {
    std::string refusal =
        "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n";
    refusal += date_field(std::time(nullptr)) + "\r\n";
    const bool sent = co_await connection.send(refusal);
    co_return sent ? Next::linger : Next::close;
  }
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
      websocket_accept(key) + "\r\n\r\n";
  const bool sent = co_await connection.send(answer);
  if (!sent) co_return Next::close;
  co_return co_await echo_frames(connection);
}

}  // namespace ringmaster::replica
