// What does the table cost a request, and what does a change of the members cost the admin thread?
//
//   look_up/KIND           key bytes to an owner: slot_of() and owner(), 1,000 six-digit keys in turn, warm
//   keys                   the loop of look_up alone
//   owner                  the array read alone
//   fallbacks              the owner's eight fall-backs
//   build/KIND/N           from nothing: N members that have joined, to the table (the joins are not counted)
//   leave/KIND/N           one member leaves, next table; it joins again uncounted
//   join/KIND/N            the other way round, under a name not seen before
//   flap/rendezvous/N      one member not ready, table, ready again, table: two builds
//   reweigh/KIND/N         one member is given another weight, next table
//   digest, text           of a table of 65,536 slots
//
// Fixed names, weights 1..3, or 1..5 where they change; the allocator is that of the program. Each benchmark reports a
// checksum of what it computed.
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "balance/table.h"

namespace ringmaster::balance {
namespace {

constexpr std::array<TableKind, 6> kinds{TableKind::rendezvous, TableKind::maglev,             TableKind::ketama,
                                         TableKind::assignment, TableKind::assignment_printed, TableKind::md5};

std::string replica(size_t i) { return std::string("replica-").append(std::to_string(i)); }

void join_ready(Builder& builder, size_t i) {
  const std::string name = replica(i);
  if (!builder.join(name, static_cast<uint32_t>(i % 3 + 1))) std::abort();
  builder.set_ready(name, true);
}

Builder builder_of(TableKind kind, size_t members) {
  Builder builder({.kind = kind, .slots = 0});
  for (size_t i = 0; i < members; ++i) join_ready(builder, i);
  return builder;
}

TableKind kind_of(const benchmark::State& state) { return static_cast<TableKind>(state.range(0)); }
size_t members_of(const benchmark::State& state) { return static_cast<size_t>(state.range(1)); }

std::vector<std::string> some_keys() {
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < 1000; ++i) keys.push_back(std::to_string(100000 + i * 899));
  return keys;
}

void keys(benchmark::State& state) {
  const auto keys = some_keys();
  uint64_t sum = 0;
  size_t next = 0;
  for (auto _ : state) {
    std::string_view key = keys[next];
    benchmark::DoNotOptimize(key);
    sum += key.size();
    next = next == 999 ? 0 : next + 1;
  }
  state.counters["checksum"] = static_cast<double>(sum % 1000);
}
BENCHMARK(keys);

void look_up(benchmark::State& state) {
  const Table table = builder_of(kind_of(state), 3).build();
  const auto keys = some_keys();
  uint64_t sum = 0;
  size_t next = 0;
  for (auto _ : state) {
    sum += table.owner(table.slot_of(keys[next]));
    next = next == 999 ? 0 : next + 1;
  }
  state.counters["checksum"] = static_cast<double>(sum % 1000);
  state.SetLabel(std::string(name_of(kind_of(state))));
}
BENCHMARK(look_up)->DenseRange(0, kinds.size() - 1);

void owner(benchmark::State& state) {
  const Table table = builder_of(TableKind::rendezvous, 100).build();
  uint64_t sum = 0;
  uint32_t slot = 1;
  for (auto _ : state) {
    sum += table.owner(slot);
    slot = (slot * 1664525 + 1013904223) % 65536;
  }
  state.counters["checksum"] = static_cast<double>(sum % 1000);
}
BENCHMARK(owner);

void fallbacks(benchmark::State& state) {
  const Table table = builder_of(TableKind::rendezvous, 100).build();
  std::array<uint16_t, fallbacks_max> out{};
  uint64_t sum = 0;
  uint32_t slot = 1;
  for (auto _ : state) {
    sum += table.fallbacks(slot, out) + out[7];
    slot = (slot * 1664525 + 1013904223) % 65536;
  }
  state.counters["checksum"] = static_cast<double>(sum % 1000);
}
BENCHMARK(fallbacks);

void build(benchmark::State& state) {
  uint64_t checksum = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Builder builder = builder_of(kind_of(state), members_of(state));
    state.ResumeTiming();
    const Table table = builder.build();
    state.PauseTiming();
    checksum = table.digest();
    state.ResumeTiming();
  }
  state.counters["checksum"] = static_cast<double>(checksum % 1000);
  state.SetLabel(std::string(name_of(kind_of(state))));
}
BENCHMARK(build)->ArgsProduct({{0, 1, 2}, {3, 10, 100, 1000, 10000}})->Unit(benchmark::kMillisecond);
BENCHMARK(build)->ArgsProduct({{3, 4, 5}, {3}})->Unit(benchmark::kMillisecond);

