#include "base/error.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ringmaster {

std::string to_string(const Error& error) {
  std::string text = error.doing;
  if (!text.empty()) text += ": ";
  switch (error.kind) {
    case ErrorKind::os: return text + strerrordesc_np(error.number);
    case ErrorKind::closed: return text + "closed by the peer";
    case ErrorKind::timed_out: return text + "timed out";
    case ErrorKind::refused: return text + "refused";
    case ErrorKind::full: return text + "limit reached";
    case ErrorKind::malformed: return text + "malformed";
    case ErrorKind::cancelled: return text + "cancelled";
  }
  return text;
}

StartError::StartError(ExitCode code, std::string what, std::string remedy)
    : code_(code), what_(std::move(what)), remedy_(std::move(remedy)) {}

void ensure_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "ringmaster: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace ringmaster
