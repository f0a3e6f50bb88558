// Header fields as small servers and clients keep them: copied, in order, looked up without case.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::async {

using FieldList = std::vector<std::pair<std::string, std::string>>;

// Field names are ASCII and compared without case (RFC 9110 section 5.1).
bool same_name(std::string_view a, std::string_view b) noexcept;
// May stand in a field's value or in a start line: no CTL but the tab (RFC 9110 section 5.5).
bool is_plain(std::string_view text) noexcept;

}  // namespace ringmaster::async
