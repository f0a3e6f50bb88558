#include "uring/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace ringmaster::uring {

namespace {

constexpr uint64_t ms = 1'000'000;
constexpr uint64_t turn_ns = TimerWheel::tick_ns * TimerWheel::places;
constexpr uint64_t start_ns = 123'456'789'123;

std::vector<Timer*> expire(TimerWheel& wheel, uint64_t now_ns) {
  std::vector<Timer*> fired;
  wheel.expire(now_ns, [&](Timer& timer) { fired.push_back(&timer); });
  return fired;
}

// As a worker does it: sleeps until next_ns(), expires. The time at which the timer fired.
uint64_t fires_at(TimerWheel& wheel, Timer& timer, uint64_t now_ns) {
  while (timer.armed()) {
    now_ns = std::max(now_ns, wheel.next_ns());
    expire(wheel, now_ns);
  }
  return now_ns;
}

TEST(TimerWheel, FiresWithinATickAndNeverEarly) {
  for (const uint64_t delay_ns : {uint64_t{1}, 1 * ms, 8 * ms, 100 * ms, turn_ns - 1, turn_ns, turn_ns + 1,
                                  3'600'000 * ms}) {
    TimerWheel wheel(start_ns);
    Timer timer;
    wheel.set(timer, start_ns + delay_ns);
    const uint64_t fired_ns = fires_at(wheel, timer, start_ns);
    EXPECT_GE(fired_ns, start_ns + delay_ns);
    EXPECT_LT(fired_ns, start_ns + delay_ns + TimerWheel::tick_ns) << delay_ns;
  }
}

TEST(TimerWheel, PastDeadlineFiresAtTheNextExpiry) {
  TimerWheel wheel(start_ns);
  Timer timer;
  for (const uint64_t deadline_ns : {uint64_t{0}, start_ns - turn_ns, start_ns - 100 * ms}) {
    wheel.set(timer, deadline_ns);
    EXPECT_LE(wheel.next_ns(), start_ns);
    EXPECT_EQ(expire(wheel, start_ns), std::vector{&timer});
    EXPECT_FALSE(timer.armed());
  }
  EXPECT_EQ(wheel.next_ns(), UINT64_MAX);
}

TEST(TimerWheel, DisarmedTimerDoesNotFire) {
  TimerWheel wheel(start_ns);
  Timer timer;
  wheel.set(timer, start_ns + 50 * ms);
  EXPECT_EQ(wheel.armed(), 1u);
  wheel.disarm(timer);
  wheel.disarm(timer);
  EXPECT_EQ(wheel.armed(), 0u);
  EXPECT_EQ(wheel.next_ns(), UINT64_MAX);
  EXPECT_TRUE(expire(wheel, start_ns + turn_ns).empty());
}

TEST(TimerWheel, MovedTimerFiresAtItsNewTimeOnly) {
  TimerWheel wheel(start_ns);
  Timer later;
  Timer sooner;
  wheel.set(later, start_ns + 50 * ms);
  wheel.set(later, start_ns + 200 * ms);
  wheel.set(sooner, start_ns + 200 * ms);
  wheel.set(sooner, start_ns + 50 * ms);
  EXPECT_EQ(expire(wheel, start_ns + 100 * ms), std::vector{&sooner});
  EXPECT_EQ(expire(wheel, start_ns + 208 * ms), std::vector{&later});
}

TEST(TimerWheel, TimerThatNeverPassesDoesNotDisturbTheOthers) {
  TimerWheel wheel(start_ns);
  Timer never;
  Timer soon;
  wheel.set(never, UINT64_MAX);
  wheel.set(soon, start_ns + 10 * turn_ns);
  EXPECT_LT(fires_at(wheel, soon, start_ns), start_ns + 10 * turn_ns + TimerWheel::tick_ns);
  EXPECT_TRUE(never.armed());
  wheel.disarm(never);
}

TEST(TimerWheel, HandlerMaySetAndDisarmAnyTimer) {
  TimerWheel wheel(start_ns);
  Timer first;
  Timer second;
  Timer third;
  wheel.set(first, start_ns + 10 * ms);
  wheel.set(second, start_ns + 20 * ms);
  wheel.set(third, start_ns + 30 * ms);
  std::vector<Timer*> fired;
  wheel.expire(start_ns + 100 * ms, [&](Timer& timer) {
    fired.push_back(&timer);
    if (&timer != &first) return;
    wheel.disarm(second);
    wheel.set(third, start_ns + 500 * ms);
    wheel.set(first, start_ns + 300 * ms);
  });
  EXPECT_EQ(fired, std::vector{&first});
  EXPECT_EQ(wheel.armed(), 2u);
  EXPECT_EQ(expire(wheel, start_ns + 600 * ms), (std::vector{&first, &third}));
}

TEST(TimerWheel, HandlerThatSetsThePastDoesNotHoldTheLoop) {
  TimerWheel wheel(start_ns);
  Timer timer;
  wheel.set(timer, start_ns);
  int fired = 0;
  for (int i = 0; i < 3; ++i) {
    wheel.expire(start_ns + 10 * ms, [&](Timer& one) {
      ++fired;
      wheel.set(one, 0);
    });
  }
  EXPECT_EQ(fired, 3);
  wheel.disarm(timer);
}

TEST(TimerWheel, TimersFireInTheOrderOfTheirTicks) {
  TimerWheel wheel(start_ns);
  std::vector<std::unique_ptr<Timer>> timers;
  std::vector<Timer*> expected;
  for (uint64_t i = 0; i < 100; ++i) {
    timers.push_back(std::make_unique<Timer>());
    wheel.set(*timers.back(), start_ns + (i * 37 % 100 + 1) * 20 * ms);
    expected.push_back(timers.back().get());
  }
  std::ranges::sort(expected, {}, &Timer::deadline_ns);
  EXPECT_EQ(expire(wheel, start_ns + 3000 * ms), expected);
}

// Random operations against a sorted map. What must hold at each expiry: everything a tick past its deadline has
// fired, nothing has before its deadline, and next_ns() never lets a deadline go by for longer than a tick.
class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), timers_(40) {}
  ~Model() {
    for (Timer& timer : timers_) wheel_.disarm(timer);
  }

  void step() {
    Timer& timer = timers_[below(timers_.size())];
    switch (below(6)) {
      case 0: {
        wheel_.disarm(timer);
        deadlines_.erase(&timer);
        break;
      }
      case 1:
      case 2:
      case 3: {
        constexpr uint64_t reaches[] = {3 * TimerWheel::tick_ns, turn_ns / 4, turn_ns, 5 * turn_ns};
        const uint64_t deadline_ns = now_ns_ - 50 * ms + below(reaches[below(4)]);
        wheel_.set(timer, deadline_ns);
        deadlines_[&timer] = deadline_ns;
        break;
      }
      case 4:
        pass(below(4 * TimerWheel::tick_ns));
        break;
      case 5:
        if (below(20) == 0) pass(below(3 * turn_ns));
        else if (wheel_.next_ns() != UINT64_MAX) pass(wheel_.next_ns() - std::min(now_ns_, wheel_.next_ns()));
        break;
    }
    ASSERT_EQ(wheel_.armed(), deadlines_.size());
    uint64_t first_ns = UINT64_MAX;
    for (const auto& [armed, deadline_ns] : deadlines_) first_ns = std::min(first_ns, deadline_ns);
    if (first_ns == UINT64_MAX) ASSERT_EQ(wheel_.next_ns(), UINT64_MAX);
    else ASSERT_LT(wheel_.next_ns(), std::max(first_ns, now_ns_) + TimerWheel::tick_ns);
  }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }

  void pass(uint64_t time_ns) {
    now_ns_ += time_ns;
    wheel_.expire(now_ns_, [&](Timer& timer) {
      const auto found = deadlines_.find(&timer);
      ASSERT_NE(found, deadlines_.end()) << "fired without being armed";
      EXPECT_LE(found->second, now_ns_) << "fired early";
      EXPECT_EQ(timer.deadline_ns(), found->second);
      EXPECT_FALSE(timer.armed());
      deadlines_.erase(found);
    });
    for (const auto& [timer, deadline_ns] : deadlines_) {
      ASSERT_GT(deadline_ns + TimerWheel::tick_ns, now_ns_) << "not fired a tick after its deadline";
    }
  }

  std::mt19937_64 random_;
  uint64_t now_ns_ = start_ns;
  TimerWheel wheel_{start_ns};
  std::vector<Timer> timers_;
  std::map<Timer*, uint64_t> deadlines_;
};

TEST(TimerWheel, AgreesWithASortedMapUnderRandomOperations) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    for (int i = 0; i < 3000 && !testing::Test::HasFatalFailure(); ++i) model.step();
  }
}

TEST(TimerWheelDeathTest, DestroyingAnArmedTimerEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        TimerWheel wheel(0);
        Timer timer;
        wheel.set(timer, 1);
      },
      "broken invariant: !armed\\(\\)");
}

}  // namespace

}  // namespace ringmaster::uring
