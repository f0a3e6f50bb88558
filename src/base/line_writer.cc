#include "base/line_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

namespace ringmaster {

namespace {

constexpr size_t batch_bytes_max = 256 * 1024;
constexpr size_t pipe_bytes = 4096;      // a pipe that polls writable takes as much without blocking (pipe(7))
constexpr int idle_pause_ms = 100;
constexpr int busy_pause_ms = 5;

}  // namespace

// --- the queue ------------------------------------------------------------------------------------------------------

LineQueue::LineQueue(uint32_t bytes) : size_(bytes), bytes_(new char[bytes]) {
  ensure(bytes > 0 && (bytes & (bytes - 1)) == 0);
}

bool LineQueue::push(std::string_view line) noexcept {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (line.size() > size_ - (tail - head_.load(std::memory_order_acquire))) return false;
  const size_t at = tail & (size_ - 1);
  const size_t first = std::min<size_t>(line.size(), size_ - at);
  memcpy(bytes_.get() + at, line.data(), first);
  memcpy(bytes_.get(), line.data() + first, line.size() - first);
  tail_.store(tail + line.size(), std::memory_order_release);
  return true;
}

bool LineQueue::empty() const noexcept {
  return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire);
}

void LineQueue::take(std::string& out, size_t bytes_max) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t there = tail_.load(std::memory_order_acquire) - head;
  const size_t room = bytes_max - std::min(bytes_max, out.size());
  const size_t before = out.size();
  const size_t size = std::min<size_t>(there, room);
  const size_t at = head & (size_ - 1);
  const size_t first = std::min<size_t>(size, size_ - at);
  out.append(bytes_.get() + at, first).append(bytes_.get(), size - first);
  if (size < there) out.resize(std::max(before, out.rfind('\n') + 1));  // the batch is full: whole lines only
  head_.store(head + out.size() - before, std::memory_order_release);
}

// --- the writer -----------------------------------------------------------------------------------------------------

LineWriter::LineWriter(std::string path, uint32_t producers, OnLost on_lost)
    : path_(std::move(path)), on_lost_(std::move(on_lost)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_ || !open()) {
    throw StartError(ExitCode::configuration,
                     fmt::format("log.access: {}: {}", path_, to_string(Error::from_errno(errno, "open"))),
                     "name a file in a folder that exists and that this user may write to, or \"stdout\"");
  }
  for (uint32_t i = 0; i < producers; ++i) queues_.push_back(std::make_unique<LineQueue>(queue_bytes));
  batch_.reserve(batch_bytes_max);
  thread_ = std::thread([this] { run(); });
}

LineWriter::~LineWriter() {
  ending_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
  thread_.join();
}

void LineWriter::reopen() noexcept {
  reopening_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

// O_NONBLOCK: a named pipe without a reader is an error at once, and a full one does not hold the thread.
bool LineWriter::open() {
  Fd file(path_ == "stdout"
              ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
              : ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
  if (!file) return false;
  struct stat about {};
  pipe_like_ = fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode);
  file_ = std::move(file);
  return true;
}

void LineWriter::pause(int time_ms) {
  pollfd ready{event_.get(), POLLIN, 0};
  if (::poll(&ready, 1, time_ms) <= 0) return;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
}

void LineWriter::run() {
  pthread_setname_np(pthread_self(), "access-log");
  bool busy = false;
  while (!ending_.load(std::memory_order_acquire)) {
    pause(busy ? busy_pause_ms : idle_pause_ms);
    if (reopening_.exchange(false, std::memory_order_acq_rel)) {
      write_round();  // what came before belongs to the old file
      const bool opened = open();
      if (opened) log_info("access log: {} is open anew", path_);
      else log_error("access log: {} cannot be opened anew, going on with the old one: {}", path_, strerror(errno));
    }
    busy = write_round();
  }
  while (write_round()) {
  }
}

// true: there was something.
bool LineWriter::write_round() {
  bool some = false;
  for (uint32_t producer = 0; producer < queues_.size(); ++producer) {
    batch_.clear();
    if (within_line_) batch_ += '\n';
    const size_t empty = batch_.size();
    queues_[producer]->take(batch_, batch_bytes_max);
    if (batch_.size() == empty) continue;
    some = true;
    const size_t written = write(batch_);
    if (written > 0) within_line_ = batch_[written - 1] != '\n';
    if (written == batch_.size()) {
      note_writable();
      continue;
    }
    // The lines that end in what was not written: the one that was broken off is among them.
    const auto lost = std::count(batch_.begin() + static_cast<ptrdiff_t>(std::max(written, empty)), batch_.end(), '\n');
    on_lost_(producer, static_cast<uint64_t>(lost));
    note_lost(static_cast<uint64_t>(lost));
  }
  return some;
}

// The operator hears of the first loss and of the end of it, not of each.
void LineWriter::note_lost(uint64_t lines) {
  if (lost_ == 0 && failure_ != 0) {
    log_error("access log: {}: write: {}; lines are lost, and counted in ringmaster_access_lines_lost_total, until it "
              "takes them again: make room, or move it elsewhere and send SIGHUP",
              path_, strerror(failure_));
  }
  lost_ += lines;
  lost_ns_ = monotonic_ns();
}

void LineWriter::note_writable() {
  // A disk that is nearly full takes some and then none, many times a second.
  constexpr uint64_t calm_ns = 1'000'000'000;
  if (lost_ == 0 || monotonic_ns() - lost_ns_ < calm_ns) return;
  log_info("access log: {} takes lines again; {} were lost", path_, lost_);
  lost_ = 0;
}

// How much of it.
size_t LineWriter::write(std::string_view batch) {
  size_t done = 0;
  failure_ = 0;
  while (done < batch.size()) {
    if (pipe_like_ && !wait_for_room()) break;
    const size_t size = pipe_like_ ? std::min(pipe_bytes, batch.size() - done) : batch.size() - done;
    const ssize_t written = ::write(file_.get(), batch.data() + done, size);
    if (written > 0) {
      done += static_cast<size_t>(written);
    } else if (written == 0 || (errno != EINTR && errno != EAGAIN)) {
      failure_ = written == 0 ? ENOSPC : errno;
      break;
    }
  }
  return done;
}

// A reader that stops is waited for: meanwhile the queues fill, and their producers count what they drop.
bool LineWriter::wait_for_room() {
  constexpr int step_ms = 50;
  for (;;) {
    pollfd ready{file_.get(), POLLOUT, 0};
    const int found = ::poll(&ready, 1, step_ms);
    if (found > 0) return true;  // or an error, which the write will name
    if (found < 0 && errno != EINTR) return false;
    if (!ending_.load(std::memory_order_acquire)) continue;
    if (patience_ms_ <= 0) return false;
    patience_ms_ -= step_ms;
  }
}

}  // namespace ringmaster
