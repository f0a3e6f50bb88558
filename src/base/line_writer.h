// Lines from threads that must not wait, into a file that may be slow, full or gone.
//
//   LineQueue    bytes of one producer for one consumer, bounded; a push takes a whole line or nothing, at the cost of
//                one copy: no lock, no system call, no allocation
//   LineWriter   one thread that takes from all queues what has come, and appends it to a file, "stdout" or a pipe
//
// What does not fit the queue, or cannot be written, is dropped in whole lines and counted. Where a write broke off in
// the middle of a line, the next one begins on a line of its own.
//
// reopen() opens the path anew, for those who rotate logs: rename the file, then ask. Where that fails the old file is
// kept, and the operator's log says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace ringmaster {

class LineQueue {
 public:
  // `bytes`: a power of two. Throws std::bad_alloc.
  explicit LineQueue(uint32_t bytes);

  // --- producer. `line` ends with '\n'. false: no room for all of it, and nothing was taken.
  bool push(std::string_view line) noexcept;

  // --- consumer
  // Appends what has come to `out`, whole lines, until `out` has `bytes_max` or the queue is empty.
  void take(std::string& out, size_t bytes_max);
  bool empty() const noexcept;

 private:
  const uint32_t size_;
  std::unique_ptr<char[]> bytes_;
  alignas(64) std::atomic<uint64_t> head_{0};   // taken up to here
  alignas(64) std::atomic<uint64_t> tail_{0};   // filled up to here
};

class LineWriter {
 public:
  static constexpr uint32_t queue_bytes = 1u << 20;
  // Called by the writer's thread: so many lines of that producer could not be written.
  using OnLost = std::function<void(uint32_t producer, uint64_t lines)>;

  // `path`: a file to append to (made where there is none, for owner and group only), a device, a pipe that somebody
  // reads, or "stdout". Throws StartError where it cannot be opened.
  LineWriter(std::string path, uint32_t producers, OnLost on_lost);
  // Writes what has come, for a second at most; what is left is lost. Its producers must have ended.
  ~LineWriter();

  LineQueue& queue(uint32_t producer) noexcept { return *queues_[producer]; }
  void reopen() noexcept;   // any thread; takes effect soon

 private:
  bool open();   // false: errno says why
  void run();
  bool write_round();
  size_t write(std::string_view batch);   // where it breaks off, failure_ says why
  void note_lost(uint64_t lines);
  void note_writable();
  bool wait_for_room();
  void pause(int time_ms);

  const std::string path_;
  const OnLost on_lost_;
  std::vector<std::unique_ptr<LineQueue>> queues_;
  Fd file_;
  Fd event_;
  std::string batch_;
  bool pipe_like_ = false;      // a write may block
  bool within_line_ = false;    // the last write broke off there
  int failure_ = 0;             // an errno; 0: none, or this is ending
  uint64_t lost_ = 0;           // lines, since it last took all for a while
  uint64_t lost_ns_ = 0;        // when the latest of them was
  int patience_ms_ = 1000;      // with a reader that stops, once this is ending
  std::atomic<bool> reopening_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace ringmaster
