#include "base/line_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

class LineWriterTest : public testing::Test {
 protected:
  LineWriterTest() { std::filesystem::create_directories(folder_); }
  ~LineWriterTest() override { std::filesystem::remove_all(folder_); }

  static std::string read(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  template <class Holds>
  static bool until(Holds holds) {
    for (int i = 0; i < 2000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  std::unique_ptr<LineWriter> writer(const std::string& path, uint32_t producers = 1) {
    return std::make_unique<LineWriter>(path, producers, [this](uint32_t, uint64_t lines) { lost_ += lines; });
  }

  const std::string folder_ = testing::TempDir() + "line_writer_" + std::to_string(getpid());
  const std::string path_ = folder_ + "/access.log";
  std::atomic<uint64_t> lost_{0};
};

TEST(LineQueue, TakesWholeLinesOrNothing) {
  LineQueue queue(16);
  EXPECT_TRUE(queue.push("0123456789\n"));
  EXPECT_FALSE(queue.push("01234\n"));
  EXPECT_TRUE(queue.push("0123\n"));
  std::string out;
  queue.take(out, 100);
  EXPECT_EQ(out, "0123456789\n0123\n");
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.push("over the edge\n"));
  out.clear();
  queue.take(out, 100);
  EXPECT_EQ(out, "over the edge\n");
  EXPECT_FALSE(queue.push("longer than the whole queue\n"));
}

TEST(LineQueue, GivesWholeLinesWhereTheBatchIsFull) {
  LineQueue queue(64);
  for (const char* line : {"one\n", "two\n", "three\n"}) ASSERT_TRUE(queue.push(line));
  std::string out;
  queue.take(out, 10);
  EXPECT_EQ(out, "one\ntwo\n");
  queue.take(out, 100);
  EXPECT_EQ(out, "one\ntwo\nthree\n");
}

TEST_F(LineWriterTest, WritesEveryLineOfEveryProducerInItsOrder) {
  constexpr int lines = 20'000;
  std::atomic<uint64_t> full{0};
  {
    auto under_test = writer(path_, 2);
    std::vector<std::thread> producers;
    for (uint32_t producer = 0; producer < 2; ++producer) {
      producers.emplace_back([&, producer] {
        for (int i = 0; i < lines; ++i) {
          const std::string line = std::to_string(producer) + " " + std::to_string(i) + "\n";
          while (!under_test->queue(producer).push(line)) {
            ++full;
            std::this_thread::sleep_for(1ms);
          }
        }
      });
    }
    for (std::thread& producer : producers) producer.join();
  }
  std::ifstream file(path_);
  int next[2] = {0, 0};
  int producer = 0, number = 0;
  while (file >> producer >> number) {
    ASSERT_TRUE(producer == 0 || producer == 1);
    ASSERT_EQ(number, next[producer]++);
  }
  EXPECT_EQ(next[0], lines);
  EXPECT_EQ(next[1], lines);
  EXPECT_EQ(lost_, 0u);
}

TEST_F(LineWriterTest, ReopensWhereTheFileWasRenamed) {
  auto under_test = writer(path_);
  under_test->queue(0).push("before\n");
  ASSERT_TRUE(until([&] { return read(path_) == "before\n"; }));
  std::filesystem::rename(path_, path_ + ".1");
  under_test->reopen();
  ASSERT_TRUE(until([&] { return std::filesystem::exists(path_); }));
  under_test->queue(0).push("after\n");
  ASSERT_TRUE(until([&] { return read(path_) == "after\n"; }));
  EXPECT_EQ(read(path_ + ".1"), "before\n");
}

TEST_F(LineWriterTest, KeepsTheOldFileWhereItCannotBeReopened) {
  auto under_test = writer(path_);
  under_test->queue(0).push("before\n");
  ASSERT_TRUE(until([&] { return read(path_) == "before\n"; }));
  std::filesystem::rename(path_, folder_ + "/old");
  std::filesystem::create_directory(path_);  // no file can be opened there
  under_test->reopen();
  under_test->queue(0).push("after\n");
  EXPECT_TRUE(until([&] { return read(folder_ + "/old") == "before\nafter\n"; }));
}

TEST_F(LineWriterTest, CountsWhatAFullDiskLoses) {
  auto under_test = writer("/dev/full");
  for (int i = 0; i < 7; ++i) under_test->queue(0).push("line\n");
  EXPECT_TRUE(until([&] { return lost_ == 7; })) << lost_;
}

// The reader of a pipe stops: the writer's thread waits, its producers do not.
TEST_F(LineWriterTest, WaitsForASlowReaderAndEndsWithoutIt) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const Fd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto under_test = writer(path_);
  const std::string line(999, 'x');
  uint64_t taken = 0;
  ASSERT_TRUE(until([&] {
    while (under_test->queue(0).push(line + "\n")) ++taken;
    return taken > 1100;  // the queue, and what the pipe and the writer hold
  }));
  EXPECT_EQ(lost_, 0u) << "a reader that is slow has lost nothing yet";
  const auto began = std::chrono::steady_clock::now();
  under_test.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  EXPECT_GT(lost_, 0u);
  EXPECT_LT(lost_, taken);
}

TEST_F(LineWriterTest, RefusesAPathThatCannotBeOpened) {
  EXPECT_THROW(writer(folder_ + "/no/such/folder/log"), StartError);
  EXPECT_THROW(writer(folder_), StartError);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THROW(writer(path_), StartError) << "a pipe that nobody reads";
}

}  // namespace
}  // namespace ringmaster
