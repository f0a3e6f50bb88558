#include "admin/heartbeat.h"

#include <gmock/gmock.h>

#include <map>

#include "fixture.h"

namespace ringmaster::admin {
namespace {

using async::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class HeartbeatTest : public AdminLoopTest, public HeartbeatListener {
 public:
  void on_answered(uint64_t id) override { ++answered_[id]; }
  void on_missed(uint64_t id, const std::string& reason, bool silent) override {
    ++missed_[id];
    silent_ = silent;
    reason_ = reason;
  }
  void tell(async::Task<void> (HeartbeatTest::*story)(Heartbeat&), const config::Settings::Heartbeat& settings) {
    Heartbeat heartbeat(loop_, settings, *this);
    loop_.spawn(heartbeat.run(scope_));
    run(tell_and_stop(story, heartbeat));
  }
  Task<void> tell_and_stop(Task<void> (HeartbeatTest::*story)(Heartbeat&), Heartbeat& heartbeat) {
    co_await (this->*story)(heartbeat);
    scope_.cancel();
  }

  Task<void> beats(Heartbeat& heartbeat) {
    HeartbeatServer server(loop_, listen());
    heartbeat.watch(1, server.address());
    EXPECT_TRUE(co_await until([&] { return answered_[1] >= 4; }));
    heartbeat.forget(1);
    const int before = answered_[1];
    co_await loop_.sleep(milliseconds(100), &never_);
    EXPECT_EQ(answered_[1], before) << "nothing is heard of a forgotten life";
    co_await server.stop();
  }
  Task<void> misses(Heartbeat& heartbeat) {
    HeartbeatServer server(loop_, listen());
    heartbeat.watch(1, closed_address());
    EXPECT_TRUE(co_await until([&] { return missed_[1] >= 2; }));
    EXPECT_THAT(reason_, HasSubstr("refused"));
    heartbeat.forget(1);
    server.status = 500;
    heartbeat.watch(2, server.address());
    EXPECT_TRUE(co_await until([&] { return missed_[2] >= 1; }));
    EXPECT_EQ(reason_, "answered 500");
    EXPECT_FALSE(silent_) << "it has answered";
    heartbeat.forget(2);
    server.status = 0;
    heartbeat.watch(3, server.address());
    EXPECT_TRUE(co_await until([&] { return missed_[3] >= 1; }));
    EXPECT_THAT(reason_, HasSubstr("timed out"));
    EXPECT_TRUE(silent_);
    heartbeat.forget(3);
    server.status = 204;
    heartbeat.watch(4, server.address());
    EXPECT_TRUE(co_await until([&] { return answered_[4] >= 1; })) << "any 2xx";
    heartbeat.forget(4);
    co_await server.stop();
  }
  // The beat is an hour here: only the quick questions at the start can bring an answer in time.
  Task<void> finds_a_starting_one(Heartbeat& heartbeat) {
    const SocketAddress address = closed_address();
    heartbeat.watch(1, address);
    EXPECT_TRUE(co_await until([&] { return missed_[1] >= 5; }));
    Result<async::Listener> listener = async::listen_on(address);
    EXPECT_TRUE(listener);
    HeartbeatServer server(loop_, std::move(*listener));
    EXPECT_TRUE(co_await until([&] { return answered_[1] >= 1; }));
    heartbeat.forget(1);
    co_await server.stop();
  }
  Task<void> heeds_nudges(Heartbeat& heartbeat) {
    HeartbeatServer server(loop_, listen());
    heartbeat.watch(1, server.address());
    EXPECT_TRUE(co_await until([&] { return answered_[1] == 1; }));
    for (int i = 0; i < 1000; ++i) heartbeat.nudge(1);
    EXPECT_TRUE(co_await until([&] { return answered_[1] == 2; })) << "long before the next beat";
    co_await loop_.sleep(milliseconds(150), &never_);
    EXPECT_LE(server.asked, 3) << "a storm of reports is no storm of questions";
    heartbeat.nudge(77);
    heartbeat.forget(1);
    co_await server.stop();
  }

  static config::Settings::Heartbeat settings(milliseconds interval) {
    config::Settings::Heartbeat made;
    made.path = "/heartbeat";
    made.interval = interval;
    made.timeout = milliseconds(100);
    return made;
  }
  async::CancelScope scope_;
  std::map<uint64_t, int> answered_, missed_;
  std::string reason_;
  bool silent_ = false;
};

TEST_F(HeartbeatTest, AsksAtEveryBeatUntilToldToForget) { tell(&HeartbeatTest::beats, settings(milliseconds(20))); }
TEST_F(HeartbeatTest, SaysWhyABeatWasMissed) { tell(&HeartbeatTest::misses, settings(milliseconds(20))); }
TEST_F(HeartbeatTest, AStartingReplicaIsFoundLongBeforeTheNextBeat) {
  tell(&HeartbeatTest::finds_a_starting_one, settings(seconds(3600)));
}
TEST_F(HeartbeatTest, ANudgeAsksAtOnceButNotTooOften) { tell(&HeartbeatTest::heeds_nudges, settings(seconds(3600))); }

TEST(PauseWhileStarting, GrowsFromFiveToAHundredMilliseconds) {
  EXPECT_EQ(pause_while_starting(milliseconds(0)), milliseconds(5));
  EXPECT_EQ(pause_while_starting(milliseconds(80)), milliseconds(10));
  EXPECT_EQ(pause_while_starting(milliseconds(800)), milliseconds(100));
  EXPECT_EQ(pause_while_starting(seconds(30)), milliseconds(100));
}

}  // namespace
}  // namespace ringmaster::admin
