// The operator's log, read from the pipe that standard error is meanwhile.
#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "base/fd.h"

namespace ringmaster {
namespace {

class Log : public ::testing::Test {
 protected:
  Log() : kept_(dup(STDERR_FILENO)) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    read_end_ = Fd(ends[0]);
    Fd write_end(ends[1]);
    flush_log();
    dup2(write_end.get(), STDERR_FILENO);
  }
  ~Log() override {
    flush_log();
    dup2(kept_.get(), STDERR_FILENO);
  }

  // What has been written by now.
  std::string read_now() {
    std::string text(1 << 16, '\0');
    const ssize_t got = ::read(read_end_.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }
  // What has been written when this is among it, within five seconds.
  std::string read_until(std::string_view wanted) {
    std::string text;
    for (int tries = 0; tries < 50 && text.find(wanted) == std::string::npos; ++tries) {
      pollfd ready{read_end_.get(), POLLIN, 0};
      poll(&ready, 1, 100);
      text += read_now();
    }
    return text;
  }
  static bool in_order(const std::string& text, std::initializer_list<std::string_view> lines) {
    size_t at = 0;
    for (const std::string_view line : lines) {
      at = text.find(line, at);
      if (at == std::string::npos) return false;
    }
    return true;
  }

 private:
  Fd kept_, read_end_;
};

TEST_F(Log, IsAllWrittenOnceFlushed) {
  for (int round = 0; round < 20; ++round) {
    log_info("first of {}", round);
    log_warning("second of {}", round);
    log_info("third of {}", round);
    flush_log();
    const std::string text = read_now();
    EXPECT_TRUE(in_order(text, {" info first of ", " warning second of ", " info third of "})) << text;
  }
}

TEST_F(Log, LinesThatHaveGatheredAreWritten) {
  log_info("begin");
  read_until("begin\n");
  for (int i = 0; i < 100; ++i) log_info("line {}", i);
  const std::string text = read_until("line 99\n");
  for (int i = 0; i < 100; ++i) EXPECT_NE(text.find(" info line " + std::to_string(i) + "\n"), std::string::npos) << i;
}

// Each would wait for 50 ms if it were only information: 100 of them for five seconds.
TEST_F(Log, ErrorsDoNotWait) {
  using std::chrono::steady_clock;
  const auto begin = steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    const std::string told = "trouble " + std::to_string(i) + "\n";
    log_info("before");
    log_error("trouble {}", i);
    const std::string text = read_until(told);
    ASSERT_TRUE(in_order(text, {" info before\n", " error trouble "})) << text;
  }
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_F(Log, NoLineIsLostInABurst) {
  const uint64_t dropped = log_lines_dropped();
  std::string text;
  for (int i = 0; i < 1000; ++i) log_info("of many {}", i);
  text = read_until("of many 999\n");
  EXPECT_EQ(log_lines_dropped(), dropped);
  EXPECT_TRUE(in_order(text, {"of many 0\n", "of many 500\n", "of many 999\n"}));
}

}  // namespace
}  // namespace ringmaster
