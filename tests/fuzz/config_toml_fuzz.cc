// Settings files: whatever stands in one, there are settings or a list of what is wrong, the same ones every time.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "config/load.h"

using namespace ringmaster;
using namespace ringmaster::config;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const LoadResult first = parse_text(text, "f.toml");
  const LoadResult second = parse_text(text, "f.toml");
  ensure(first.has_value() == second.has_value());
  if (!first) {
    ensure(!first.error().empty());
    ensure(std::ranges::equal(first.error(), second.error(), {}, &Problem::text, &Problem::text));
    for (const Problem& problem : first.error()) {
      ensure(!problem.from_flag && problem.text.starts_with("f.toml") && problem.text.find('\n') == std::string::npos);
    }
    return 0;
  }
  ensure(first->settings == second->settings);
  // Every setting can be shown, whatever its value.
  ensure(in_force(*first).size() == settings_table().size());
  const auto& limits = first->settings.limits;
  ensure(limits.header_bytes > 0 && limits.header_bytes <= header_bytes_max);
  ensure(limits.header_count > 0 && limits.header_count <= header_count_max);
  ensure(limits.request_line_bytes > 0 && limits.request_line_bytes <= request_line_bytes_max);
  return 0;
}
