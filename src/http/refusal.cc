#include "http/refusal.h"

namespace ringmaster::http {
namespace {

struct Entry {
  uint16_t status;
  std::string_view name;
  std::string_view text;
};

constexpr Entry entries[causes] = {
    {0, "none", ""},
#define X(name, status, text) {status, #name, text},
    RINGMASTER_CAUSES(X)
#undef X
};

const Entry& entry_of(Cause cause) noexcept { return entries[static_cast<int>(cause)]; }

}  // namespace

uint16_t status_of(Cause cause) noexcept { return entry_of(cause).status; }
std::string_view name_of(Cause cause) noexcept { return entry_of(cause).name; }
std::string_view text_of(Cause cause) noexcept { return entry_of(cause).text; }

}  // namespace ringmaster::http
