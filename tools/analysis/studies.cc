#include "studies.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "balance/decide.h"
#include "balance/table.h"
#include "base/error.h"
#include "subject.h"

namespace ringmaster::analysis {

namespace {

using Owners = std::vector<uint32_t>;

double rounded(double value) { return std::round(value * 1e5) / 1e5; }

// Of CPU time: others may be busy here.
double milliseconds_of(const auto& work) {
  const auto now_ms = [] {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
  };
  const double begin = now_ms();
  work();
  return now_ms() - begin;
}

Owners owners_of(const Subject& subject, const Keys& keys) {
  Owners owners(keys.keys.size());
  for (size_t i = 0; i < owners.size(); ++i) owners[i] = subject.owner(keys.keys[i]);
  return owners;
}

// The loads of the replicas below `end`, each key counting 1 or its weight.
std::vector<double> loads_of(const Owners& owners, const std::vector<double>* weights, uint32_t end) {
  std::vector<double> loads(end, 0);
  for (size_t i = 0; i < owners.size(); ++i) {
    loads[owners[i]] += weights ? (*weights)[i] : 1 / static_cast<double>(owners.size());
  }
  return loads;
}

// Of the loads of `count` replicas; those that have none because they are not there are left out by the caller.
Json evenness(const std::vector<double>& loads) {
  const auto count = static_cast<double>(loads.size());
  const double mean = std::accumulate(loads.begin(), loads.end(), 0.0) / count;
  double squares = 0;
  for (const double load : loads) squares += (load - mean) * (load - mean);
  Json json;
  json["max_over_mean"] = rounded(*std::ranges::max_element(loads) / mean);
  json["min_over_mean"] = rounded(*std::ranges::min_element(loads) / mean);
  json["deviation_over_mean"] = rounded(std::sqrt(squares / count) / mean);
  return json;
}

// `changed`: whose coming, going or new weight is the reason.
Json movement(const Owners& before, const Owners& after, double least, const auto& changed) {
  size_t moved = 0, collateral = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] == after[i]) continue;
    ++moved;
    collateral += !changed(before[i]) && !changed(after[i]) ? 1 : 0;
  }
  const auto keys = static_cast<double>(before.size());
  Json json;
  json["moved"] = rounded(static_cast<double>(moved) / keys);
  json["least"] = rounded(least);
  json["collateral"] = rounded(static_cast<double>(collateral) / keys);
  return json;
}

std::unique_ptr<Subject> with_replicas(const std::string& table, uint32_t replicas) {
  auto subject = Subject::make(table);
  for (uint32_t number = 0; number < replicas; ++number) subject->join(number, 1);
  return subject;
}

}  // namespace

Keys::Keys(uint64_t seed, size_t count, double exponent) {
  std::mt19937_64 random(seed);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    std::string key = "k";
    for (uint64_t bits = random(), digit = 0; digit < 12; ++digit, bits /= 36) {
      key += "0123456789abcdefghijklmnopqrstuvwxyz"[bits % 36];
    }
    keys.push_back(std::move(key));
    weights.push_back(std::pow(static_cast<double>(i + 1), -exponent));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
}

Json study_size(const std::string& table, uint32_t replicas, const Keys& keys) {
  const auto subject = with_replicas(table, replicas);
  const double build_ms = milliseconds_of([&] { subject->build(); });
  Owners before;
  const double lookup_ms = milliseconds_of([&] { before = owners_of(*subject, keys); });
  const size_t bytes = subject->bytes();
  const double n = replicas;

  const uint32_t victim = replicas / 2;
  subject->join(replicas, 1);
  const double join_ms = milliseconds_of([&] { subject->build(); });
  const Owners joined = owners_of(*subject, keys);
  subject->leave(replicas);
  subject->reweigh(victim, 2);
  subject->build();
  const Owners reweighed = owners_of(*subject, keys);
  subject->reweigh(victim, 1);
  subject->leave(victim);
  subject->build();
  const Owners left = owners_of(*subject, keys);

  Json json;
  json["table"] = table;
  json["replicas"] = replicas;
  json["even_keys"] = evenness(loads_of(before, nullptr, replicas));
  json["zipf_keys"] = evenness(loads_of(before, &keys.weights, replicas));
  json["join"] = movement(before, joined, 1 / (n + 1), [&](uint32_t number) { return number == replicas; });
  json["leave"] = movement(before, left, 1 / n, [&](uint32_t number) { return number == victim; });
  json["double_weight"] =
      movement(before, reweighed, 2 / (n + 1) - 1 / n, [&](uint32_t number) { return number == victim; });
  json["build_ms"] = rounded(build_ms);
  json["one_joins_ms"] = rounded(join_ms);
  json["lookup_ns"] = std::round(lookup_ms * 1e6 / static_cast<double>(keys.keys.size()));
  json["bytes"] = bytes;
  return json;
}

