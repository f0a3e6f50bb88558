// A supervisor with everything around it, for tests of it and of the API: a fake runtime whose replicas answer their
// heartbeats in the same loop, and a real Control whose workers the test plays.
#pragma once

#include <sstream>

#include "admin/supervisor.h"
#include "fake_runtime.h"
#include "fixture.h"

namespace ringmaster::admin {

class SupervisedTest : public AdminLoopTest {
 protected:
  SupervisedTest() : server_(loop_, listen()), runtime_(server_.address()) {}

  RegistrySettings registry_settings() {
    RegistrySettings made;
    made.table.slots = 1024;
    made.workers = 2;
    made.starts_replicas = runtime_.starts;
    made.start_timeout_ns = start_timeout_ns_;
    return made;
  }
  // Runs the story once the first replicas are ready, then ends everything.
  template <class Story>
  void tell(Story story) {
    supervisor_ = std::make_unique<Supervisor>(loop_, control_, settings_, runtime_, registry_settings());
    loop_.spawn(supervisor_->run());
    run(tell_and_stop(story));
    EXPECT_TRUE(runtime_.running.empty());
    EXPECT_TRUE(supervisor_->registry().retired().empty());
  }
  template <class Story>
  async::Task<void> tell_and_stop(Story& story) {
    EXPECT_TRUE(co_await until([&] { return table_size() == settings_.replicas.count; }));
    co_await story();
    co_await supervisor_->stop(std::chrono::milliseconds(0));
    co_await server_.stop();
  }
  size_t table_size() const { return control_.published() ? control_.published()->upstreams.size() : 0; }
  std::vector<std::string> table_names() const {
    std::vector<std::string> names;
    for (const auto& upstream : control_.published()->upstreams) names.push_back(upstream->name);
    return names;
  }
  using Ordered = async::Task<Outcome<std::vector<std::string>>>;
  // `names` with spaces between them.
  Ordered add(uint64_t n, const std::string& names = "") { return supervisor_->add(order(n, names), 1); }
  Ordered remove(uint64_t n, const std::string& names = "", std::optional<std::chrono::milliseconds> drain = {}) {
    return supervisor_->remove(order(n, names), drain);
  }
  static CountOrder order(uint64_t n, const std::string& names) {
    CountOrder made;
    made.n = n;
    std::istringstream words(names);
    for (std::string word; words >> word;) made.hostnames.push_back(word);
    return made;
  }

  config::Settings settings_ = quick_settings();
  uint64_t start_timeout_ns_ = 3'000'000'000;
  proxy::Control control_{2};
  HeartbeatServer server_;
  FakeRuntime runtime_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace ringmaster::admin
