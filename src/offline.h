// What ringmaster can say without running: `ringmaster explain`, `ringmaster table`, and of files `ringmaster check`.
#pragma once

#include <string>

#include "command_line.h"
#include "config/load.h"

namespace ringmaster {

// What to print. Throws StartError (usage: a question that cannot be asked; configuration: settings or a table file
// that cannot be used).
std::string explain_offline(const CommandLine& line, const config::Settings& settings);
std::string table_offline(const CommandLine& line, const config::Settings& settings);

// Reads the files that a start reads besides the settings, and looks for the replicas' program. Throws the StartError
// that a start would.
void check_files(const config::Settings& settings);

}  // namespace ringmaster
