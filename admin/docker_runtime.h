// Replicas as containers of a Docker or Podman engine, spoken with over its API.
//
// A life is one container, named by the replica and the epoch ("Server1.3") and known on its network by the replica's
// name alone, so that two lives of one name can overlap. Labels say whose it is (docker.instance), so that after a
// restart or crash of ours it is found and adopted; containers without our label are never touched.
//
// One connection listens to the engine's events for as long as we run. Whenever it begins anew, the containers are
// listed and compared with the lives first: nothing is decided from what was true before. While the engine is away or
// silent (it is pinged) nothing is started and condition() says why; the lives that there are go on, watched by their
// heartbeats; what is to be ended waits. It is looked for again after 250 ms, doubled up to 2 s.
//
// How a container is reached: by its address on the network, or by a port of 127.0.0.1 that the engine chooses; see
// docker.reach. Behind such a port stands a process of the engine's (docker-proxy), which dies with it, live-restore or
// not, while a bridge stays: so `auto` takes the addresses wherever the network's bridge is an interface of ours.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "admin/docker_engine.h"
#include "admin/runtime.h"
#include "async/loop.h"
#include "async/sockets.h"
#include "config/settings.h"

namespace ringmaster::admin {

class DockerRuntime final : public Runtime {
 public:
  // Throws StartError: a file that is named cannot be read or is not JSON; another ringmaster on this machine has the
  // same instance of the same engine.
  DockerRuntime(async::Loop& loop, const config::Settings::Docker& settings);
  ~DockerRuntime() override;

  async::Task<void> run(async::CancelScope& scope) override;
  async::Task<std::vector<Found>> find(async::CancelScope& scope) override;
  bool starts_replicas() const noexcept override { return true; }
  bool has_images() const noexcept override { return true; }
  Condition condition() const override { return condition_; }
  void start(const StartOrder& order) override;
  void end(uint64_t id, std::chrono::milliseconds grace) override;
  void keep(uint64_t id) override;
  void last_call(std::chrono::milliseconds time) override;

 private:
  struct Container;
  struct Listening;
  using ContainerPtr = std::shared_ptr<Container>;

  // The engine (docker_runtime.cc).
  async::Task<bool> stay_connected(async::CancelScope& scope);
  async::Task<void> listen(Listening& listening, async::CancelScope& scope);
  async::Task<FromEngine<void>> choose_reach(async::CancelScope& scope);
  async::Task<FromEngine<void>> look_for_bridge(async::CancelScope& scope);
  async::Task<FromEngine<void>> compare(async::CancelScope& scope);
  async::Task<FromEngine<std::vector<ContainerFacts>>> list(async::CancelScope& scope);
  void tell_adoption(const ContainerFacts& facts, std::string_view next_image) const;
  async::Task<void> remove_left_over(std::string id, std::string name);
  async::Task<void> give_up_later(std::chrono::milliseconds time);
  void set_condition(bool able, std::string text);
  void on_event(const EngineEvent& event);
  Container* find_id(std::string_view id) const noexcept;
  bool is_ours(const ContainerFacts& facts) const noexcept;

  // One life (docker_container.cc).
  async::Task<void> live(ContainerPtr container);
  async::Task<FromEngine<Place>> bring_up(Container& container);
  async::Task<FromEngine<void>> create(Container& container);
  async::Task<FromEngine<void>> create_once(Container& container);
  async::Task<FromEngine<ContainerFacts>> inspect(std::string id_or_name);
  FromEngine<Place> place_of(const Container& container, const ContainerFacts& facts) const;
  async::Task<void> take_down(ContainerPtr container);
  async::Task<FromEngine<void>> stop_and_remove(Container& container);
  async::Task<void> tell_last_words(const Container& container);
  async::Task<void> kill_later(ContainerPtr container, std::chrono::milliseconds grace);
  void died(Container& container, const std::string& reason);

  async::Loop& loop_;
  const config::Settings::Docker& settings_;
  std::string seccomp_, extra_;
  std::string own_id_;              // of the container that we are in; "": none
  async::Listener instance_lock_;
  async::CancelScope calls_;        // cancelled when the last call is over
  DockerEngine engine_;
  async::CancelScope* scope_ = nullptr;  // of run()
  Condition condition_{false, "the engine has not been spoken with yet"};
  async::Event able_;               // set while condition_.able
  bool publish_ = false;
  bool podman_ = false;
  bool found_ = false;              // find() has returned: whoever is in no list of ours is left over
  bool ending_ = false;
  std::unordered_map<uint64_t, ContainerPtr> containers_;   // by life
  std::unordered_set<std::string> to_adopt_;                // ids that find() has named and nobody has started yet
};

}  // namespace ringmaster::admin
