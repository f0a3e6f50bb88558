// What llhttp makes of a chunked body, and what our decoder does, in a form that can be compared.
#pragma once

#include <llhttp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/body.h"

namespace ringmaster::http {

struct ChunkedReading {
  bool finished = false;
  bool refused = false;
  std::string payload;
  size_t consumed = 0;

  friend bool operator==(const ChunkedReading&, const ChunkedReading&) = default;
};

inline ChunkedReading read_chunked_with_llhttp(std::string_view body) {
  static const llhttp_settings_t settings = {
      .on_body =
          [](llhttp_t* parser, const char* at, size_t size) {
            static_cast<ChunkedReading*>(parser->data)->payload.append(at, size);
            return 0;
          },
      .on_message_complete =
          [](llhttp_t* parser) {
            static_cast<ChunkedReading*>(parser->data)->finished = true;
            return static_cast<int>(HPE_PAUSED);
          },
  };
  ChunkedReading reading;
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &reading;
  constexpr std::string_view head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  llhttp_execute(&parser, head.data(), head.size());
  const llhttp_errno_t error = llhttp_execute(&parser, body.data(), body.size());
  reading.refused = error != HPE_OK && !reading.finished;
  reading.consumed = error == HPE_OK ? body.size() : static_cast<size_t>(llhttp_get_error_pos(&parser) - body.data());
  return reading;
}

// In arrivals of at most `part` bytes, each in an allocation of just its size.
inline ChunkedReading read_chunked(std::string_view body, size_t part) {
  ChunkedReading reading;
  ChunkedDecoder decoder;
  while (!body.empty() && !decoder.finished() && !reading.refused) {
    const size_t size = std::min(part, body.size());
    const std::unique_ptr<char[]> arrival(new char[size]);
    body.copy(arrival.get(), size);
    const ChunkedDecoder::Step step = decoder.decode(arrival.get(), static_cast<uint32_t>(size));
    reading.payload.append(arrival.get(), step.payload);
    reading.consumed += step.consumed;
    reading.refused = step.cause != Cause::none;
    body.remove_prefix(step.consumed);
  }
  reading.finished = decoder.finished();
  return reading;
}

}  // namespace ringmaster::http
