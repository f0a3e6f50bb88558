// The settings in force, and where each came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace ringmaster::config {

enum class Source : uint8_t { standard, file, flag };
std::string_view name_of(Source source);   // "default", "file", "flag"

struct Loaded {
  Settings settings;
  std::vector<Source> sources;   // of settings_table()[i]; empty: all standard
  std::string file_name;         // "" where no file was read
};

// A setting as the operator may see it; made by in_force().
struct Shown {
  std::string key;             // "timeouts.connect"
  std::string value;           // plain: 1s, true, 8192; lists as in TOML: ["a", "b"]
  std::string unit;            // "bytes", "%", "duration", "threads", …; "" where there is none
  std::string_view source;     // name_of()
  std::string default_value;   // as value
};

// Every setting, in the table's order. Any thread; allocates.
std::vector<Shown> in_force(const Loaded& loaded);

}  // namespace ringmaster::config
