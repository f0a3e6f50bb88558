// The settings table as text for people: help, manual, docs/SETTINGS.md, the example file. Pure; what is returned ends
// with a line end.
#pragma once

#include <string>
#include <string_view>

#include "config/loaded.h"

namespace ringmaster::config {

// The --help text's part on settings, at most 100 columns wide.
std::string help_settings();
// ringmaster(1) in man(7) macros.
std::string manual_roff(std::string_view version);
// docs/SETTINGS.md.
std::string manual_markdown();
// ringmaster.toml: every setting with its default, its text and its bounds.
std::string example_toml();
// The settings that are not at their default, one to a line in TOML's dotted keys with their source; "" for none.
std::string differences(const Loaded& loaded);

}  // namespace ringmaster::config
