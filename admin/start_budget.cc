#include "admin/start_budget.h"

#include <fmt/format.h>

namespace ringmaster::admin {

StartBudget::Verdict StartBudget::death(uint64_t now_ns, uint64_t ready_ns) {
  unsteady_ = ready_ns >= steady_ns ? 0 : unsteady_ + 1;
  // The place that is overwritten held the death `deaths_max` deaths ago.
  uint64_t& place = deaths_ns_[deaths_ % deaths_max];
  const bool too_many = deaths_ >= deaths_max && now_ns - place < window_ns;
  place = now_ns;
  ++deaths_;

  if (unsteady_ >= unsteady_max) {
    return {quarantine_ns, true,
            fmt::format("{} deaths in a row before it was ready for {} s", unsteady_, steady_ns / second_ns)};
  }
  if (too_many) {
    return {quarantine_ns, true, fmt::format("more than {} deaths within {} s", deaths_max, window_ns / second_ns)};
  }
  if (unsteady_ <= 1) return {};
  return {delay_first_ns << (unsteady_ - 2), false, {}};
}

}  // namespace ringmaster::admin
