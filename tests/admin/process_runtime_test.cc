#include "admin/process_runtime.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <map>

#include "base/clock.h"
#include "fixture.h"

namespace ringmaster::admin {
namespace {

using async::Task;
using std::chrono::milliseconds;
using testing::HasSubstr;

// Remembers what the runtime says of each life.
struct Ledger final : RuntimeListener {
  struct Entry {
    SocketAddress address;
    int64_t pid = -1;
    std::string not_started, died;
    int ended = 0;
  };
  void on_running(uint64_t id, const Place& place) override {
    lives[id].address = place.address;
    lives[id].pid = place.pid;
  }
  void on_not_started(uint64_t id, const std::string& reason) override { lives[id].not_started = reason; }
  void on_died(uint64_t id, const std::string& reason) override { lives[id].died = reason; }
  void on_ended(uint64_t id) override { ++lives[id].ended; }
  void on_suspicion(uint64_t, const std::string&) override {}
  void on_condition() override {}
  std::map<uint64_t, Entry> lives;
};

class ProcessRuntimeTest : public AdminLoopTest {
 protected:
  void make(std::vector<std::string> arguments) {
    std::vector<std::string> command = {TINY_REPLICA};
    command.insert(command.end(), arguments.begin(), arguments.end());
    runtime_ = std::make_unique<ProcessRuntime>(loop_, command);
    runtime_->set_listener(ledger_);
  }
  void start(uint64_t id) { runtime_->start({id, "S" + std::to_string(id), id, 1}); }
  static bool alive(int64_t pid) { return ::kill(static_cast<pid_t>(pid), 0) == 0; }
  Task<bool> listens(uint64_t id) {
    for (int i = 0; i < 2000; ++i) {
      if (co_await loop_.connect(ledger_.lives[id].address, loop_.within(long_time, &never_))) co_return true;
      if (!ledger_.lives[id].died.empty()) co_return false;
      co_await loop_.sleep(milliseconds(1), &never_);
    }
    co_return false;
  }

  Ledger ledger_;
  std::unique_ptr<ProcessRuntime> runtime_;
};

TEST_F(ProcessRuntimeTest, StartsEachOnAPortOfItsOwnAndEndsIt) {
  make({});
  auto story = [this]() -> Task<void> {
    for (uint64_t id = 1; id <= 3; ++id) start(id);
    for (uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(co_await listens(id));
    EXPECT_NE(ledger_.lives[1].address, ledger_.lives[2].address);
    for (uint64_t id = 1; id <= 3; ++id) runtime_->end(id, milliseconds(5000));
    const auto all_ended = [&] {
      return ledger_.lives[1].ended + ledger_.lives[2].ended + ledger_.lives[3].ended == 3;
    };
    EXPECT_TRUE(co_await until(all_ended));
    for (uint64_t id = 1; id <= 3; ++id) {
      EXPECT_EQ(ledger_.lives[id].died, "") << "an end that was asked for is no death";
      EXPECT_FALSE(alive(ledger_.lives[id].pid));
    }
  };
  run(story());
}

TEST_F(ProcessRuntimeTest, DeathIsKnownAtOnceAndThePortIsKeptUntilTheEnd) {
  make({});
  auto story = [this]() -> Task<void> {
    start(1);
    EXPECT_TRUE(co_await listens(1));
    ::kill(static_cast<pid_t>(ledger_.lives[1].pid), SIGKILL);
    EXPECT_TRUE(co_await until([&] { return !ledger_.lives[1].died.empty(); })) << "nobody asks it: its pidfd tells";
    EXPECT_EQ(ledger_.lives[1].died, "killed by signal 9 (Killed)");
    EXPECT_EQ(ledger_.lives[1].ended, 0);
    const Fd stranger(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_NE(::bind(stranger.get(), ledger_.lives[1].address.data(), ledger_.lives[1].address.length()), 0);
    runtime_->end(1, milliseconds(0));
    EXPECT_TRUE(co_await until([&] { return ledger_.lives[1].ended == 1; }));
  };
  run(story());
}

TEST_F(ProcessRuntimeTest, OneThatIgnoresSigtermIsKilledAfterTheGrace) {
  make({"deaf"});
  auto story = [this]() -> Task<void> {
    start(1);
    EXPECT_TRUE(co_await listens(1));
    const uint64_t before_ns = monotonic_ns();
    runtime_->end(1, milliseconds(100));
    EXPECT_TRUE(co_await until([&] { return ledger_.lives[1].ended == 1; }));
    EXPECT_GE(monotonic_ns() - before_ns, 100'000'000U);
    EXPECT_FALSE(alive(ledger_.lives[1].pid));
  };
  run(story());
}

TEST_F(ProcessRuntimeTest, TheGraceCanBeShortened) {
  make({"deaf"});
  auto story = [this]() -> Task<void> {
    start(1);
    EXPECT_TRUE(co_await listens(1));
    runtime_->end(1, milliseconds(60'000));
    runtime_->end(1, milliseconds(0));
    EXPECT_TRUE(co_await until([&] { return ledger_.lives[1].ended == 1; }));
    runtime_->end(1, milliseconds(0));
  };
  // The first grace's timer is still running: its task sees that the process has died and returns with it.
  run(story());
  EXPECT_EQ(ledger_.lives[1].ended, 1);
}

TEST_F(ProcessRuntimeTest, OneThatIsStoppedBySignalIsEndedAllTheSame) {
  make({});
  auto story = [this]() -> Task<void> {
    start(1);
    EXPECT_TRUE(co_await listens(1));
    ::kill(static_cast<pid_t>(ledger_.lives[1].pid), SIGSTOP);
    runtime_->end(1, milliseconds(50));
    EXPECT_TRUE(co_await until([&] { return ledger_.lives[1].ended == 1; }));
  };
  run(story());
}

TEST_F(ProcessRuntimeTest, AServerThatCannotShareAPortGetsAFreeOneNextTime) {
  make({"private"});
  auto story = [this]() -> Task<void> {
    start(1);
    EXPECT_TRUE(co_await until([&] { return !ledger_.lives[1].died.empty(); }));
    EXPECT_EQ(ledger_.lives[1].died, "exited with status 98");
    start(2);
    EXPECT_TRUE(co_await listens(2));
    start(3);
    EXPECT_TRUE(co_await listens(3)) << "what was learnt is kept";
    for (uint64_t id = 1; id <= 3; ++id) runtime_->end(id, milliseconds(5000));
  };
  run(story());
}

TEST_F(ProcessRuntimeTest, AProgramThatVanishesIsAReason) {
  const std::string path = testing::TempDir() + "admin_vanishing_program_" + std::to_string(::getpid());
  ASSERT_EQ(::symlink(TINY_REPLICA, path.c_str()), 0);
  runtime_ = std::make_unique<ProcessRuntime>(loop_, std::vector<std::string>{path});
  runtime_->set_listener(ledger_);
  ::unlink(path.c_str());
  auto story = [this]() -> Task<void> {
    start(1);
    EXPECT_THAT(ledger_.lives[1].not_started, HasSubstr("No such file"));
    runtime_->end(1, milliseconds(0));
    EXPECT_TRUE(co_await until([&] { return ledger_.lives[1].ended == 1; }));
  };
  run(story());
}

TEST_F(ProcessRuntimeTest, AProgramThatIsNowhereIsRefusedAtTheStart) {
  EXPECT_THROW(ProcessRuntime(loop_, {"nothing-like-this"}), StartError);
  EXPECT_THROW(ProcessRuntime(loop_, {}), StartError);
}

}  // namespace
}  // namespace ringmaster::admin
