// Loop: coroutines over a uring::Ring, for code in which text matters more than nanoseconds (the admin thread, the
// replica, the tests' clients).
//
//   uring::Ring& ring = …;  Loop loop(ring);
//   loop.spawn(serve(loop));
//   loop.run();                          // until every spawned task has returned
//
//   Result<size_t> got = co_await loop.receive(socket, buffer, loop.within(seconds(5), &scope));
//
// Promises
//   - An await returns only after the final completion of its operation: the buffers and addresses that it was given
//     are the caller's again, whatever happened. Deadlines and cancels ask the kernel to end the operation and wait for
//     that; where the operation was quicker, its result counts and nothing is lost.
//   - Nobody is resumed from within somebody else's call: whatever becomes ready is resumed by run(), in order.
//   - The only allocations are coroutine frames, and one for each Acceptor.
// Errors: timed_out (the deadline passed), cancelled (the scope was cancelled), closed, or os with the errno.
// Thread: a Loop and everything made with it belong to the thread that made the ring. To reach it from elsewhere, wait
// for readable() on an eventfd. At most one await in flight for each direction of a socket.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "async/task.h"
#include "base/address.h"
#include "base/error.h"
#include "base/intrusive_list.h"
#include "uring/ring.h"
#include "uring/timer_wheel.h"

namespace ringmaster::async {

class Loop;
class CancelScope;

// How long an await is willing to wait, and who may end it before.
struct Patience {
  uint64_t deadline_ns = UINT64_MAX;  // monotonic, as Loop::now_ns()
  CancelScope* scope = nullptr;       // nullptr: the loop's own, which stop() cancels
};

namespace detail {
struct ScopeTag;
struct ChildTag;
struct EventTag;
}  // namespace detail

// A suspended coroutine: what may resume it, and how it is found again. The base of all awaitables here.
class Wait : public uring::Timer, public Link<detail::ScopeTag> {
 public:
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

 protected:
  enum class Ended : uint8_t { no, timed_out, cancelled };

  Wait(Loop& loop, Patience patience) noexcept : loop_(loop), patience_(patience) {}
  virtual ~Wait() = default;

  // Arms the deadline and joins the scope. false: the scope is cancelled or the deadline past; ended() says which.
  bool begin() noexcept;
  // Leaves deadline and scope, and has run() resume the coroutine.
  void finish() noexcept;
  // The deadline has passed, or the scope was cancelled: see to it that finish() is called, now or later.
  virtual void interrupt() noexcept = 0;

  Ended ended() const noexcept { return ended_; }
  // The error of an await that was ended before it had a result.
  Error ended_error(const char* doing) const noexcept;

  Loop& loop_;
  std::coroutine_handle<> handle_;

 private:
  friend class Loop;
  friend class CancelScope;
  void end(Ended why) noexcept;

  Patience patience_;
  Ended ended_ = Ended::no;
  Wait* next_ready_ = nullptr;
};

// What the kernel has in hand for us. Lives until its final completion.
class Operation {
 public:
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

 protected:
  Operation() noexcept = default;
  virtual ~Operation() = default;
  // Called before each submission; gives the name under which the kernel knows it.
  uint64_t begin_operation(Loop& loop) noexcept;
  uint64_t user_data() const noexcept { return user_data_; }
  virtual void on_completion(const uring::Completion& completion) noexcept = 0;

 private:
  friend class Loop;
  uint64_t user_data_ = 0;
};

// An operation that completes once, and its coroutine.
class OperationWait : public Wait, public Operation {
 public:
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) noexcept;

 protected:
  using Wait::Wait;
  virtual void submit(uring::Ring& ring, uint64_t user_data) noexcept = 0;
  void on_completion(const uring::Completion& completion) noexcept override;
  void interrupt() noexcept override;
  // The count, or the error.
  Result<int32_t> result(const char* doing) const noexcept;

  int32_t result_ = 0;
  bool submitted_ = false;
};

class ReceiveWait final : public OperationWait {
 public:
  ReceiveWait(Loop& loop, int socket, std::span<char> bytes, bool expect_empty, Patience patience) noexcept
      : OperationWait(loop, patience), socket_(socket), bytes_(bytes), expect_empty_(expect_empty) {}
  Result<size_t> await_resume() const noexcept;

 private:
  void submit(uring::Ring& ring, uint64_t user_data) noexcept override;
  int socket_;
  std::span<char> bytes_;
  bool expect_empty_;
};

class SendWait final : public OperationWait {
 public:
  SendWait(Loop& loop, int socket, std::span<const char> bytes, uring::SendMode mode, Patience patience) noexcept
      : OperationWait(loop, patience), socket_(socket), bytes_(bytes), mode_(mode) {}
  bool await_ready() const noexcept { return bytes_.empty(); }
  Result<void> await_resume() const noexcept;

 private:
  void submit(uring::Ring& ring, uint64_t user_data) noexcept override;
  int socket_;
  std::span<const char> bytes_;
  uring::SendMode mode_;
};

