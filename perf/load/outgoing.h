// One message on its way out: a text, then perhaps a body that is a piece of pattern().
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace ringmaster::perf {

class Outgoing {
 public:
  // Begins a new message; what was left of the last one is forgotten. The caller appends to the text it gets back.
  std::string& begin(uint64_t pattern_bytes) noexcept;
  bool is_done() const noexcept { return sent_ == text_.size() + pattern_bytes_; }
  // As much as the socket takes, usually everything in one call. True: all of it is sent.
  Result<bool> send_to(int socket) noexcept;

 private:
  std::string text_;
  uint64_t pattern_bytes_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace ringmaster::perf
