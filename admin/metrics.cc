#include "admin/metrics.h"

#include <fmt/format.h>

#include <functional>
#include <iterator>
#include <vector>

#include "base/log.h"

namespace ringmaster::admin {

namespace {

using proxy::Histogram;

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && quotes) out += "\\\"";
    else out += c;
  }
  return out;
}

// Text that grows: families with their head, samples with their labels.
class Page {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    add("# HELP ringmaster_{} {}\n# TYPE ringmaster_{} {}\n", name, escaped(help, false), name, type);
  }
  // `labels` as they are written: worker="0"
  void sample(std::string_view name, std::string_view labels, uint64_t value) {
    if (labels.empty()) add("ringmaster_{} {}\n", name, value);
    else add("ringmaster_{}{{{}}} {}\n", name, labels, value);
  }
  template <class... Arguments>
  void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void write_worker_meters(Page& page, const proxy::Control& control) {
  struct Row {
    std::string name;
    std::string_view type, help;
    const proxy::Counter proxy::WorkerMeters::*counter;
  };
  const Row rows[] = {
#define X(meter, kind, help_text) \
  {std::string_view(#kind) == "counter" ? #meter "_total" : #meter, #kind, help_text, &proxy::WorkerMeters::meter},
      RINGMASTER_WORKER_METERS(X)
#undef X
  };
  for (const Row& row : rows) {
    page.family(row.name, row.type, row.help);
    for (uint32_t worker = 0; worker < control.workers(); ++worker) {
      page.sample(row.name, fmt::format("worker=\"{}\"", worker), (control.meters(worker).*row.counter).value());
    }
  }
}

void write_answers(Page& page, const proxy::Control& control) {
  page.family("answers_total", "counter", "Answers sent to clients, by class of their status");
  for (uint32_t worker = 0; worker < control.workers(); ++worker) {
    const auto& classes = control.meters(worker).answers_by_class;
    for (size_t i = 1; i < classes.size(); ++i) {
      page.sample("answers_total", fmt::format("worker=\"{}\",class=\"{}xx\"", worker, i), classes[i].value());
    }
  }
}

void write_causes(Page& page, std::string_view name, const std::string& labels, const proxy::CauseCounters& counters) {
  for (int i = 1; i < http::causes; ++i) {
    const auto cause = static_cast<http::Cause>(i);
    page.sample(name, fmt::format("{}cause=\"{}\"", labels, http::name_of(cause)), counters.of(cause).value());
  }
}

void write_cause_meters(Page& page, const proxy::Control& control) {
  struct Row {
    std::string name;
    std::string_view help;
    const proxy::CauseCounters proxy::WorkerMeters::*counters;
  };
  const Row rows[] = {
#define X(meter, help_text) {#meter "_total", help_text, &proxy::WorkerMeters::meter},
      RINGMASTER_CAUSE_METERS(X)
#undef X
  };
  for (const Row& row : rows) {
    page.family(row.name, "counter", row.help);
    for (uint32_t worker = 0; worker < control.workers(); ++worker) {
      write_causes(page, row.name, fmt::format("worker=\"{}\",", worker), control.meters(worker).*row.counters);
    }
  }
}

void write_ejections(Page& page, const Registry& registry) {
  page.family("table_ejections_total", "counter", "Times that a failing replica was taken out of the table for all "
              "workers, by the failure that was one too many");
  write_causes(page, "table_ejections_total", "", registry.ejections());
  page.family("table_ejections_withheld_total", "counter",
              "Times that a failing replica stayed in the table because it was the last one");
  page.sample("table_ejections_withheld_total", "", registry.ejections_withheld());
}

void write_placements(Page& page, const proxy::Control& control) {
  page.family("placements_total", "counter", "Attempts that did not go to the slot's owner at once, by what became of "
                                             "them");
  for (uint32_t worker = 0; worker < control.workers(); ++worker) {
    const auto& placements = control.meters(worker).placements;
    for (size_t i = 1; i < placements.size(); ++i) {
      const std::string_view verdict = balance::name_of(static_cast<balance::Verdict>(i));
      page.sample("placements_total", fmt::format("worker=\"{}\",verdict=\"{}\"", worker, verdict),
                  placements[i].value());
    }
  }
}

struct ReplicaRows {
  std::string name;
  TotalsByWorker totals;
};

void write_histogram(Page& page, const std::string& labels, const Totals& totals) {
  constexpr std::string_view name = "replica_latency_seconds";
  uint64_t count = 0;
  for (int bucket = 0; bucket < Histogram::buckets; ++bucket) {
    count += totals.latency[static_cast<size_t>(bucket)];
    // Four steps to each power of two; the last bucket holds whatever is longer, too.
    if (bucket % 4 != 3 || bucket == Histogram::buckets - 1) continue;
    page.add("ringmaster_{}_bucket{{{},le=\"{}\"}} {}\n", name, labels,
             static_cast<double>(Histogram::upper_us(bucket)) / 1e6, count);
  }
  page.add("ringmaster_{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, count);
  page.add("ringmaster_{}_sum{{{}}} {}\n", name, labels, static_cast<double>(totals.latency_sum_us) / 1e6);
  page.add("ringmaster_{}_count{{{}}} {}\n", name, labels, count);
}

void write_replica_meters(Page& page, const Registry& registry) {
  std::vector<ReplicaRows> rows;
  for (const auto& replica : registry.replicas()) rows.push_back({replica->name, registry.totals(*replica)});
  const auto each = [&](const std::function<void(const std::string& labels, const Totals&)>& write) {
    for (const ReplicaRows& row : rows) {
      for (size_t worker = 0; worker < row.totals.size(); ++worker) {
        write(fmt::format("replica=\"{}\",worker=\"{}\"", escaped(row.name, true), worker), row.totals[worker]);
      }
    }
  };
  using Value = uint64_t Totals::*;
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help, Value value) {
    page.family(name, type, help);
    each([&](const std::string& labels, const Totals& totals) { page.sample(name, labels, totals.*value); });
  };
  family("replica_requests_total", "counter", "Exchanges begun on the replica, retries included", &Totals::requests);
  family("replica_failures_total", "counter", "Exchanges that the replica failed", &Totals::failures);
  family("replica_ejections_total", "counter", "Times that a worker stopped looking at the replica",
         &Totals::ejections);
  family("replica_in_flight", "gauge", "Exchanges under way on the replica", &Totals::in_flight);
  family("replica_waiting", "gauge", "Requests that wait for room at the replica", &Totals::waiting);
  family("replica_connections", "gauge", "Connections open to the replica, idle ones included", &Totals::connections);
  page.family("replica_latency_seconds", "histogram", "From the request's head sent to the first byte of the answer");
  each([&](const std::string& labels, const Totals& totals) { write_histogram(page, labels, totals); });
}

void write_replica_states(Page& page, const Registry& registry) {
  page.family("replica_state", "gauge", "1 for the state that the replica is in, 0 for the others");
  for (const auto& replica : registry.replicas()) {
    for (const State state : {State::starting, State::ready, State::failing}) {
      page.sample("replica_state", fmt::format("replica=\"{}\",state=\"{}\"", replica->name, name_of(state)),
                  replica->state == state ? 1 : 0);
    }
  }
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                          const std::function<uint64_t(const Replica&)>& value) {
    page.family(name, type, help);
    for (const auto& replica : registry.replicas()) {
      page.sample(name, fmt::format("replica=\"{}\"", replica->name), value(*replica));
    }
  };
  family("replica_weight", "gauge", "The replica's weight in the table", [](const Replica& r) { return r.weight; });
  family("replica_ejected", "gauge", "1 while the replica is out of the table because it fails requests",
         [](const Replica& r) { return r.ejected ? 1 : 0; });
  family("replica_quarantined", "gauge", "1 while a crash loop keeps the replica from being started",
         [](const Replica& r) { return r.quarantined ? 1 : 0; });
  family("replica_restarts_total", "counter", "Lives of the replica after its first",
         [](const Replica& r) { return r.epoch > 0 ? r.epoch - 1 : 0; });
  page.family("replicas", "gauge", "Replicas that should exist");
  page.sample("replicas", "", registry.members());
  page.family("replicas_draining", "gauge", "Lives that have left the table and have not ended");
  page.sample("replicas_draining", "", registry.retired().size());
}

}  // namespace

