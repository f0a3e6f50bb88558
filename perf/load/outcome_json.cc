#include "outcome_json.h"

#include <nlohmann/json.hpp>

namespace ringmaster::perf {

namespace {

nlohmann::ordered_json summary(const Histogram& histogram) {
  const auto us = [](auto ns) { return static_cast<double>(ns) / 1000; };
  return {{"min", us(histogram.min_ns())},
          {"mean", us(histogram.mean_ns())},
          {"p50", us(histogram.percentile_ns(50))},
          {"p75", us(histogram.percentile_ns(75))},
          {"p90", us(histogram.percentile_ns(90))},
          {"p99", us(histogram.percentile_ns(99))},
          {"p99.9", us(histogram.percentile_ns(99.9))},
          {"max", us(histogram.max_ns())}};
}

}  // namespace

std::string to_json(const Outcome& outcome) {
  nlohmann::ordered_json failures = nlohmann::ordered_json::object();
  for (size_t kind = 0; kind < failure_kinds; ++kind) {
    if (outcome.failures[kind] > 0) failures[failure_names[kind]] = outcome.failures[kind];
  }
  const nlohmann::ordered_json all{
      {"answers", outcome.answers},
      {"answer_bytes", outcome.answer_bytes},
      {"connects", outcome.connects},
      {"seconds", outcome.seconds},
      {"answers_per_second", outcome.seconds > 0 ? static_cast<double>(outcome.answers) / outcome.seconds : 0},
      {"aside_answers", outcome.aside_answers},
      {"failed", outcome.failed()},
      {"failures", failures},
      {"first_failure", outcome.first_failure},
      {"latency_us", summary(outcome.latency)},
      {"lateness_us", summary(outcome.lateness)},
  };
  // A failure's text may hold whatever bytes a broken proxy sent.
  return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace ringmaster::perf
