// simulate [--seed N] [--keys N] [--largest N]: runs the studies and prints their numbers as JSON, one study's rows
// after the other; what it is doing goes to standard error. See tools/analysis/__main__.py.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "studies.h"
#include "subject.h"

namespace ringmaster::analysis {

namespace {

constexpr uint32_t sizes[] = {3, 10, 30, 100, 300, 1000, 3000, 10'000};
constexpr const char* ours[] = {"assignment", "assignment-printed", "md5", "ketama", "maglev", "rendezvous"};

struct Options {
  uint64_t seed = 1;
  uint64_t keys = 1'000'000;
  uint64_t largest = 10'000;   // replicas
};

bool read_options(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; i += 2) {
    uint64_t* const value = std::strcmp(argv[i], "--seed") == 0      ? &options.seed
                            : std::strcmp(argv[i], "--keys") == 0    ? &options.keys
                            : std::strcmp(argv[i], "--largest") == 0 ? &options.largest
                                                                     : nullptr;
    if (value == nullptr || i + 1 == argc) return false;
    const char* const end = argv[i + 1] + std::strlen(argv[i + 1]);
    if (std::from_chars(argv[i + 1], end, *value).ptr != end || *value == 0) return false;
  }
  return true;
}

void tell(const std::string& text) { std::fprintf(stderr, "simulate: %s\n", text.c_str()); }

Json sizes_and_failures(const Options& options) {
  const Keys keys(options.seed, options.keys, 1.1);
  Json json;
  json["size"] = Json::array();
  json["failure"] = Json::array();
  for (const std::string& table : Subject::tables()) {
    tell(table);
    const uint32_t most = Subject::make(table)->replicas_max();
    for (const uint32_t replicas : sizes) {
      if (replicas >= most || replicas > options.largest) continue;
      json["size"].push_back(study_size(table, replicas, keys));
      if (replicas >= 10) json["failure"].push_back(study_failure(table, replicas, keys, options.seed));
    }
  }
  return json;
}

Json bounds(const Options& options) {
  const Keys hot(options.seed, 20'000, 1.2);
  Json rows = Json::array();
  for (const uint32_t workers : {1u, 4u, 16u}) {
    for (const uint32_t factor : {0u, 400u, 200u, 150u, 125u, 110u, 100u}) {
      tell("bound " + std::to_string(factor) + ", workers " + std::to_string(workers));
      rows.push_back(study_bound(10, workers, factor, 400, hot, options.seed));
    }
  }
  return rows;
}

int run(const Options& options) {
  Json json;
  json["seed"] = options.seed;
  json["keys"] = options.keys;
  json["ids"] = Json::array();
  for (const char* table : ours) {
    for (uint32_t replicas = 2; replicas <= 6; ++replicas) json["ids"].push_back(study_ids(table, replicas));
  }
  json.update(sizes_and_failures(options));
  json["bound"] = bounds(options);
  std::printf("%s\n", json.dump(1).c_str());
  return 0;
}

}  // namespace

}  // namespace ringmaster::analysis

int main(int argc, char** argv) {
  ringmaster::analysis::Options options;
  if (!ringmaster::analysis::read_options(argc, argv, options)) {
    std::fprintf(stderr, "usage: simulate [--seed N] [--keys N] [--largest N]\n");
    return 64;
  }
  return ringmaster::analysis::run(options);
}