std::string metrics_text(const Registry& registry, const proxy::Control& control, std::string_view version) {
  Page page;
  page.family("build_info", "gauge", "1; the labels say which build this is");
  page.sample("build_info", fmt::format("version=\"{}\"", escaped(version, true)), 1);
  page.family("workers", "gauge", "Worker threads");
  page.sample("workers", "", control.workers());
  page.family("table_epoch", "gauge", "Epoch of the route table in force");
  page.sample("table_epoch", "", control.published() ? control.published()->epoch : 0);
  page.family("table_replicas", "gauge", "Replicas in the route table in force");
  page.sample("table_replicas", "", control.published() ? control.published()->upstreams.size() : 0);
  page.family("log_lines_dropped_total", "counter", "Log lines that could not be written in time");
  page.sample("log_lines_dropped_total", "", log_lines_dropped());
  page.family("troubles_dropped_total", "counter", "Reports of workers that found the mailbox full");
  page.sample("troubles_dropped_total", "", control.troubles_dropped());
  write_worker_meters(page, control);
  write_answers(page, control);
  write_cause_meters(page, control);
  write_ejections(page, registry);
  write_placements(page, control);
  write_replica_states(page, registry);
  write_replica_meters(page, registry);
  return page.take();
}

}  // namespace ringmaster::admin
