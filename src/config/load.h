// Settings from the three places that may say something, each over the one before: the table's defaults, one TOML
// file, the command line's flags.
//
// All or nothing: where anything is wrong there are no Settings but a list of everything that is wrong, each with its
// place (file:line:column, or the flag), the key, what was found and what is allowed. Nothing here can be made to
// abort, hang or eat the stack by what a file or a flag contains. For set-up: allocates, reads the file, no threads.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/loaded.h"
#include "config/settings_table.h"

namespace ringmaster::config {

struct Problem {
  std::string text;  // "ringmaster.toml:3:9: heartbeat.fall: found 0; allowed: …", "--heartbeat.fall: found …"
  bool from_flag = false;
};
using LoadResult = std::expected<Loaded, std::vector<Problem>>;

// usage where only flags are wrong, else configuration.
ExitCode exit_code_of(std::span<const Problem> problems);

// A flag as it was given; for a boolean without a value, "true".
struct Flag {
  std::string key;
  std::string value;
};
struct Flags {
  std::vector<Flag> list;
  std::vector<Problem> problems;
};
// "--timeouts.connect 2s" and "--timeouts.connect=2s"; a boolean's value may be left out. Lists are given item by
// item, "--proxy.listen A --proxy.listen B", and replace what the file says; an empty value empties the list.
// Unknown flags are problems; values are judged by parse_text().
Flags read_flags(std::span<const std::string> arguments);

inline constexpr size_t file_bytes_max = 1024 * 1024;

// `file_name` is only printed.
LoadResult parse_text(std::string_view text, std::string_view file_name, std::span<const Flag> flags = {});
// The same with a file's content, or without a file.
LoadResult load(const std::optional<std::string>& file_name, std::span<const Flag> flags);

Settings default_settings();

}  // namespace ringmaster::config