// A connected socket, closed through the ring when it goes. Empty after a move.
class Socket {
 public:
  Socket() noexcept = default;
  Socket(uring::Ring& ring, int number) noexcept : ring_(&ring), number_(number) {}
  Socket(Socket&& other) noexcept : ring_(other.ring_), number_(std::exchange(other.number_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      reset();
      ring_ = other.ring_;
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~Socket() { reset(); }

  explicit operator bool() const noexcept { return number_ >= 0; }
  int get() const noexcept { return number_; }
  void reset() noexcept {
    if (number_ >= 0) ring_->close(std::exchange(number_, -1));
  }

 private:
  uring::Ring* ring_ = nullptr;
  int number_ = -1;
};

class ConnectWait final : public OperationWait {
 public:
  ConnectWait(Loop& loop, const SocketAddress& address, Patience patience) noexcept
      : OperationWait(loop, patience), address_(address) {}
  bool await_suspend(std::coroutine_handle<> handle) noexcept;
  Result<Socket> await_resume() noexcept;

 private:
  void submit(uring::Ring& ring, uint64_t user_data) noexcept override;
  SocketAddress address_;
  Socket socket_;
};

class ReadableWait final : public OperationWait {
 public:
  ReadableWait(Loop& loop, int descriptor, Patience patience) noexcept
      : OperationWait(loop, patience), descriptor_(descriptor) {}
  Result<void> await_resume() const noexcept;

 private:
  void submit(uring::Ring& ring, uint64_t user_data) noexcept override;
  void on_completion(const uring::Completion& completion) noexcept override;
  int descriptor_;
  bool readable_ = false;
};

class SleepWait final : public Wait {
 public:
  SleepWait(Loop& loop, uint64_t until_ns, CancelScope* scope) noexcept : Wait(loop, {until_ns, scope}) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) noexcept;
  Result<void> await_resume() const noexcept;

 private:
  void interrupt() noexcept override { finish(); }
};

class TurnWait final : public Wait {
 public:
  explicit TurnWait(Loop& loop) noexcept : Wait(loop, {}) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept;
  void await_resume() const noexcept {}

 private:
  void interrupt() noexcept override {}
};

// Ends awaits from outside: every await that names this scope, or a scope below it, returns `cancelled`, and so does
// every later one. For the end of a connection, of a heartbeat, of everything. Must outlive its awaits and children.
class CancelScope : public Link<detail::ChildTag> {
 public:
  CancelScope() noexcept = default;                          // cancelled by cancel() only
  explicit CancelScope(CancelScope& parent) noexcept;        // and with its parent
  ~CancelScope();

  void cancel() noexcept;  // may be called from anywhere in the loop's thread, twice too
  bool cancelled() const noexcept { return cancelled_; }

 private:
  friend class Wait;
  List<Wait, detail::ScopeTag> waits_;
  List<CancelScope, detail::ChildTag> children_;
  bool cancelled_ = false;
};

// Manual reset, any number of waiters. set() lets all of them go, and every later wait() until reset().
class Event {
 public:
  class EventWait;
  explicit Event(Loop& loop) noexcept : loop_(loop) {}
  ~Event();  // nobody may be waiting
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set() noexcept;
  void reset() noexcept { set_ = false; }
  bool is_set() const noexcept { return set_; }
  EventWait wait(Patience patience = {}) noexcept;  // -> Result<void>

 private:
  Loop& loop_;
  List<EventWait, detail::EventTag> waits_;
  bool set_ = false;
};

class Event::EventWait final : public Wait, public Link<detail::EventTag> {
 public:
  EventWait(Loop& loop, Event& event, Patience patience) noexcept : Wait(loop, patience), event_(event) {}
  bool await_ready() const noexcept { return event_.set_; }
  bool await_suspend(std::coroutine_handle<> handle) noexcept;
  Result<void> await_resume() const noexcept;

 private:
  friend class Event;
  void interrupt() noexcept override;
  Event& event_;
};

// One at a time, in the order of asking: Mutex::Guard guard = co_await mutex.lock();
class Mutex {
 public:
  class Guard {
   public:
    Guard() noexcept = default;
    explicit Guard(Mutex& mutex) noexcept : mutex_(&mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (mutex_) mutex_->unlock();
    }

   private:
    Mutex* mutex_ = nullptr;
  };

  explicit Mutex(Loop& loop) noexcept : turn_(loop) {}
  // Never given up: whoever holds it must come to an end. Its waiting is not ended by any scope.
  Task<Guard> lock();

 private:
  void unlock() noexcept;
  Event turn_;          // set while someone may look whether it is their turn
  CancelScope never_;
  uint64_t next_ticket_ = 0;
  uint64_t serving_ = 0;
};

// The connections of a listener. Accepts from the first next() on, and keeps what has come until it is asked for; what
// is left at the end is closed. Belongs into a task: while it accepts, run() does not return. The listener itself stays
// its owner's, who keeps it open until `co_await acceptor.end()`, or run(), has returned.
class Acceptor {
 public:
  class AcceptWait;
  Acceptor(Loop& loop, int listener);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // The next connection. os with EMFILE and the like: accepting stops until the next call; sleep a little before it.
  AcceptWait next(Patience patience = {}) noexcept;  // -> Result<Socket>
  // Accepts no more; returns when the kernel has let go of the listener. Not while next() is awaited.
  Task<void> end();