Json study_failure(const std::string& table, uint32_t replicas, const Keys& keys, uint64_t seed) {
  const auto subject = with_replicas(table, replicas);
  subject->build();
  const Owners before = owners_of(*subject, keys);
  std::vector<uint32_t> numbers(replicas);
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::mt19937_64 random(seed);
  std::ranges::shuffle(numbers, random);
  std::vector<bool> down(replicas, false);
  const uint32_t failures = std::max(1u, replicas * 3 / 10);
  for (uint32_t i = 0; i < failures; ++i) {
    down[numbers[i]] = true;
    subject->fail(numbers[i]);
  }
  const double build_ms = milliseconds_of([&] { subject->build(); });
  const Owners after = owners_of(*subject, keys);
  const auto loads = loads_of(after, nullptr, replicas);
  std::vector<double> rest;
  for (uint32_t number = 0; number < replicas; ++number) {
    if (!down[number]) rest.push_back(loads[number]);
  }
  Json json;
  json["table"] = table;
  json["replicas"] = replicas;
  json["failed"] = failures;
  json["before"] = evenness(loads_of(before, nullptr, replicas));
  json["after"] = evenness(rest);
  json["movement"] = movement(before, after, static_cast<double>(failures) / replicas,
                              [&](uint32_t number) { return down[number]; });
  json["build_ms"] = rounded(build_ms);
  return json;
}

Json study_ids(const std::string& table, uint32_t replicas) {
  balance::Builder builder({.kind = balance::table_kind(table).value(), .slots = 0});
  for (uint32_t i = 1; i <= replicas; ++i) {
    const std::string name = std::string("Server").append(std::to_string(i));
    ensure(builder.join(name, 1));
    builder.set_ready(name, true);
  }
  const balance::Table built = builder.build();
  std::vector<uint64_t> counts(replicas, 0);
  for (uint32_t id = 100'000; id < 1'000'000; ++id) ++counts[built.owner(built.slot_of(std::to_string(id)))];
  Json json;
  json["table"] = table;
  json["replicas"] = replicas;
  json["ids"] = counts;
  return json;
}

Json study_bound(uint32_t replicas, uint32_t workers, uint32_t factor_hundredths, uint32_t in_flight, const Keys& keys,
                 uint64_t seed) {
  balance::Builder builder({.kind = balance::TableKind::rendezvous});
  for (uint32_t number = 0; number < replicas; ++number) {
    ensure(builder.join(address_of(number), 1));
    builder.set_ready(address_of(number), true);
  }
  const balance::Table table = builder.build();
  std::mt19937_64 random(seed);
  std::discrete_distribution<size_t> next_key(keys.weights.begin(), keys.weights.end());
  struct Exchange {
    uint32_t worker;
    uint16_t replica;
  };
  std::vector<Exchange> under_way;
  std::vector<std::vector<uint32_t>> loads(workers, std::vector<uint32_t>(replicas, 0));   // [worker][replica]
  std::vector<uint32_t> totals(workers, 0), all(replicas, 0);

  uint64_t served = 0, by_owner = 0;
  double sum_of_largest = 0;
  uint32_t largest = 0, overstepped = 0;
  const uint64_t warm = uint64_t{in_flight} * 20, steps = warm + 400'000;
  for (uint64_t step = 0; step < steps; ++step) {
    if (under_way.size() == in_flight) {
      const size_t ending = random() % under_way.size();
      const Exchange gone = under_way[ending];
      under_way[ending] = under_way.back();
      under_way.pop_back();
      --loads[gone.worker][gone.replica], --totals[gone.worker], --all[gone.replica];
    }
    const auto worker = static_cast<uint32_t>(random() % workers);
    const uint32_t slot = table.slot_of(keys.keys[next_key(random)]);
    // A replica may hold ceil(factor x in flight / replicas) of this worker's exchanges, the new one included.
    const auto standing_of = [&](uint16_t replica) {
      const bool within = factor_hundredths == 0 || balance::within_bound(factor_hundredths, loads[worker][replica], 1,
                                                                          totals[worker], replicas);
      return within ? balance::Standing::open : balance::Standing::over;
    };
    const uint16_t chosen = balance::decide(table, balance::Affinity::prefer, {.slot = slot}, standing_of,
                                            [](uint16_t, uint16_t) { return false; }).member;
    under_way.push_back({worker, chosen});
    ++loads[worker][chosen], ++totals[worker], ++all[chosen];
    if (step < warm) continue;
    ++served;
    by_owner += chosen == table.owner(slot) ? 1 : 0;
    const uint32_t most = *std::ranges::max_element(all);
    largest = std::max(largest, most);
    sum_of_largest += most;
    const uint32_t bound = (in_flight * factor_hundredths + replicas * 100 - 1) / (replicas * 100);
    if (factor_hundredths != 0 && all[chosen] > bound) overstepped = std::max(overstepped, all[chosen] - bound);
  }
  const double mean = static_cast<double>(in_flight) / replicas;
  Json json;
  json["replicas"] = replicas;
  json["workers"] = workers;
  json["factor"] = factor_hundredths == 0 ? Json(nullptr) : Json(factor_hundredths / 100.0);
  json["in_flight"] = in_flight;
  json["hottest_key_share"] = rounded(keys.weights.front());
  json["largest_over_mean"] = rounded(largest / mean);
  json["usual_largest_over_mean"] = rounded(sum_of_largest / static_cast<double>(served) / mean);
  json["served_by_owner"] = rounded(static_cast<double>(by_owner) / static_cast<double>(served));
  json["overstepped_by"] = overstepped;
  return json;
}

}  // namespace ringmaster::analysis
