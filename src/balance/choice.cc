#include "balance/choice.h"

#include <algorithm>
#include <array>

namespace ringmaster::balance {
namespace {

constexpr std::array<std::string_view, 3> affinity_names{"prefer", "strict", "fail_over"};
constexpr std::array<std::string_view, verdicts> verdict_names{
    "owner",       "sticky", "hot_key", "over_bound", "over_capacity", "slow_start", "failed_over",
    "last_resort", "queued", "held",    "full",       "nobody"};

}  // namespace

std::string_view name_of(Affinity affinity) noexcept { return affinity_names[static_cast<size_t>(affinity)]; }

std::optional<Affinity> affinity(std::string_view name) noexcept {
  const auto found = std::ranges::find(affinity_names, name);
  if (found == affinity_names.end()) return std::nullopt;
  return static_cast<Affinity>(found - affinity_names.begin());
}

std::string_view name_of(Verdict verdict) noexcept { return verdict_names[static_cast<size_t>(verdict)]; }

}  // namespace ringmaster::balance
