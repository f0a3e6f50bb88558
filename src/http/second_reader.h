// A second opinion on every head: llhttp, with every lenient flag off.
//
// The scan of this room (head_scan.cc) is the stricter one, has bounds, and says why it refuses; llhttp is the reader
// that most of the world's servers and probes have been tried against. A head is accepted only where both accept it
// and agree on what frames the message, so that a gap in either is not a gap in the proxy. The versions of llhttp
// differ in what they tolerate (9.2.1 and 9.4.3 are both in use): nothing here relies on llhttp refusing something.
// It reads a whole head at once, about 1 ns a byte, and keeps no state between heads.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <string_view>

namespace ringmaster::http {

struct Reading {
  bool accepted = false;  // the head is well-formed and ends where `head` ends
  llhttp_method_t method = HTTP_GET;
  uint16_t status = 0;
  uint8_t minor = 0;
  bool chunked = false;
  bool transfer_encoding = false;  // there is a Transfer-Encoding field, whatever it says
  uint64_t content_length = 0;     // 0 where there is none
};

// `head`: from the first byte of the start line to the end of the empty line.
Reading read_with_llhttp(llhttp_type_t type, std::string_view head) noexcept;

}  // namespace ringmaster::http
