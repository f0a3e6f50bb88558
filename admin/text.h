// Small questions about text that HTTP asks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::admin {

bool same_text(std::string_view a, std::string_view b) noexcept;      // ASCII letters compared without case
std::string_view trimmed(std::string_view text) noexcept;             // without white space and line ends around it
// "%41" is "A" (RFC 3986 section 2.1), a '+' stays one; nullopt where two hexadecimal digits do not follow a '%'.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace ringmaster::admin
