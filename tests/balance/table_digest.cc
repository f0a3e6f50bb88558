// Prints the digest of a table: table_digest KIND MEMBERS SEED. Members join in order for seed 0, else shuffled by it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>

#include "balance/table.h"

int main(int argc, char** argv) {
  using namespace ringmaster::balance;
  if (argc != 4) return 64;
  Builder builder({.kind = table_kind(argv[1]).value(), .slots = 0});
  std::vector<size_t> order(std::strtoul(argv[2], nullptr, 10));
  std::iota(order.begin(), order.end(), size_t{1});
  const uint64_t seed = std::strtoull(argv[3], nullptr, 10);
  std::mt19937_64 random(seed);
  if (seed != 0) std::ranges::shuffle(order, random);
  for (const size_t i : order) {
    const std::string name = std::string("S").append(std::to_string(i));
    if (!builder.join(name, static_cast<uint32_t>(i % 4 + 1))) return 70;
    builder.set_ready(name, true);
  }
  std::printf("%016llx\n", static_cast<unsigned long long>(builder.build().digest()));
}
