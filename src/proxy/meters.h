// Counters with one writer each: a worker adds with a plain load and store, anybody reads.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "balance/choice.h"
#include "balance/hot_keys.h"
#include "http/refusal.h"
#include "proxy/key_sample.h"

namespace ringmaster::proxy {

class Counter {
 public:
  void add(uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(uint64_t n = 1) noexcept { add(0 - n); }
  void set(uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// One counter for each cause.
class CauseCounters {
 public:
  void add(http::Cause cause) noexcept { counters_[static_cast<size_t>(cause)].add(); }
  const Counter& of(http::Cause cause) const noexcept { return counters_[static_cast<size_t>(cause)]; }
  uint64_t value() const noexcept {   // all causes together
    uint64_t sum = 0;
    for (const Counter& counter : counters_) sum += counter.value();
    return sum;
  }

 private:
  std::array<Counter, http::causes> counters_;
};

// Latencies in powers of two of microseconds with four steps each: 1 µs to over an hour within 19 %.
class Histogram {
 public:
  static constexpr int buckets = 128;
  void add_us(uint64_t us) noexcept {
    counts_[bucket_of(us)].add();
    sum_us_.add(us);
  }
  static int bucket_of(uint64_t us) noexcept {
    if (us < 4) return static_cast<int>(us);
    const int power = static_cast<int>(std::bit_width(us)) - 1;
    const int bucket = (power - 1) * 4 + static_cast<int>((us >> (power - 2)) & 3);
    return bucket < buckets ? bucket : buckets - 1;
  }
  // The smallest value that is above the bucket.
  static uint64_t upper_us(int bucket) noexcept {
    if (bucket < 4) return static_cast<uint64_t>(bucket) + 1;
    const int power = bucket / 4 + 1;
    return (uint64_t{4} + bucket % 4 + 1) << (power - 2);
  }
  uint64_t count(int bucket) const noexcept { return counts_[bucket].value(); }
  uint64_t sum_us() const noexcept { return sum_us_.value(); }

 private:
  std::array<Counter, buckets> counts_;
  Counter sum_us_;
};

// One table of a worker's counters: X(name, type, help). Gauges go down too.
#define RINGMASTER_WORKER_METERS(X)                                                             \
  X(requests, counter, "Requests whose head was read and routed, or answered by the proxy itself") \
  X(connections_accepted, counter, "Client connections accepted")                              \
  X(connections_refused, counter, "Client connections closed at once because of a limit")      \
  X(connections_retired, counter, "Idle client connections closed to make room for new ones")  \
  X(client_connections, gauge, "Client connections open")                                      \
  X(exchanges, gauge, "Requests under way")                                                    \
  X(hot_key_requests, counter, "Requests whose key was hot")                                   \
  X(hot_keys, gauge, "Keys that are hot, 64 at most")                                          \
  X(exchanges_waiting, gauge, "Requests that wait for room at a replica, or for its return")   \
  X(client_aborts, counter, "Exchanges that the client broke off")                             \
  X(answers_truncated, counter, "Answers cut short because the replica broke off")             \
  X(tunnels, gauge, "Upgraded connections open")                                               \
  X(request_bytes, counter, "Bytes received from clients")                                     \
  X(answer_bytes, counter, "Bytes sent to clients")                                            \
  X(upstream_connects, counter, "Connections opened to replicas")                              \
  X(heads_in_pieces, counter, "Heads that arrived in more than one piece")                     \
  X(receive_enobufs, counter, "Receives that found no provided buffer")                        \
  X(access_lines, counter, "Lines handed to the access log's writer")                          \
  X(access_lines_dropped, counter, "Lines for the access log that found its queue full")       \
  X(access_lines_lost, counter, "Lines that could not be written to the access log")           \
  X(completions_stale, counter, "Completions for connections that had ended")                  \
  X(ring_submissions, counter, "io_uring_enter calls")                                         \
  X(ring_operations, counter, "Operations submitted")                                          \
  X(ring_completions, counter, "Completions reaped")                                           \
  X(ring_cq_overflows, counter, "Times that the completion queue overflowed")

// One table of those that are told apart by their cause: X(name, help).
#define RINGMASTER_CAUSE_METERS(X)                                                             \
  X(refusals, "Answers and closes of the proxy's own making, by cause")                        \
  X(retries, "Requests tried again, by what had failed them")                                  \
  X(retries_denied, "Retries that the retry budget did not allow, by what had failed the request") \
  X(ejections, "Times that the worker lost sight of a replica, by the failure that was one too many")

struct alignas(64) WorkerMeters {
#define X(name, type, help) Counter name;
  RINGMASTER_WORKER_METERS(X)
#undef X
#define X(name, help) CauseCounters name;
  RINGMASTER_CAUSE_METERS(X)
#undef X
  std::array<Counter, 6> answers_by_class;             // [status / 100]
  std::array<Counter, balance::verdicts> placements;   // by Verdict: attempts; the owner's are not counted
  KeySample keys;                                      // of requests that were routed by the table
  balance::HotKeys hot;                                // of the same; where hot_key_replicas is 1, of none
};

// For each replica and worker.
struct alignas(64) UpstreamMeters {
  UpstreamMeters() = default;
  UpstreamMeters(const UpstreamMeters&) = delete;

  Counter requests;           // exchanges begun on it, retries included
  Counter failures;           // exchanges that it failed
  Counter ejections;          // times that the worker stopped looking at it
  Counter in_flight;          // gauge
  Counter waiting;            // gauge: exchanges in the worker's queue for it (limits.queue_length)
  Counter ejected_until_ns;   // by the monotonic clock: before it the worker does not look at it
  Counter connections;        // gauge: open ones, idle included
  Histogram latency;          // head sent to the first byte of the answer
};

}  // namespace ringmaster::proxy
