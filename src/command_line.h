// The words after "ringmaster": which of its few things to do, the file, the flags.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "config/load.h"

namespace ringmaster {

enum class Verb : uint8_t { run, check, explain, table, help, version, manual, manual_markdown, example };

struct CommandLine {
  Verb verb = Verb::help;
  std::optional<std::string> config_file;   // with the first four only, as the flags
  std::vector<config::Flag> flags;
  std::vector<config::Flag> options;        // the verb's own, by their name with the hyphens: {"--key", "132574"}
};

// Reads main's arguments. On failure every complaint, all of them about usage. A value that reads --config or --help
// itself is given with '=': --replicas.command=--help.
std::expected<CommandLine, std::vector<config::Problem>> read_command_line(int argc, const char* const* argv);

std::string usage_text();   // a few lines, for a wrong command line
std::string help_text();    // the same with every setting

}  // namespace ringmaster
