// The replicas that should exist, what has become of each, and the route table that follows from it.
//
// A replica is a name with a place in the joining order, a number and a weight. It lives one life after the other: a
// Life is one process, one container, or one address that somebody else serves. The registry is told what happens
// (started, answered, missed, died, added, removed) and says what is to be done: which lives to start, which to drain
// and end, which table to publish. It does nothing itself: no I/O, no clock, the same answers for the same events.
//
//                 answered `rise` times              missed `fall` times, died
//     starting ──────────────────────────► ready ──────────────────────────────► failing
//        ▲  └──── did not start, died ──────┼───────────────────────────────────────▲ │
//        │                                  │ removed (from each of the three)        │
//        │                                  ▼                                         │
//        │                               draining ──── ended ───► gone                │
//        └───────────── a new life is due (process, docker) ──────────────────────────┤
//                                          ready ◄──── answered `rise` times (static) ┘
//
// A replica is in the table exactly while it is ready, not provisional and not ejected. A ready one is ejected when a
// worker reports that it fails requests, and is back when it has answered `rise` heartbeats in a row, `ejection_ns`
// later at the earliest. With fail_open the last one in the table is never ejected, and where the others leave the
// table for another reason, ejected ones come back at once: better a replica that may fail than none. Replicas that are
// being added are provisional until the whole of the addition has succeeded: they are started and probed, but carry
// nothing, and roll_back() takes them away without a trace. A removed replica leaves the registry at once; its life is
// handed out by take_retired() and shown as draining until it has ended.
//
// Ending the unwell is done by our own hand, so it is done to one replica at a time: others that miss their heartbeats
// are taken out of the table and wait, alive, until the first is ready again (or quarantined). While healing is paused
// all of them wait, and the dead are not replaced; so they do while the runtime is not able to start and end any.
//
// A trial is a second life of a replica beside its own. It is started and probed as any other, and takes the first
// one's place the moment it is ready; where it fails, the first one stays as it was.
//
// Belongs to the admin thread. Times are monotonic nanoseconds.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin/names.h"
#include "admin/start_budget.h"
#include "admin/totals.h"
#include "balance/table.h"
#include "base/address.h"
#include "config/settings.h"
#include "proxy/control.h"

namespace ringmaster::admin {

enum class State : uint8_t { starting, ready, failing, draining, gone };
std::string_view name_of(State state) noexcept;

enum class Happening : uint8_t {
  start_due,    // a new life begins
  risen,        // answered `rise` heartbeats in a row
  fallen,       // missed `fall` heartbeats in a row
  lost,         // it died, or did not start
  removed,      // by an operator, or because another takes its place
  ended,        // drained and stopped
};
State after(State state, Happening happening) noexcept;

// Starting a process takes the admin thread the better part of a millisecond; heartbeats are to go on meanwhile.
inline constexpr size_t starts_at_once = 32;

// What an operator got wrong, in words; or nothing.
using Verdict = std::expected<void, std::string>;

struct RegistrySettings {
  balance::TableSettings table;
  uint32_t workers = 1;
  uint32_t rise = 1, fall = 2;
  // false: somebody else starts the replicas. A life then never dies, is never replaced, and comes back by answering.
  bool starts_replicas = true;
  config::RespawnName respawn_name = config::RespawnName::same;
  // Strict affinity: tables say, too, who owns each slot when everybody is ready.
  bool keep_homes = false;
  uint32_t replicas_max = 1000;
  uint64_t ejection_ns = 500'000'000;
  bool fail_open = true;
  uint64_t start_timeout_ns = 30'000'000'000;  // a life that is not ready by then is ended, and counts as lost
};

struct Life {
  uint64_t id = 0;               // never used twice; also its Upstream's
  std::string name;
  uint64_t number = 0;           // of the replica, in the order of joining, from 1
  uint32_t epoch = 0;            // of the replica's lives, from 1
  uint64_t started_ns = 0;
  uint64_t ready_ns = 0;         // since when it has been ready; 0: it is not
  proxy::UpstreamPtr upstream;   // nullptr until it runs
  int64_t pid = -1;              // -1 where there is none
  std::string container;         // its name; "" where there is none
  std::string image;             // as in StartOrder; once it runs, what it runs
  std::string adopts;            // as in StartOrder
  bool dead = false;             // nothing is left to be stopped
  bool silent = false;           // its latest heartbeats went unanswered, `fall` of them or more
};

enum class TrialState : uint8_t { none, under_way, failed };

struct Trial {
  std::string image;
  std::optional<Life> life;      // none: to be started, or failed
  uint32_t answered = 0;         // heartbeats in a row
  bool failed = false;
  std::string reason;            // of the failure
};

struct Replica {
  std::string name;
  uint64_t number = 0;
  uint32_t weight = 1;
  State state = State::starting;
  std::string reason;            // of the last change
  uint64_t changed_ns = 0;
  bool provisional = false;
  bool in_table = false;
  bool warms_up = false;         // the next time that it enters the table, others have served for it
  uint64_t serving_ns = 0;       // RouteTable::serving_ns
  uint32_t entries = 0;          // RouteTable::entries
  bool quarantined = false;
  bool ejected = false;          // ready, as far as its heartbeat tells, but failing requests
  uint64_t ejected_ns = 0;
  uint32_t epoch = 0;            // lives so far
  std::optional<Life> life;
  std::optional<Trial> trial;
  std::string image;             // of its next life, as in StartOrder
  std::string adopts;            // the same
  bool replacing_unwell = false; // we have ended a life of it that did not answer, and it is not ready since
  uint64_t start_at_ns = 0;      // without a life: when the next begins
  uint32_t answered = 0, missed = 0;  // heartbeats in a row
  StartBudget budget;
  TotalsByWorker past;           // of lives that have ended
};

// A life that is in no table any more: to be drained and then ended.
struct Retired {
  Life life;
  std::string reason;
  uint64_t retired_ns = 0;
  std::optional<uint64_t> drain_ns;   // how long it may take; without: the settings' time
  bool removed = false;               // its replica left; otherwise a new life takes its place
};

struct NewReplica {
  std::string name;
  uint32_t weight = 1;
  std::string image;             // as in StartOrder
  uint32_t epoch = 0;            // of its last life, where it has had one in an earlier run
  std::string adopts;            // that life, where it goes on
};

class Registry {
 public:
  explicit Registry(const RegistrySettings& settings, NameMaker names = NameMaker());

