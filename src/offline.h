// What ringmaster can say about a table without running: `ringmaster explain` and `ringmaster table`.
#pragma once

#include <string>

#include "command_line.h"
#include "config/load.h"

namespace ringmaster {

// What to print. Throws StartError (usage: a question that cannot be asked; configuration: settings or a table file
// that cannot be used).
std::string explain_offline(const CommandLine& line, const config::Settings& settings);
std::string table_offline(const CommandLine& line, const config::Settings& settings);

}  // namespace ringmaster
