// What does a change of the table cost, beside building it (perf/balance)?
//
//   publish/offline/N   a table of N members goes into force, the one before is freed; every worker sleeps
//   publish/busy/N      the same while a worker goes through its loop without a pause: publish() waits for one turn
//   loop                what each turn of a worker pays for it: begin_loop() and end_loop()
//   report              trouble to the admin thread's mailbox, taken at once
//
// Tables are cloned outside of the timing. Each benchmark reports a checksum of what it did.
#include <benchmark/benchmark.h>

#include <atomic>
#include <string>
#include <thread>

#include "proxy/control.h"

namespace ringmaster::proxy {
namespace {

RouteTable table_of(size_t members) {
  balance::Builder builder({.kind = balance::TableKind::rendezvous, .slots = 0});
  RouteTable table;
  for (size_t i = 0; i < members; ++i) {
    const std::string name = "replica-" + std::to_string(i);
    if (!builder.join(name, 1)) std::abort();
    builder.set_ready(name, true);
  }
  table.table = builder.build();
  for (const std::string& name : table.table.members()) {
    table.upstreams.push_back(
        std::make_shared<Upstream>(table.upstreams.size() + 1, name, SocketAddress::loopback(1), 1));
  }
  return table;
}

void publish_one_after_the_other(benchmark::State& state, Control& control) {
  const RouteTable pattern = table_of(static_cast<size_t>(state.range(0)));
  uint64_t epoch = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto next = std::make_unique<RouteTable>(pattern);
    state.ResumeTiming();
    epoch = control.publish(std::move(next));
  }
  state.counters["epoch"] = static_cast<double>(epoch);
}

void publish_offline(benchmark::State& state) {
  Control control(1);
  publish_one_after_the_other(state, control);
}

void publish_busy(benchmark::State& state) {
  Control control(1);
  std::atomic<bool> over = false;
  std::thread worker([&] {
    uint64_t seen = 0;
    while (!over.load(std::memory_order_relaxed)) {
      if (const RouteTable* table = control.begin_loop(0)) seen += table->epoch;
      control.end_loop(0);
    }
    benchmark::DoNotOptimize(seen);
  });
  publish_one_after_the_other(state, control);
  over = true;
  worker.join();
}

void loop(benchmark::State& state) {
  Control control(1);
  control.publish(std::make_unique<RouteTable>(table_of(3)));
  uint64_t seen = 0;
  for (auto _ : state) {
    seen += control.begin_loop(0)->epoch;
    control.end_loop(0);
  }
  state.counters["epochs"] = static_cast<double>(seen) / static_cast<double>(state.iterations());
}

void report(benchmark::State& state) {
  Control control(1);
  uint64_t taken = 0;
  for (auto _ : state) {
    control.report(0, {1, http::Cause::replica_reset});
    control.take_troubles([&](const Trouble& trouble) { taken += trouble.upstream_id; });
  }
  state.counters["taken"] = static_cast<double>(taken) / static_cast<double>(state.iterations());
}

BENCHMARK(publish_offline)->Name("publish/offline")->Arg(3)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond);
BENCHMARK(publish_busy)
    ->Name("publish/busy")->Arg(3)->Arg(100)->Arg(1000)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(loop);
BENCHMARK(report);

}  // namespace
}  // namespace ringmaster::proxy

BENCHMARK_MAIN();
