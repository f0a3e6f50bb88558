// The studies: each asks one question of a table and answers with numbers. Deterministic by the seed, but for times.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace ringmaster::analysis {

using Json = nlohmann::ordered_json;

// Keys by chance, and how often each is asked for under Zipf's law: weights[i] is proportional to 1 / (i + 1)^exponent,
// and they sum to 1.
struct Keys {
  Keys(uint64_t seed, size_t count, double exponent);
  std::vector<std::string> keys;
  std::vector<double> weights;
};

// Balance with even and with Zipf's keys, what moves when one of `replicas` joins, leaves or doubles its weight, and
// what it costs. "least" is the part that has to move; "collateral" the part that goes from one replica to another
// though neither has changed.
Json study_size(const std::string& table, uint32_t replicas, const Keys& keys);

// Three replicas of ten fail at once: what moves, and how even the rest is.
Json study_failure(const std::string& table, uint32_t replicas, const Keys& keys, uint64_t seed);

// The assignment's question: of the 900,000 six-digit ids, how many belong to each of Server1 to Server`replicas`.
// Exact: all of them are asked.
Json study_ids(const std::string& table, uint32_t replicas);

// Bounded loads. `in_flight` exchanges are under way all the time: one ends by chance, another begins, its key by
// Zipf's law, spread by chance over `workers` that know only their own. factor_hundredths 0: no bound. Tells the
// largest load met against the mean, how much is served by its owner, and how far the bound was overstepped.
Json study_bound(uint32_t replicas, uint32_t workers, uint32_t factor_hundredths, uint32_t in_flight, const Keys& keys,
                 uint64_t seed);

}  // namespace ringmaster::analysis
