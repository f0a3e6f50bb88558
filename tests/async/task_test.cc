#include "async/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "async/loop.h"
#include "fixture.h"

namespace ringmaster::async {
namespace {

struct Counted {
  explicit Counted(int& the_count) : count(the_count) { ++count; }
  ~Counted() { --count; }
  int& count;
};

Task<int> doubled(int number) { co_return number * 2; }
Task<std::unique_ptr<std::string>> boxed(std::string text) { co_return std::make_unique<std::string>(std::move(text)); }

using TaskTest = LoopTest;

TEST_F(TaskTest, DoesNothingUntilItIsAwaited) {
  int live = 0;
  const auto task = [](int& count) -> Task<void> {
    Counted counted(count);
    co_return;
  };
  {
    Task<void> never = task(live);
    EXPECT_TRUE(never);
  }
  EXPECT_EQ(live, 0);
}

TEST_F(TaskTest, GivesItsResultToTheCaller) {
  int got = 0;
  std::string text;
  const auto task = [](int& number, std::string& words) -> Task<void> {
    number = co_await doubled(21);
    const std::unique_ptr<std::string> box = co_await boxed("moved, not copied");
    words = *box;
  };
  run(task(got, text));
  EXPECT_EQ(got, 42);
  EXPECT_EQ(text, "moved, not copied");
}

TEST_F(TaskTest, FreesTheFrameOfACalleeBeforeTheCallerGoesOn) {
  int live = 0;
  int seen = -1;
  const auto callee = [](Loop& loop, int& count) -> Task<void> {
    Counted counted(count);
    (void)co_await loop.sleep(std::chrono::milliseconds(1));
  };
  const auto caller = [&](Loop& loop, int& count, int& after) -> Task<void> {
    co_await callee(loop, count);
    after = count;
  };
  run(caller(loop_, live, seen));
  EXPECT_EQ(seen, 0);
}

// The bound on depth matters: a loop that awaits tasks which never suspend must not use up the stack.
TEST_F(TaskTest, AwaitsManyTasksOneAfterTheOther) {
  int64_t sum = 0;
  const auto task = [](int64_t& total) -> Task<void> {
    for (int i = 0; i < 2000; ++i) total += co_await doubled(i);
  };
  run(task(sum));
  EXPECT_EQ(sum, int64_t{1999} * 2000);
}

}  // namespace
}  // namespace ringmaster::async