  // --- membership: each succeeds or fails as a whole -----------------------------------------------------------------
  // Joins them in this order; their first lives are due at once. Refused: a name that is not valid, that is in use, or
  // that is given twice; weight outside 1..65535; more than replicas_max, or more than the table has room for.
  Verdict join(std::span<const NewReplica> replicas, bool provisional, uint64_t now_ns);
  void commit(std::span<const std::string> names, uint64_t now_ns);
  void roll_back(std::span<const std::string> names, const std::string& reason, uint64_t now_ns);
  // Refused: an unknown name, a name given twice.
  Verdict remove(std::span<const std::string> names, const std::string& reason, std::optional<uint64_t> drain_ns,
                 uint64_t now_ns);
  // Gives members other weights, all of them or none; the table is due where one of them is in it. Refused: an unknown
  // name, a name given twice, a weight outside 1..65535, weights that the table has no room for.
  Verdict reweigh(std::span<const NewReplica> wishes);
  // Names that nobody has: `count` of them, none of them in `except`.
  std::vector<std::string> unused_names(size_t count, std::span<const std::string> except);
  // `count` replicas by chance, none of them in `except`; count <= members - except.
  std::vector<std::string> victims(size_t count, std::span<const std::string> except);

  // Begins a trial: its life is due at once. Refused: an unknown or provisional name, a trial under way.
  Verdict begin_trial(std::string_view name, const std::string& image, uint64_t now_ns);
  // none: there was no trial, or it has taken its replica's place.
  TrialState trial_of(std::string_view name) const noexcept;
  void forget_trial(std::string_view name, uint64_t now_ns);               // one under way is ended
  // Whether the dead are replaced and the unwell are ended. What operators order is done all the same.
  void set_paused(bool paused) noexcept { paused_ = paused; }
  bool paused() const noexcept { return paused_; }
  void set_able(bool able) noexcept { able_ = able; }

  // --- what happened to a life; unknown ids are lives that were retired in the meantime, and are passed over ---------
  void running(uint64_t id, const SocketAddress& address, int64_t pid, uint64_t now_ns,
               const std::string& container = {}, const std::string& image = {});
  void lost(uint64_t id, const std::string& reason, uint64_t now_ns);      // it did not start, or died
  void answered(uint64_t id, uint64_t now_ns);
  // `silent`: it did not even say no. RouteTable::silent has those that fail so.
  void missed(uint64_t id, const std::string& reason, uint64_t now_ns, bool silent = false);
  // A worker has lost sight of it. false: it stays in the table, being the last one, or not in it anyway.
  bool eject(uint64_t id, http::Cause cause, uint64_t now_ns);
  void ended(uint64_t id, uint64_t now_ns);                                // a retired one: drained and stopped

