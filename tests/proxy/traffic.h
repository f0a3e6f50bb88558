// What clients send, by seed: valid requests in every framing and spelling, pipelined, and among them some that are
// mutated, ambiguous or malformed. Beside the bytes stands what they mean, read by the reference reader: the only
// requests that may ever reach a replica for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/parts.h"
#include "strict_reader.h"

namespace ringmaster::proxy {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  uint32_t below(uint32_t bound) { return random_.below(bound); }
  uint32_t between(uint32_t low, uint32_t high) { return low + below(high - low + 1); }
  bool percent(uint32_t chance) { return below(100) < chance; }
  template <class T>
  const T& one_of(const std::vector<T>& list) {
    return list[below(static_cast<uint32_t>(list.size()))];
  }

 private:
  Random random_;
};

// A request that a client's bytes contain.
struct Expected {
  Message message;
  std::string target;       // in origin-form
  size_t end = 0;           // where the next one begins in the client's bytes
  bool idempotent = false;
  uint32_t received = 0;    // times that a replica has got it whole
  uint32_t touched = 0;     // times that a replica has got something of it
  std::string tunnel;       // what the replica said behind its 101; "" where it has not switched
};

struct Traffic {
  std::string bytes;
  std::vector<Expected> requests;
  bool valid = false;       // nothing was mutated: every request deserves its answer
};

struct TrafficPlan {
  uint32_t requests = 1;
  bool may_be_malformed = false;
  bool may_upgrade_early = false;  // an upgrade with further requests behind it
};
Traffic make_traffic(Dice& dice, std::string_view client, const TrafficPlan& plan);

// What `bytes` contain, up to the first place that has no one meaning, or the request that ends the connection.
std::vector<Expected> read_traffic(std::string_view bytes);

// Does its Connection say so?
bool has_connection_option(const Message& message, std::string_view option);

uint64_t hash_of(std::string_view bytes);

}  // namespace ringmaster::proxy
