#include "base/log.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/utc.h"

namespace ringmaster {

namespace {

constexpr size_t queue_lines_max = 4096;
constexpr std::chrono::milliseconds gathering_time{50};
constexpr const char* level_names[] = {"debug", "info", "warning", "error"};

std::string timestamp() { return utc_stamp(std::chrono::system_clock::now()); }

// Lives until the process ends: any thread may log at any time, also while static objects are being destroyed.
class Writer {
 public:
  static Writer& instance() {
    static Writer* writer = new Writer;
    return *writer;
  }

  void add(LogLevel level, std::string text) {
    std::string line = timestamp() + ' ' + level_names[static_cast<int>(level)] + ' ' + std::move(text) + '\n';
    bool wakes = false;
    {
      std::lock_guard lock(mutex_);
      if (lines_.size() >= queue_lines_max) {
        dropped_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      lines_.push_back(std::move(line));
      if (!started_) {
        std::thread([this] { run(); }).detach();
        started_ = true;
      }
      urgent_ = urgent_ || level >= LogLevel::warning || lines_.size() > queue_lines_max / 2;
      wakes = urgent_ || idle_;
    }
    if (wakes) wake_.notify_one();  // not before: it would only wait for the lock
  }

  void flush() {
    std::unique_lock lock(mutex_);
    urgent_ = true;
    wake_.notify_one();
    written_.wait_for(lock, std::chrono::seconds(1), [this] { return lines_.empty() && !writing_; });
  }

  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      idle_ = true;
      wake_.wait(lock, [this] { return !lines_.empty(); });
      idle_ = false;
      while (!lines_.empty()) {
        write_lines(lock);
        wake_.wait_for(lock, gathering_time, [this] { return urgent_ && !lines_.empty(); });
      }
    }
  }

  // Until there are none.
  void write_lines(std::unique_lock<std::mutex>& lock) {
    writing_ = true;
    while (!lines_.empty()) {
      std::string line = std::move(lines_.front());
      lines_.pop_front();
      lock.unlock();
      const uint64_t lost = dropped();
      if (lost != said_) line = fmt::format("{} warning log: {} lines dropped so far\n", timestamp(), lost) + line;
      if (write_all(line)) said_ = lost;
      else dropped_.fetch_add(1, std::memory_order_relaxed);
      lock.lock();
    }
    writing_ = urgent_ = false;
    written_.notify_all();
  }

  static bool write_all(const std::string& line) {
    size_t done = 0;
    while (done < line.size()) {
      const ssize_t n = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
      if (n > 0) {
        done += static_cast<size_t>(n);
      } else if (errno == EAGAIN) {
        pollfd ready{STDERR_FILENO, POLLOUT, 0};
        if (::poll(&ready, 1, 1000) <= 0) return false;
      } else if (errno != EINTR) {
        return false;  // no space, a closed pipe: the line is lost, the program is not
      }
    }
    return true;
  }

  std::mutex mutex_;
  std::condition_variable wake_, written_;
  std::deque<std::string> lines_;
  std::atomic<uint64_t> dropped_{0};
  uint64_t said_ = 0;
  bool started_ = false;
  bool idle_ = false;      // waits for a first line
  bool writing_ = false;
  bool urgent_ = false;    // do not gather
};

std::atomic<LogLevel> lowest_level{LogLevel::info};

}  // namespace

void log_line(LogLevel level, std::string text) noexcept {
  if (level < lowest_level.load(std::memory_order_relaxed)) return;
  try {
    Writer::instance().add(level, std::move(text));
  } catch (...) {  // no memory for a log line is no reason to end
  }
}

void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) noexcept {
  if (level < lowest_level.load(std::memory_order_relaxed)) return;
  try {
    Writer::instance().add(level, fmt::vformat(format, arguments));
  } catch (...) {
  }
}

void set_log_level(LogLevel lowest) noexcept { lowest_level.store(lowest, std::memory_order_relaxed); }
uint64_t log_lines_dropped() noexcept { return Writer::instance().dropped(); }
void flush_log() noexcept { Writer::instance().flush(); }

}  // namespace ringmaster
