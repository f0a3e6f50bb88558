// WebSocket (RFC 6455), the server's half of an echo: for tests of the proxy's tunnels.
//
// Every data frame comes back as it came, fragmentation included, with bounded memory whatever its length says. Pings
// are answered, a close is returned. No extensions, no subprotocols. Text is not checked to be UTF-8: the echo would
// only say so about bytes that the client sent itself.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "async/task.h"
#include "replica/connection.h"

namespace ringmaster::replica {

// The client's Sec-WebSocket-Key: base64 of 16 bytes (section 4.1).
bool is_websocket_key(std::string_view key) noexcept;
// What Sec-WebSocket-Accept answers it with (section 4.2.2).
std::string websocket_accept(std::string_view key);

enum class Opcode : uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct FrameHead {
  Opcode opcode = Opcode::continuation;
  bool final = false;
  uint64_t length = 0;
  std::array<char, 4> mask{};
  uint8_t bytes = 0;  // of the head itself
};
enum class FrameStatus : uint8_t { incomplete, complete, invalid };

// A client's frame (section 5.2): masked, no reserved bits, the shortest form of its length, control frames whole and
// at most 125 bytes.
FrameStatus read_frame_head(std::string_view bytes, FrameHead& head) noexcept;
// A server's frame: not masked. At most 10 bytes.
std::string frame_head(Opcode opcode, bool final, uint64_t length);
// XORs `bytes`, which begin at `offset` of the payload.
void unmask(std::span<char> bytes, const std::array<char, 4>& mask, uint64_t offset) noexcept;

// Answers the handshake, 101 or a refusal, and echoes until the end.
async::Task<Next> echo_websocket(Connection& connection, const http::RequestHead& head);

}  // namespace ringmaster::replica
