// A message, and the ways in which its bytes may arrive: whole, and over the fake network split in two at every byte,
// and byte by byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conversation.h"
#include "strict_reader.h"

namespace ringmaster::proxy {

class Law : public Conversation {
 protected:
  using Arrival = std::vector<std::string_view>;

  std::vector<Arrival> arrivals(std::string_view bytes) const {
    constexpr size_t long_bytes = 600;  // beyond it, the middle of a message is all the same
    std::vector<Arrival> all = {{bytes}};
    if (GetParam() != &uring::make_fake_world) return all;
    for (size_t i = 1; i < bytes.size(); ++i) {
      if (i < long_bytes / 2 || bytes.size() - i < long_bytes / 2) all.push_back({bytes.substr(0, i), bytes.substr(i)});
    }
    if (bytes.size() > long_bytes) return all;
    Arrival& single = all.emplace_back();
    for (size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
    return all;
  }

  // Each piece has arrived before the next is written.
  void write(Peer& peer, const Arrival& arrival) {
    for (const std::string_view piece : arrival) {
      if (piece.data() != arrival.front().data()) run_for(std::chrono::milliseconds(1));
      peer.write(piece);
    }
  }

  // The next whole answer to a request by `method`, taken from what the client has not read yet.
  Message answer(Peer& peer, std::string_view method = "GET") {
    ReadResult read;
    run_until(
        [&] {
          read = read_answer(unread(peer), method, peer.ended() && !peer.was_reset());
          return read.reading != Reading::more || peer.ended() || peer.was_reset();
        },
        "an answer");
    EXPECT_EQ(read.reading, Reading::message) << read.why << " in: " << unread(peer);
    if (read.reading == Reading::message) expect(peer, unread(peer).substr(0, read.bytes));
    return read.message;
  }

  // The next whole request on the newest connection to the replica; its head as it came in `head`.
  Message request_at_replica(std::string& head) {
    ReadResult read;
    std::string bytes;
    run_until(
        [&] {
          if (upstream_connections() == 0) return false;
          bytes = unread(upstream());
          read = read_forwarded_request(bytes);
          return read.reading != Reading::more;
        },
        "a request at the replica");
    EXPECT_EQ(read.reading, Reading::message) << read.why << " in: " << bytes;
    if (read.reading == Reading::message) expect(upstream(), bytes.substr(0, read.bytes));
    head = bytes.substr(0, read.message.head_bytes);
    return read.message;
  }

  void expect_orderly_end(Peer& peer) {
    expect_end(peer);
    EXPECT_FALSE(peer.was_reset());
  }
};

}  // namespace ringmaster::proxy