 private:
  struct State;
  friend class AcceptWait;
  std::unique_ptr<State> state_;  // its own when the Acceptor goes before the kernel has let go
};

class Acceptor::AcceptWait final : public Wait {
 public:
  AcceptWait(Loop& loop, State& state, Patience patience) noexcept : Wait(loop, patience), state_(state) {}
  bool await_ready() const noexcept;
  bool await_suspend(std::coroutine_handle<> handle) noexcept;
  Result<Socket> await_resume() noexcept;

 private:
  friend struct Acceptor::State;
  void interrupt() noexcept override;
  State& state_;
};

class Loop {
 public:
  explicit Loop(uring::Ring& ring) noexcept;
  ~Loop();  // run() must have returned, or nothing have been spawned
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until every spawned task has returned and no operation is left with the kernel. May be called again.
  void run();
  // Cancels scope(), and by that every await that names no other, those to come too: a task that is to finish work in
  // order brings a CancelScope of its own. Tasks must return when an await says `cancelled`.
  void stop() noexcept { scope_.cancel(); }
  CancelScope& scope() noexcept { return scope_; }

  // Starts it in the next turn of run(); frees it at its end.
  void spawn(Task<void> task);

  uint64_t now_ns() const noexcept { return ring_.now_ns(); }
  Patience within(std::chrono::nanoseconds time, CancelScope* scope = nullptr) const noexcept {
    return {now_ns() + static_cast<uint64_t>(time.count()), scope};
  }

  // --- awaitables: co_await each where it is made; none may be kept -------------------------------------------------
  // One arrival; 0 at the end of the stream. -> Result<size_t>. `expect_empty`: a hint, see Ring::receive.
  ReceiveWait receive(int socket, std::span<char> bytes, Patience patience = {}, bool expect_empty = false) noexcept {
    return ReceiveWait(*this, socket, bytes, expect_empty, patience);
  }
  // All of the bytes, or an error after which the stream is broken. -> Result<void>
  SendWait send(int socket, std::span<const char> bytes, Patience patience = {},
                uring::SendMode mode = uring::SendMode::now) noexcept {
    return SendWait(*this, socket, bytes, mode, patience);
  }
  // -> Result<Socket>
  ConnectWait connect(const SocketAddress& address, Patience patience = {}) noexcept {
    return ConnectWait(*this, address, patience);
  }
  // For eventfd, timerfd, signalfd, pidfd, inotify: returns when it is readable, at once where it already is.
  // -> Result<void>
  ReadableWait readable(int descriptor, Patience patience = {}) noexcept {
    return ReadableWait(*this, descriptor, patience);
  }
  // Not shorter than asked for, at most one tick of the wheel (8 ms) longer. -> Result<void>: cancelled, or nothing.
  SleepWait sleep(std::chrono::nanoseconds time, CancelScope* scope = nullptr) noexcept {
    return SleepWait(*this, now_ns() + static_cast<uint64_t>(time.count()), scope);
  }
  SleepWait sleep_until(uint64_t deadline_ns, CancelScope* scope = nullptr) noexcept {
    return SleepWait(*this, deadline_ns, scope);
  }
  // Lets everything else that is ready go first.
  TurnWait turn() noexcept { return TurnWait(*this); }

  // --- for the awaitables -------------------------------------------------------------------------------------------
  uring::Ring& ring() noexcept { return ring_; }
  uring::TimerWheel& timers() noexcept { return timers_; }
  void make_ready(Wait& wait) noexcept;
  uint32_t tasks() const noexcept { return tasks_; }

 private:
  friend class Operation;
  struct Detached;
  static Detached drive(Loop& loop, Task<void> task);
  void resume_ready() noexcept;
  void reap();

  uring::Ring& ring_;
  uring::TimerWheel timers_;
  CancelScope scope_;
  Wait* ready_first_ = nullptr;
  Wait* ready_last_ = nullptr;
  uint32_t tasks_ = 0;
  uint32_t operations_ = 0;  // with the kernel
  uint16_t sequence_ = 0;
};

// Tasks that one waits for together.
class Group {
 public:
  explicit Group(Loop& loop) noexcept : loop_(loop), empty_(loop) { empty_.set(); }
  ~Group() { ensure(running_ == 0); }

  void spawn(Task<void> task);
  uint32_t running() const noexcept { return running_; }
  // Returns when none is left; timed_out or cancelled where `patience` ends before (default: for ever, whatever stops).
  Task<Result<void>> join(Patience patience);
  Task<void> join();

 private:
  static Task<void> counted(Group& group, Task<void> task);
  Loop& loop_;
  Event empty_;
  CancelScope never_;
  uint32_t running_ = 0;
};

}  // namespace ringmaster::async