  // --- what is to be done --------------------------------------------------------------------------------------------
  // Lives that are to be started now, at most starts_at_once: next_ns() says that there are more. None after
  // stop_healing().
  std::vector<Life> take_starts(uint64_t now_ns);
  // When take_starts() should next be asked; UINT64_MAX: nothing is due.
  uint64_t next_ns() const noexcept;
  // The table for the replicas that are ready now; nullptr where it has not changed. Publish it before the next line.
  std::unique_ptr<proxy::RouteTable> take_table(uint64_t now_ns);
  // Lives to be drained and ended, each once.
  std::vector<Retired> take_retired();
  // Dead replicas stay dead from now on: the program is ending.
  void stop_healing() noexcept { healing_ = false; }
  // Every life that there is: retired, as if all replicas were removed. For the end of the program.
  void retire_all(const std::string& reason, uint64_t now_ns);

  // --- what there is ---------------------------------------------------------------------------------------------
  // In joining order, provisional ones included.
  std::span<const std::unique_ptr<Replica>> replicas() const noexcept { return replicas_; }
  std::span<const Retired> retired() const noexcept { return retired_; }   // until ended
  const Replica* find(std::string_view name) const noexcept;
  const Replica* find_life(uint64_t id) const noexcept;   // current lives, and those on trial
  std::vector<std::string> names() const;                 // not the provisional ones
  size_t members() const noexcept;                        // how many those are
  TotalsByWorker totals(const Replica& replica) const;
  // The table's builder as it is now, to try a change without making it.
  balance::Builder sketch() const { return builder_.clone(); }
  const proxy::CauseCounters& ejections() const noexcept { return ejections_; }   // by what was reported
  uint64_t ejections_withheld() const noexcept { return ejections_withheld_; }    // from the last one in the table
  const RegistrySettings& settings() const noexcept { return settings_; }

 private:
  Replica* find_mutable(uint64_t id) noexcept;
  Replica* find_mutable(std::string_view name) noexcept;
  static Life* life_of(Replica& replica, uint64_t id) noexcept;
  static bool on_trial(const Replica& replica, uint64_t id) noexcept;
  std::optional<Life> begin_life(Replica& replica, uint64_t now_ns);
  bool start_due(const Replica& replica, uint64_t now_ns) const noexcept;
  bool too_slow(const Replica& replica, uint64_t now_ns) const noexcept;
  bool may_end_unwell(const Replica& replica) const noexcept;
  void end_trial(Replica& replica, const std::string& reason, bool dead, uint64_t now_ns);
  void pass_trial(Replica& replica, uint64_t now_ns);
  void join_one(const NewReplica& wish, bool provisional, uint64_t now_ns);
  void change(Replica& replica, Happening happening, const std::string& reason, uint64_t now_ns);
  void set_in_table(Replica& replica, uint64_t now_ns);
  void readmit(Replica& replica, const std::string& reason, uint64_t now_ns);
  void fail_open(uint64_t now_ns);
  void lose(Replica& replica, const std::string& reason, bool dead, uint64_t now_ns);
  void replace_by_stranger(Replica& replica, uint64_t now_ns);
  void retire(Replica& replica, const std::string& reason, bool removed, std::optional<uint64_t> drain_ns,
              uint64_t now_ns);
  std::shared_ptr<const balance::Table> homes() const;
  void leave(const std::string& name, const std::string& reason, std::optional<uint64_t> drain_ns, uint64_t now_ns);

  const RegistrySettings settings_;
  NameMaker names_;
  balance::Builder builder_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::vector<Retired> retired_;
  size_t retired_taken_ = 0;       // how many of retired_, from its front, have been handed out
  uint64_t last_life_ = 0;
  bool table_changed_ = true;      // the first table is published even where it is empty
  bool healing_ = true;
  proxy::CauseCounters ejections_;
  uint64_t ejections_withheld_ = 0;
  bool paused_ = false;
  bool able_ = true;
};

}  // namespace ringmaster::admin
