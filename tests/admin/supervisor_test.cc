#include "admin/supervisor.h"

#include <gmock/gmock.h>

#include "admin/static_runtime.h"
#include "supervised.h"

namespace ringmaster::admin {
namespace {

using async::Task;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using Names = std::vector<std::string>;

class SupervisorTest : public SupervisedTest {
 protected:
  Task<void> add_and_remove(std::string name, int times) {
    for (int i = 0; i < times; ++i) {
      const auto added = co_await add(1, name);
      EXPECT_TRUE(added);
      const auto removed = co_await remove(1, name);
      EXPECT_TRUE(removed);
    }
  }
};

TEST_F(SupervisorTest, StartsTheFirstReplicasAndPublishesThemWhenReady) {
  tell([this]() -> Task<void> {
    EXPECT_THAT(table_names(), ElementsAre("Server1", "Server2"));
    EXPECT_TRUE(supervisor_->table_has_replicas());
    co_return;
  });
}

TEST_F(SupervisorTest, AddReturnsOnceAllAreInTheTable) {
  tell([this]() -> Task<void> {
    const auto added = co_await add(3, "S5 S4");
    EXPECT_TRUE(added);
    EXPECT_EQ(added->size(), 3U);
    const Names names = table_names();
    EXPECT_EQ(names.size(), 5U);
    EXPECT_EQ(names[2], "S5");
    EXPECT_EQ(names[3], "S4");
    EXPECT_TRUE(valid_name(names[4]));
  });
}

TEST_F(SupervisorTest, AddIsUndoneWhenTheThirdCannotStart) {
  runtime_.not_starting["C"] = "no space left on device";
  tell([this]() -> Task<void> {
    const uint64_t epoch = control_.published()->epoch;
    const auto added = co_await add(5, "A B C D E");
    EXPECT_FALSE(added);
    EXPECT_EQ(added.error().kind, Refused::Kind::failed);
    EXPECT_THAT(added.error().message, HasSubstr("'C' did not start"));
    EXPECT_THAT(added.error().message, HasSubstr("no space left on device"));
    EXPECT_EQ(control_.published()->epoch, epoch) << "no table ever named one of them";
    EXPECT_THAT(supervisor_->registry().names(), ElementsAre("Server1", "Server2"));
    EXPECT_TRUE(co_await until([&] { return runtime_.running.size() == 2; })) << "none is left running";
    EXPECT_TRUE(co_await add(1, "A")) << "the names are free again";
  });
}

TEST_F(SupervisorTest, AddIsUndoneWhenOneIsNotReadyInTime) {
  start_timeout_ns_ = 300'000'000;
  runtime_.addresses["B"] = closed_address();
  tell([this]() -> Task<void> {
    const auto added = co_await add(2, "A B");
    EXPECT_FALSE(added);
    const std::string message = added.error().message;
    EXPECT_THAT(message, testing::AnyOf(HasSubstr("1 of 2 were not ready"), HasSubstr("not ready within")));
    EXPECT_THAT(table_names(), ElementsAre("Server1", "Server2"));
  });
}

TEST_F(SupervisorTest, AddIsUndoneWhenOneDiesBeforeTheOthersAreReady) {
  runtime_.addresses["B"] = closed_address();
  tell([this]() -> Task<void> {
    auto killer = [this]() -> Task<void> {
      const bool ready = co_await until([&] {
        const Replica* a = supervisor_->registry().find("A");
        return a && a->state == State::ready;
      });
      EXPECT_TRUE(ready);
      runtime_.kill("A");
    };
    async::Group group(loop_);
    group.spawn(killer());
    const auto added = co_await add(2, "A B");
    EXPECT_FALSE(added);
    EXPECT_THAT(added.error().message, HasSubstr("'A' did not start: killed by the test"));
    co_await group.join();
  });
}

TEST_F(SupervisorTest, RemoveReturnsOnceTheTableIsWithoutThem) {
  tell([this]() -> Task<void> {
    EXPECT_TRUE(co_await add(2, "A B"));
    const auto removed = co_await remove(1, "A");
    EXPECT_TRUE(removed);
    EXPECT_THAT(table_names(), ElementsAre("Server1", "Server2", "B"));
    const auto others = co_await remove(2, "B");
    EXPECT_TRUE(others);
    EXPECT_EQ(others->front(), "B");
    EXPECT_EQ(table_size(), 1U);
  });
}

TEST_F(SupervisorTest, RemoveOfWhatIsNotThereChangesNothing) {
  tell([this]() -> Task<void> {
    EXPECT_EQ((co_await remove(3)).error().message, "n is 3, but there are only 2 replicas");
    const auto unknown = co_await remove(2, "Server1 X");
    EXPECT_EQ(unknown.error().kind, Refused::Kind::unknown);
    EXPECT_EQ(unknown.error().message, "there is no replica 'X'");
    const auto twice = co_await remove(2, "Server1 Server1");
    EXPECT_EQ(twice.error().message, "'Server1' is named twice");
    EXPECT_EQ(table_size(), 2U);
  });
}

TEST_F(SupervisorTest, RemovedReplicaIsEndedOnlyWhenTheWorkersHaveLetGo) {
  settings_.timeouts.drain = std::chrono::seconds(60);
  tell([this]() -> Task<void> {
    const proxy::UpstreamPtr upstream = control_.published()->upstreams[0];
    upstream->meters[1].connections.add(1);  // a worker has a connection to it
    EXPECT_TRUE(co_await remove(1, "Server1"));
    EXPECT_THAT(table_names(), ElementsAre("Server2"));
    co_await loop_.sleep(milliseconds(60), &never_);
    EXPECT_TRUE(runtime_.ended.empty());
    EXPECT_EQ(supervisor_->registry().retired().size(), 1U);
    upstream->meters[1].connections.subtract(1);
    EXPECT_TRUE(co_await until([&] { return runtime_.ended == Names{"Server1"}; }));
  });
}

TEST_F(SupervisorTest, DrainingTakesItsTimeAndNoLonger) {
  settings_.timeouts.drain = std::chrono::seconds(60);
  tell([this]() -> Task<void> {
    const proxy::UpstreamPtr upstream = control_.published()->upstreams[0];
    upstream->meters[0].connections.add(1);  // and it never lets go
    EXPECT_TRUE(co_await remove(1, "Server1", milliseconds(50)));
    EXPECT_TRUE(co_await until([&] { return runtime_.ended == Names{"Server1"}; }));
  });
}

TEST_F(SupervisorTest, OrdersAreCarriedOutOneAfterTheOther) {
  tell([this]() -> Task<void> {
    async::Group group(loop_);
    for (int k = 0; k < 4; ++k) group.spawn(add_and_remove("W" + std::to_string(k), 5));
    co_await group.join();
    EXPECT_EQ(runtime_.started.size(), 2U + 20);
    EXPECT_EQ(table_size(), 2U);
  });
}

TEST_F(SupervisorTest, DeadReplicaIsBackUnderItsNameAndPlace) {
  settings_.heartbeat.interval = std::chrono::hours(1);  // nothing but the quick questions can bring it back
  tell([this]() -> Task<void> {
    const uint64_t digest = control_.published()->table.digest();
    const uint64_t first = control_.published()->upstreams[0]->id;
    runtime_.kill("Server1");
    EXPECT_TRUE(co_await until([&] { return table_size() == 2 && control_.published()->upstreams[0]->id != first; }));
    EXPECT_EQ(control_.published()->table.digest(), digest) << "the same slots";
    EXPECT_EQ(supervisor_->registry().find("Server1")->epoch, 2U);
  });
}

TEST_F(SupervisorTest, ReplicaThatStopsAnsweringIsReplacedOneAtATime) {
  tell([this]() -> Task<void> {
    server_.status = 500;
    EXPECT_TRUE(co_await until([&] { return table_size() == 0; }));
    server_.status = 200;
    EXPECT_TRUE(co_await until([&] { return table_size() == 2; }));
    const uint32_t first = supervisor_->registry().find("Server1")->epoch;
    const uint32_t second = supervisor_->registry().find("Server2")->epoch;
    EXPECT_EQ(std::min(first, second), 1U) << "the second waited for the first, and came back by answering";
    EXPECT_EQ(std::max(first, second), 2U);
  });
}

TEST_F(SupervisorTest, TroubleOfAWorkerAsksTheReplicaAtOnce) {
  settings_.heartbeat.interval = std::chrono::hours(1);
  tell([this]() -> Task<void> {
    const int before = server_.asked;
    proxy::Trouble trouble;
    trouble.upstream_id = control_.published()->upstreams[0]->id;
    trouble.cause = http::Cause::replica_reset;
    control_.report(1, trouble);
    EXPECT_TRUE(co_await until([&] { return server_.asked == before + 1; }));
  });
}

TEST_F(SupervisorTest, EjectionByOneWorkerIsOneForAllUntilTheReplicaAnswersItsHeartbeat) {
  settings_.heartbeat.timeout = long_time;
  HeartbeatServer first(loop_, listen());
  runtime_.addresses["Server1"] = first.address();
  tell([this, &first]() -> Task<void> {
    const uint64_t id = control_.published()->upstreams[0]->id;
    first.open.reset();   // or it were back before anybody has looked
    const int before = first.asked;
    EXPECT_TRUE(co_await until([&] { return first.asked > before; })) << "what was asked before has been answered";
    control_.report(1, {id, http::Cause::replica_response_timeout, true});
    EXPECT_TRUE(co_await until([&] { return table_size() == 1; }));
    EXPECT_THAT(table_names(), ElementsAre("Server2"));
    control_.report(0, {control_.published()->upstreams[0]->id, http::Cause::replica_reset, true});
    EXPECT_TRUE(co_await until([&] { return supervisor_->registry().ejections_withheld() == 1; }));
    first.open.set();
    EXPECT_TRUE(co_await until([&] { return table_size() == 2; }));
    EXPECT_EQ(control_.published()->upstreams[0]->id, id) << "the same life";
    co_await first.stop();
  });
}

TEST_F(SupervisorTest, AnAdditionUnderWayFailsWhenTheProgramEnds) {
  runtime_.addresses["A"] = closed_address();
  tell([this]() -> Task<void> {
    std::optional<Outcome<Names>> outcome;
    async::Group group(loop_);
    auto adder = [&]() -> Task<void> { outcome = co_await add(1, "A"); };
    group.spawn(adder());
    EXPECT_TRUE(co_await until([&] { return supervisor_->registry().find("A") != nullptr; }));
    supervisor_->stop_healing();
    co_await group.join();
    EXPECT_TRUE(outcome && !*outcome);
    EXPECT_EQ(outcome->error().kind, Refused::Kind::ending);
    EXPECT_EQ((co_await add(1)).error().kind, Refused::Kind::ending);
    EXPECT_EQ((co_await remove(1)).error().kind, Refused::Kind::ending);
  });
}

TEST_F(SupervisorTest, TheDeadStayDeadWhenTheProgramEnds) {
  tell([this]() -> Task<void> {
    supervisor_->stop_healing();
    const size_t started = runtime_.started.size();
    runtime_.kill("Server1");
    EXPECT_TRUE(co_await until([&] { return table_size() == 1; }));
    co_await loop_.sleep(milliseconds(50), &never_);
    EXPECT_EQ(runtime_.started.size(), started);
  });
}

// Two servers of somebody else's, in the same loop.
class StaticSupervisorTest : public AdminLoopTest {
 protected:
  Task<void> story(Supervisor& supervisor, proxy::Control& control, HeartbeatServer& first, HeartbeatServer& second) {
    const auto table_size = [&] { return control.published() ? control.published()->upstreams.size() : 0; };
    EXPECT_TRUE(co_await until([&] { return table_size() == 2; }));
    const uint64_t id = control.published()->upstreams[0]->id;
    first.status = 503;
    EXPECT_TRUE(co_await until([&] { return table_size() == 1; }));
    EXPECT_EQ(control.published()->upstreams[0]->name, "r2");
    EXPECT_EQ(supervisor.registry().find("r1")->state, State::failing);
    first.status = 200;
    EXPECT_TRUE(co_await until([&] { return table_size() == 2; }));
    EXPECT_EQ(control.published()->upstreams[0]->id, id) << "the same life";
    CountOrder order;
    order.n = 1;
    const auto added = co_await supervisor.add(order, 1);
    EXPECT_FALSE(added);
    EXPECT_EQ(added.error().kind, Refused::Kind::conflict);
    EXPECT_TRUE(co_await supervisor.remove(order, {}));
    EXPECT_EQ(table_size(), 1U);
    co_await supervisor.stop(milliseconds(0));
    co_await first.stop();
    co_await second.stop();
  }
};

TEST_F(StaticSupervisorTest, EjectsAndReadmits) {
  HeartbeatServer first(loop_, listen()), second(loop_, listen());
  config::Settings settings = quick_settings();
  settings.heartbeat.interval = milliseconds(15);
  settings.replicas.runtime = config::Runtime::static_list;
  settings.replicas.static_list = {{"r1", first.address().text(), 1}, {"r2", second.address().text(), 2}};
  StaticRuntime runtime(settings.replicas.static_list);
  proxy::Control control(1);
  RegistrySettings registry;
  registry.table.slots = 256;
  registry.starts_replicas = runtime.starts_replicas();
  Supervisor supervisor(loop_, control, settings, runtime, registry);
  loop_.spawn(supervisor.run());
  run(story(supervisor, control, first, second));
}

TEST(StaticRuntime, RefusesAnAddressThatIsNone) {
  EXPECT_THROW(StaticRuntime({{"r1", "example.org:80", 1}}), StartError);
}

}  // namespace
}  // namespace ringmaster::admin
