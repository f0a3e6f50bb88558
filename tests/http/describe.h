// Heads as text, every member of them, so that two can be compared; shared by the tests and the fuzzers.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/head.h"

namespace ringmaster::http {

// Bytes in an allocation of just their size.
struct ExactCopy {
  explicit ExactCopy(std::string_view bytes) : data(new char[bytes.size()]), size(bytes.size()) {
    bytes.copy(data.get(), bytes.size());
  }
  std::string_view view() const { return {data.get(), size}; }
  std::unique_ptr<char[]> data;
  size_t size;
};

inline std::string describe(std::span<const Field> fields) {
  std::string text;
  for (const Field& field : fields) {
    text += "|" + std::string(field.name) + "=" + std::string(field.value) + "," +
            std::to_string(static_cast<int>(field.id)) + (field.drop ? ",drop" : "");
  }
  return text;
}

inline std::string describe(const RequestHead& head) {
  std::string text;
  for (std::string_view part : {head.method_name, head.target, head.path, head.query, head.host}) {
    text += std::string(part) + ' ';
  }
  for (uint64_t number : {uint64_t{head.method}, uint64_t{head.minor}, static_cast<uint64_t>(head.framing),
                          head.content_length, uint64_t{head.keep_alive}, uint64_t{head.expect_continue},
                          uint64_t{head.upgrade_websocket}, uint64_t{head.idempotent}, uint64_t{head.head_bytes}}) {
    text += std::to_string(number) + ' ';
  }
  return text + std::to_string(head.max_forwards) + describe(head.fields);
}

inline std::string describe(const ResponseHead& head) {
  std::string text(head.reason);
  for (uint64_t number :
       {uint64_t{head.status}, uint64_t{head.minor}, static_cast<uint64_t>(head.framing), head.content_length,
        uint64_t{head.has_content_length}, head.declared_length, uint64_t{head.keep_alive},
        uint64_t{head.upgrade_websocket}, uint64_t{head.head_bytes}}) {
    text += ' ' + std::to_string(number);
  }
  return text + describe(head.fields);
}

}  // namespace ringmaster::http
