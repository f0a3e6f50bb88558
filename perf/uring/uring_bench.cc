// What the ring room costs a request, in user space and with the kernel.
//
//   timers   how dear is a deadline that is set, moved to later (what nearly every one sees), or fires?
//   buffers  how dear is it to adopt a buffer and to give it back?
//   ring     how dear is a message in and a message out over a socket pair, alone and in batches? The kernel's share
//            is in it; compare only within one run.
//
// Seeds are fixed; each benchmark ends with a checksum as the counter `check`, so that no work can be optimised away.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "base/fd.h"
#include "uring/buffer_pool.h"
#include "uring/kernel_ring.h"
#include "uring/timer_wheel.h"

namespace ringmaster::uring {

namespace {

constexpr uint64_t second_ns = 1'000'000'000;

struct Timers {
  explicit Timers(size_t count) : items(count) {
    std::mt19937_64 random(1);
    for (Timer& timer : items) {
      reaches_ns.push_back(second_ns + random() % (60 * second_ns));
      wheel.set(timer, reaches_ns.back());
    }
  }
  ~Timers() {
    for (Timer& timer : items) wheel.disarm(timer);
  }
  TimerWheel wheel{0};
  std::vector<Timer> items;
  std::vector<uint64_t> reaches_ns;
};

void timer_move_later(benchmark::State& state) {
  Timers timers(static_cast<size_t>(state.range(0)));
  uint64_t now_ns = 0;
  size_t next = 0;
  for (auto _ : state) {
    timers.wheel.set(timers.items[next], (now_ns += 1'000) + timers.reaches_ns[next] + 60 * second_ns);
    if (++next == timers.items.size()) next = 0;
  }
  state.counters["check"] = timers.wheel.armed();
}
BENCHMARK(timer_move_later)->Arg(64)->Arg(10'000);

void timer_set_and_disarm(benchmark::State& state) {
  Timers timers(static_cast<size_t>(state.range(0)));
  size_t next = 0;
  for (auto _ : state) {
    timers.wheel.disarm(timers.items[next]);
    timers.wheel.set(timers.items[next], timers.reaches_ns[next]);
    if (++next == timers.items.size()) next = 0;
  }
  state.counters["check"] = timers.wheel.armed();
}
BENCHMARK(timer_set_and_disarm)->Arg(64)->Arg(10'000);

// One loop of an idle worker: when next, and what is due; every timer that fires is set again.
void timer_expire(benchmark::State& state) {
  Timers timers(static_cast<size_t>(state.range(0)));
  uint64_t fired = 0;
  for (auto _ : state) {
    const uint64_t now_ns = timers.wheel.next_ns();
    timers.wheel.expire(now_ns, [&](Timer& timer) {
      ++fired;
      timers.wheel.set(timer, now_ns + second_ns);
    });
  }
  state.counters["fired_per_loop"] = benchmark::Counter(static_cast<double>(fired), benchmark::Counter::kAvgIterations);
  state.counters["check"] = timers.wheel.armed();
}
BENCHMARK(timer_expire)->Arg(64)->Arg(10'000);

void buffer_adopt_and_give_back(benchmark::State& state) {
  const auto ring = make_kernel_ring({});
  BufferPool pool(*ring, {});
  uint16_t next = 0;
  uint64_t check = 0;
  for (auto _ : state) {
    const Lease lease = pool.adopt(next);
    check += lease.capacity();
    if (++next == pool.provided_total()) next = 0;
  }
  state.counters["check"] = static_cast<double>(check % 1000);
}
BENCHMARK(buffer_adopt_and_give_back);

void buffer_take_bulk(benchmark::State& state) {
  const auto ring = make_kernel_ring({});
  BufferPool pool(*ring, {});
  for (auto _ : state) {
    const Lease lease = pool.take_bulk();
    benchmark::DoNotOptimize(lease.space());
  }
  state.counters["check"] = pool.bulk_leased();
}
BENCHMARK(buffer_take_bulk);

void ring_empty_wait(benchmark::State& state) {
  const auto ring = make_kernel_ring({});
  size_t check = 0;
  for (auto _ : state) check += ring->wait(0).size();
  state.counters["check"] = static_cast<double>(check);
}
BENCHMARK(ring_empty_wait);

// An echo of 200 bytes over `range` socket pairs: multishot receive, the buffer sent back from where it lies, given
// back when it has left. The far end uses plain write and read.
class EchoBench {
 public:
  explicit EchoBench(size_t pairs) : leases_(pairs) {
    for (size_t i = 0; i < pairs; ++i) {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
      ours_.emplace_back(ends[0]);
      theirs_.emplace_back(ends[1]);
      ring_->receive_multishot(ends[0], true, receive_bit | i);
    }
    ring_->wait(0);
  }
  ~EchoBench() {
    for (const Fd& socket : ours_) ring_->shut_down(socket.get(), false);
    for (size_t ended = 0; ended < ours_.size();) ended += ring_->wait(UINT64_MAX).size();
  }

  uint64_t round() {
    char bytes[200] = "ping";
    for (const Fd& socket : theirs_) check_ += static_cast<uint64_t>(write(socket.get(), bytes, sizeof bytes));
    for (size_t sent = 0; sent < ours_.size();) {
      for (const Completion& completion : ring_->wait(UINT64_MAX)) sent += handle(completion);
    }
    for (const Fd& socket : theirs_) check_ += static_cast<uint64_t>(read(socket.get(), bytes, sizeof bytes));
    return check_;
  }
  double waits() const { return static_cast<double>(ring_->counters().submissions); }

 private:
  static constexpr uint64_t receive_bit = uint64_t{1} << 32;
  static constexpr uint64_t send_bit = uint64_t{1} << 33;

  size_t handle(const Completion& completion) {
    const size_t index = completion.user_data & 0xFFFFFFFF;
    if ((completion.user_data & receive_bit) == 0) {
      leases_[index].reset();
      return 1;
    }
    if (completion.result > 0) {
      leases_[index] = pool_.adopt(completion.buffer_id);
      ring_->send(ours_[index].get(), {leases_[index].space(), static_cast<size_t>(completion.result)}, SendMode::now,
                  send_bit | index);
    }
    if (!completion.more) ring_->receive_multishot(ours_[index].get(), false, receive_bit | index);
    return 0;
  }

  std::unique_ptr<Ring> ring_ = make_kernel_ring({});
  BufferPool pool_{*ring_, {.provided_initial = 256, .provided_bytes = 4096}};
  std::vector<Fd> ours_;
  std::vector<Fd> theirs_;
  std::vector<Lease> leases_;
  uint64_t check_ = 0;
};

void ring_echo(benchmark::State& state) {
  EchoBench echo(static_cast<size_t>(state.range(0)));
  uint64_t check = 0;
  for (auto _ : state) check = echo.round();
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["enters_per_message"] =
      benchmark::Counter(echo.waits() / static_cast<double>(state.range(0)), benchmark::Counter::kAvgIterations);
  state.counters["check"] = static_cast<double>(check % 1000);
}
BENCHMARK(ring_echo)->Arg(1)->Arg(8)->Arg(64);

}  // namespace

}  // namespace ringmaster::uring

BENCHMARK_MAIN();
