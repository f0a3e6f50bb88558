// Keeps the replicas as they should be: what the registry says, done; what happens, told to the registry.
//
//     operators ──add, remove──►┐             ┌──start, end──► Runtime ──running, died──►┐
//     Heartbeat ──answered─────►├─► Registry ─┤──watch───────► Heartbeat                 ├─► Registry …
//     workers ────trouble──────►┘             └──publish─────► Control ──trouble─────────┘
//
// settle() is the one place where the registry's wishes become deeds, in this order: the table is published, then the
// lives that are no longer in it are drained, then those that are due are started. It follows every event, once for all
// that happened in one turn of the loop.
//
// add() and remove() are serialised: one at a time, in the order of asking. Both return once the table that they led to
// is in force (Control::publish has returned).
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "admin/heartbeat.h"
#include "admin/orders.h"
#include "admin/registry.h"
#include "admin/runtime.h"
#include "async/loop.h"
#include "config/settings.h"
#include "proxy/control.h"

namespace ringmaster::admin {

// How long a replica that was asked to end (SIGTERM) is given before it is made to.
inline constexpr std::chrono::milliseconds stop_grace{5'000};
// The same for one that no longer answers its heartbeat.
inline constexpr std::chrono::milliseconds unwell_grace{1'000};

// Why an order was not carried out.
struct Refused {
  enum class Kind : uint8_t { wrong, conflict, unknown, failed, ending };
  Kind kind = Kind::wrong;
  std::string message;
};
template <class T>
using Outcome = std::expected<T, Refused>;

class Supervisor final : private RuntimeListener, private HeartbeatListener {
 public:
  // All must outlive it.
  Supervisor(async::Loop& loop, proxy::Control& control, const config::Settings& settings, Runtime& runtime,
             const RegistrySettings& registry);
  ~Supervisor();  // run() and stop() have returned

  // Joins the replicas of the settings and keeps them: spawn it once. Returns when stop() has ended everything.
  async::Task<void> run();

  // Adds n replicas, named by `hostnames` as far as they go; waits until all of them are ready. On any failure none of
  // them remains. Returns their names.
  async::Task<Outcome<std::vector<std::string>>> add(CountOrder order, uint32_t weight);
  // Removes the ones named, and others by chance up to n. When it returns, no new request meets them; they are drained
  // (for `drain`, else timeouts.drain) and stopped in the background.
  async::Task<Outcome<std::vector<std::string>>> remove(CountOrder order,
                                                        std::optional<std::chrono::milliseconds> drain);

  // Other weights for replicas of any runtime, all of them or none; the new table is in force when it returns. Waits
  // for no other order: an addition under way may take long, and neither touches what the other does.
  Outcome<void> reweigh(const std::vector<NewReplica>& wishes);
  // Gives every replica a new life under its name and slots, one after the other and each beside the old one, and lets
  // it warm up (routing.slow_start) before the next: from `image` where the runtime has images, and where it is given;
  // else from the settings. The first that is not ready in time ends it: that replica keeps its old life, the ones
  // before it their new one. Returns their names.
  async::Task<Outcome<std::vector<std::string>>> roll(std::optional<std::string> image);
  // While paused, the dead are not replaced and the unwell not ended. Orders are carried out all the same.
  Outcome<void> set_paused(bool paused);

  // The end of the program, in two steps. stop_healing(): the dead stay dead, orders are refused, additions under way
  // fail. stop(): every replica is ended, by force after `grace`; returns when none is left.
  void stop_healing();
  async::Task<void> stop(std::chrono::milliseconds grace);
  void hurry();                 // what is being ended is ended by force, now

  // Set and reset whenever something may have come about: a table, a worker's end. Look again after each wait.
  async::Event& progress() noexcept { return progress_; }
  void tell_progress() noexcept;
  bool ending() const noexcept { return ending_; }
  bool table_has_replicas() const noexcept;
  // Of each of the first replicas it is known whether its first life, or what it was adopted with, became ready.
  bool has_started() const noexcept;
  const Registry& registry() const noexcept { return registry_; }
  const proxy::Control& control() const noexcept { return control_; }
  Condition condition() const { return runtime_.condition(); }

 private:
  struct Leaving;

  void on_running(uint64_t id, const Place& place) override;
  void on_not_started(uint64_t id, const std::string& reason) override;
  void on_died(uint64_t id, const std::string& reason) override;
  void on_ended(uint64_t id) override;
  void on_suspicion(uint64_t id, const std::string& reason) override;
  void on_condition() override;
  void on_answered(uint64_t id) override;
  void on_missed(uint64_t id, const std::string& reason, bool silent) override;

  void join_first_replicas(std::vector<Found> found);
  void settle();
  void settle_now();
  async::Task<void> settle_when_changed();
  async::Task<void> listen_to_workers();
  async::Task<void> let_go(Retired retired);
  async::Task<Outcome<std::vector<std::string>>> start_together(std::vector<NewReplica> wishes);
  std::optional<Refused> objection_to_starts() const;
  async::Task<std::string> replace(std::string name, std::string image);
  async::Task<void> warmth_of(std::string name);

  async::Loop& loop_;
  proxy::Control& control_;
  const config::Settings& settings_;
  Runtime& runtime_;
  Registry registry_;
  Heartbeat heartbeat_;
  async::Event changed_;        // settle() has something to do
  async::Event progress_;
  async::Mutex orders_;         // add and remove
  async::CancelScope scope_;    // ends the tasks of run()
  async::CancelScope adding_;   // cancelled by stop_healing()
  async::CancelScope draining_; // cancelled by stop()
  async::Group tasks_;
  std::unordered_map<uint64_t, std::unique_ptr<Leaving>> leaving_;   // by life
  std::unordered_set<uint64_t> kept_;   // lives that are left running when the program ends
  std::string image_;           // for replicas to come, as in StartOrder: what the last roll brought
  bool joined_ = false;         // the first replicas have been
  bool ending_ = false;
};

}  // namespace ringmaster::admin