void leave(benchmark::State& state) {
  Builder builder = builder_of(kind_of(state), members_of(state));
  builder.build();
  size_t which = 0;
  uint64_t checksum = 0;
  for (auto _ : state) {
    builder.leave(replica(which));
    const Table table = builder.build();
    state.PauseTiming();
    checksum += table.owner(0);
    join_ready(builder, which);
    builder.build();
    which = (which + 1) % members_of(state);
    state.ResumeTiming();
  }
  state.counters["checksum"] = static_cast<double>(checksum % 1000);
  state.SetLabel(std::string(name_of(kind_of(state))));
}
BENCHMARK(leave)->ArgsProduct({{0, 1, 2}, {3, 10, 16, 30, 100, 1000, 10000}})->Unit(benchmark::kMillisecond);
BENCHMARK(leave)->ArgsProduct({{3, 4, 5}, {3}})->Unit(benchmark::kMillisecond);

void join(benchmark::State& state) {
  const size_t members = members_of(state);
  Builder builder = builder_of(kind_of(state), members);
  builder.build();
  size_t which = members;
  uint64_t checksum = 0;
  for (auto _ : state) {
    state.PauseTiming();
    builder.leave(replica(which - members));
    builder.build();
    state.ResumeTiming();
    join_ready(builder, which);
    const Table table = builder.build();
    state.PauseTiming();
    checksum += table.owner(0);
    ++which;
    state.ResumeTiming();
  }
  state.counters["checksum"] = static_cast<double>(checksum % 1000);
  state.SetLabel(std::string(name_of(kind_of(state))));
}
BENCHMARK(join)->ArgsProduct({{0}, {3, 10, 16, 30, 100, 1000, 10000}})->Unit(benchmark::kMillisecond);

void flap(benchmark::State& state) {
  Builder builder = builder_of(kind_of(state), members_of(state));
  builder.build();
  size_t which = 0;
  uint64_t checksum = 0;
  for (auto _ : state) {
    const std::string name = replica(which);
    builder.set_ready(name, false);
    const Table without = builder.build();
    builder.set_ready(name, true);
    const Table with = builder.build();
    checksum += without.owner(7) + with.owner(7);
    which = (which + 1) % members_of(state);
  }
  state.counters["checksum"] = static_cast<double>(checksum % 1000);
}
BENCHMARK(flap)->ArgsProduct({{0}, {3, 10, 100, 1000, 10000}})->Unit(benchmark::kMillisecond);

void reweigh(benchmark::State& state) {
  Builder builder = builder_of(kind_of(state), members_of(state));
  builder.build();
  size_t turn = 0;
  uint64_t checksum = 0;
  Table table;   // the one before is freed within the timing, as it is when one is published
  for (auto _ : state) {
    const size_t which = turn % members_of(state), lap = turn / members_of(state);
    if (!builder.set_weight(replica(which), static_cast<uint32_t>(lap % 5 + 1))) std::abort();
    table = builder.build();
    checksum += table.owner(7);
    ++turn;
  }
  state.counters["checksum"] = static_cast<double>(checksum % 1000);
  state.SetLabel(std::string(name_of(kind_of(state))));
}
BENCHMARK(reweigh)->ArgsProduct({{0, 1, 2}, {3, 10, 100}})->Unit(benchmark::kMillisecond);

void digest(benchmark::State& state) {
  const Table table = builder_of(TableKind::rendezvous, 10).build();
  uint64_t checksum = 0;
  for (auto _ : state) checksum = table.digest();
  state.counters["checksum"] = static_cast<double>(checksum % 1000);
}
BENCHMARK(digest)->Unit(benchmark::kMillisecond);

void text(benchmark::State& state) {
  const Table table = builder_of(TableKind::rendezvous, 10).build();
  size_t bytes = 0;
  for (auto _ : state) bytes = table.text().size();
  state.counters["checksum"] = static_cast<double>(bytes % 1000);
}
BENCHMARK(text)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ringmaster::balance

BENCHMARK_MAIN();
