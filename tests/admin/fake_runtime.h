// A runtime for tests: every replica is at one address, and the test says which of them fail.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "admin/runtime.h"

namespace ringmaster::admin {

class FakeRuntime final : public Runtime {
 public:
  explicit FakeRuntime(SocketAddress address) : address_(address) {}

  bool starts_replicas() const noexcept override { return starts; }
  void start(const StartOrder& order) override {
    started.push_back(order.name);
    running[order.id] = order.name;
    if (const auto place = not_starting.find(order.name); place != not_starting.end()) {
      listener_->on_not_started(order.id, place->second);
      return;
    }
    const auto elsewhere = addresses.find(order.name);
    const SocketAddress& address = elsewhere == addresses.end() ? address_ : elsewhere->second;
    listener_->on_running(order.id, {address, 1000 + static_cast<int64_t>(order.id), {}});
  }
  void end(uint64_t id, std::chrono::milliseconds) override {
    if (const auto place = running.find(id); place != running.end()) {
      ended.push_back(place->second);
      running.erase(place);
      listener_->on_ended(id);
    }
  }
  void kill(const std::string& name) {
    for (const auto& [id, running_name] : running) {
      if (running_name == name && dead_.insert(id).second) return listener_->on_died(id, "killed by the test");
    }
  }
  std::multiset<std::string> running_names() const {
    std::multiset<std::string> names;
    for (const auto& [id, name] : running) names.insert(name);
    return names;
  }

  bool starts = true;
  std::map<std::string, std::string> not_starting;          // name -> reason
  std::map<std::string, SocketAddress> addresses;           // where it is not the usual one
  std::vector<std::string> started, ended;
  std::map<uint64_t, std::string> running;

 private:
  SocketAddress address_;
  std::set<uint64_t> dead_;
};

}  // namespace ringmaster::admin
