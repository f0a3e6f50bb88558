#include "async/loop.h"

#include <errno.h>

#include <deque>
#include <utility>

namespace ringmaster::async {

namespace {

// user_data is the operation's address and, in the bits that user space's addresses do not use, a number that changes
// from one operation to the next: a cancel that comes too late must not find its successor at the same address.
constexpr int address_bits = 48;
constexpr uint64_t address_mask = (uint64_t{1} << address_bits) - 1;

}  // namespace

// --- waits -----------------------------------------------------------------------------------------------------------

bool Wait::begin() noexcept {
  if (!patience_.scope) patience_.scope = &loop_.scope();
  if (patience_.scope->cancelled()) {
    ended_ = Ended::cancelled;
    return false;
  }
  if (patience_.deadline_ns != UINT64_MAX) {
    if (patience_.deadline_ns <= loop_.now_ns()) {
      ended_ = Ended::timed_out;
      return false;
    }
    loop_.timers().set(*this, patience_.deadline_ns);
  }
  patience_.scope->waits_.push_back(*this);
  return true;
}

void Wait::finish() noexcept {
  if (armed()) loop_.timers().disarm(*this);
  Link<detail::ScopeTag>::unlink();
  loop_.make_ready(*this);
}

void Wait::end(Ended why) noexcept {
  if (ended_ != Ended::no) return;
  ended_ = why;
  interrupt();
}

Error Wait::ended_error(const char* doing) const noexcept {
  return {ended_ == Ended::timed_out ? ErrorKind::timed_out : ErrorKind::cancelled, 0, doing};
}

uint64_t Operation::begin_operation(Loop& loop) noexcept {
  const auto address = reinterpret_cast<uint64_t>(this);
  ensure((address & ~address_mask) == 0);
  user_data_ = address | static_cast<uint64_t>(++loop.sequence_) << address_bits;
  ++loop.operations_;
  return user_data_;
}

bool OperationWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  if (!begin()) return false;
  submitted_ = true;
  submit(loop_.ring(), begin_operation(loop_));
  return true;
}

void OperationWait::on_completion(const uring::Completion& completion) noexcept {
  result_ = completion.result;
  finish();
}

void OperationWait::interrupt() noexcept { loop_.ring().cancel(user_data()); }

Result<int32_t> OperationWait::result(const char* doing) const noexcept {
  if (!submitted_) return std::unexpected(ended_error(doing));
  if (result_ >= 0) return result_;
  if (result_ == -ECANCELED && ended() != Ended::no) return std::unexpected(ended_error(doing));
  return std::unexpected(Error::from_errno(-result_, doing));
}

void ReceiveWait::submit(uring::Ring& ring, uint64_t user_data) noexcept {
  ring.receive(socket_, bytes_, expect_empty_, user_data);
}

Result<size_t> ReceiveWait::await_resume() const noexcept {
  const Result<int32_t> got = result("receive");
  if (!got) return std::unexpected(got.error());
  return static_cast<size_t>(*got);
}

void SendWait::submit(uring::Ring& ring, uint64_t user_data) noexcept { ring.send(socket_, bytes_, mode_, user_data); }

Result<void> SendWait::await_resume() const noexcept {
  if (bytes_.empty()) return {};
  const Result<int32_t> sent = result("send");
  if (!sent) return std::unexpected(sent.error());
  if (static_cast<size_t>(*sent) == bytes_.size()) return {};
  if (ended() != Ended::no) return std::unexpected(ended_error("send"));
  return std::unexpected(Error{ErrorKind::closed, 0, "send"});
}

bool ConnectWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  const Result<int> opened = loop_.ring().open_stream_socket(address_.family());
  if (!opened) {
    submitted_ = true;  // as far as result() is concerned: the error is its own
    result_ = opened.error().number > 0 ? -opened.error().number : -EMFILE;
    return false;
  }
  socket_ = Socket(loop_.ring(), *opened);
  return OperationWait::await_suspend(handle);
}

void ConnectWait::submit(uring::Ring& ring, uint64_t user_data) noexcept {
  ring.connect(socket_.get(), address_, user_data);
}

Result<Socket> ConnectWait::await_resume() noexcept {
  const Result<int32_t> connected = result("connect");
  if (!connected) return std::unexpected(connected.error());
  return std::move(socket_);
}

void ReadableWait::submit(uring::Ring& ring, uint64_t user_data) noexcept {
  ring.poll_multishot(descriptor_, user_data);
}

// The ring's poll goes on by itself: the first completion is what was waited for, the final one ends it.
void ReadableWait::on_completion(const uring::Completion& completion) noexcept {
  if (completion.result >= 0) {
    if (!readable_ && completion.more) loop_.ring().cancel(user_data());
    readable_ = true;
  }
  if (completion.more) return;
  result_ = completion.result;
  finish();
}

Result<void> ReadableWait::await_resume() const noexcept {
  if (readable_) return {};
  const Result<int32_t> polled = result("poll");
  if (!polled) return std::unexpected(polled.error());
  return {};
}

bool SleepWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  return begin();
}

Result<void> SleepWait::await_resume() const noexcept {
  if (ended() == Ended::cancelled) return std::unexpected(ended_error("sleep"));
  return {};
}

void TurnWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  loop_.make_ready(*this);
}

// --- scopes and events -----------------------------------------------------------------------------------------------

CancelScope::CancelScope(CancelScope& parent) noexcept : cancelled_(parent.cancelled_) {
  if (!cancelled_) parent.children_.push_back(*this);
}

CancelScope::~CancelScope() {
  ensure(waits_.empty());
  while (CancelScope* child = children_.pop_front()) ensure(child->cancelled_);  // it would outlive its parent
  Link<detail::ChildTag>::unlink();
}

void CancelScope::cancel() noexcept {
  if (cancelled_) return;
  cancelled_ = true;
  while (Wait* wait = waits_.pop_front()) wait->end(Wait::Ended::cancelled);
  while (CancelScope* child = children_.pop_front()) child->cancel();
}

Event::~Event() { ensure(waits_.empty()); }

void Event::set() noexcept {
  set_ = true;
  while (EventWait* wait = waits_.pop_front()) wait->finish();
}

Event::EventWait Event::wait(Patience patience) noexcept { return EventWait(loop_, *this, patience); }

bool Event::EventWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  if (!begin()) return false;
  event_.waits_.push_back(*this);
  return true;
}

void Event::EventWait::interrupt() noexcept {
  Link<detail::EventTag>::unlink();
  finish();
}

Result<void> Event::EventWait::await_resume() const noexcept {
  if (ended() == Ended::no) return {};
  return std::unexpected(ended_error("wait"));
}

Task<Mutex::Guard> Mutex::lock() {
  const uint64_t ticket = next_ticket_++;
  while (ticket != serving_) (void)co_await turn_.wait({UINT64_MAX, &never_});
  co_return Guard(*this);
}

// A pulse: all who wait look at the number, one of them finds it to be its own.
void Mutex::unlock() noexcept {
  ++serving_;
  turn_.set();
  turn_.reset();
}

// --- accepting -------------------------------------------------------------------------------------------------------

// Outlives its Acceptor until the kernel has let go; `free` then frees it.
struct Acceptor::State final : Operation {
  State(Loop& the_loop, int the_listener) : loop(the_loop), listener(the_listener), ended(the_loop) { ended.set(); }

  void arm() noexcept {
    armed = true;
    ended.reset();
    loop.ring().accept_multishot(listener, begin_operation(loop));
  }
  void disarm() noexcept {
    if (armed) loop.ring().cancel(user_data());
  }

  void on_completion(const uring::Completion& completion) noexcept override {
    if (completion.result >= 0) {
      arrived.emplace_back(loop.ring(), completion.result);
    } else if (completion.result != -ECANCELED) {
      error = -completion.result;
    }
    if (!completion.more) {
      armed = false;
      if (abandoned) {
        delete this;
        return;
      }
      ended.set();
    }
    if (abandoned) arrived.clear();
    wake();
  }
  void wake() noexcept;

  Loop& loop;
  const int listener;
  bool armed = false;
  bool abandoned = false;
  int error = 0;
  std::deque<Socket> arrived;
  AcceptWait* waiting = nullptr;
  Event ended;
  CancelScope never;
};

void Acceptor::State::wake() noexcept {
  if (!waiting || (arrived.empty() && armed)) return;
  std::exchange(waiting, nullptr)->finish();
}

Acceptor::Acceptor(Loop& loop, int listener) : state_(std::make_unique<State>(loop, listener)) {}

Acceptor::~Acceptor() {
  if (!state_->armed) return;
  state_->abandoned = true;
  state_->arrived.clear();
  state_->disarm();
  state_.release();
}

Acceptor::AcceptWait Acceptor::next(Patience patience) noexcept { return AcceptWait(state_->loop, *state_, patience); }

Task<void> Acceptor::end() {
  state_->disarm();
  (void)co_await state_->ended.wait({UINT64_MAX, &state_->never});
  state_->arrived.clear();
}

bool Acceptor::AcceptWait::await_ready() const noexcept { return !state_.arrived.empty(); }

bool Acceptor::AcceptWait::await_suspend(std::coroutine_handle<> handle) noexcept {
  handle_ = handle;
  if (!begin()) return false;
  state_.waiting = this;
  state_.error = 0;
  if (!state_.armed) state_.arm();
  return true;
}

void Acceptor::AcceptWait::interrupt() noexcept {
  if (state_.waiting != this) return;
  state_.waiting = nullptr;
  finish();
}

Result<Socket> Acceptor::AcceptWait::await_resume() noexcept {
  if (!state_.arrived.empty()) {
    Socket socket = std::move(state_.arrived.front());
    state_.arrived.pop_front();
    return socket;
  }
  if (ended() != Ended::no) return std::unexpected(ended_error("accept"));
  return std::unexpected(Error::from_errno(state_.error != 0 ? state_.error : ECANCELED, "accept"));
}

// --- the loop --------------------------------------------------------------------------------------------------------

// The frame in which a spawned task runs; frees itself.
struct Loop::Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Loop::Detached Loop::drive(Loop& loop, Task<void> task) {
  co_await loop.turn();
  {
    Task<void> running = std::move(task);
    co_await std::move(running);
  }
  --loop.tasks_;
}

Loop::Loop(uring::Ring& ring) noexcept : ring_(ring), timers_(ring.now_ns()) {}

Loop::~Loop() { ensure(tasks_ == 0 && operations_ == 0); }

void Loop::spawn(Task<void> task) {
  ++tasks_;
  drive(*this, std::move(task));
}

void Loop::make_ready(Wait& wait) noexcept {
  wait.next_ready_ = nullptr;
  (ready_last_ ? ready_last_->next_ready_ : ready_first_) = &wait;
  ready_last_ = &wait;
}

// What becomes ready meanwhile waits for the next turn: a task that is always ready must not shut the kernel out.
void Loop::resume_ready() noexcept {
  Wait* wait = std::exchange(ready_first_, nullptr);
  ready_last_ = nullptr;
  while (wait) {
    Wait* next = wait->next_ready_;  // the wait is gone once its coroutine runs
    wait->handle_.resume();
    wait = next;
  }
}

void Loop::reap() {
  for (const uring::Completion& completion : ring_.wait(ready_first_ ? 0 : timers_.next_ns())) {
    if (completion.user_data == 0) continue;
    auto* operation = reinterpret_cast<Operation*>(completion.user_data & address_mask);
    if (!completion.more) --operations_;
    operation->on_completion(completion);
  }
  timers_.expire(now_ns(), [](uring::Timer& timer) { static_cast<Wait&>(timer).end(Wait::Ended::timed_out); });
}

void Loop::run() {
  while (true) {
    resume_ready();
    if (tasks_ == 0 && operations_ == 0) break;
    reap();
  }
  ring_.wait(0);  // the last closes are still queued
}

// --- groups ----------------------------------------------------------------------------------------------------------

void Group::spawn(Task<void> task) {
  ++running_;
  empty_.reset();
  loop_.spawn(counted(*this, std::move(task)));
}

Task<void> Group::counted(Group& group, Task<void> task) {
  {
    Task<void> running = std::move(task);
    co_await std::move(running);
  }
  if (--group.running_ == 0) group.empty_.set();
}

Task<Result<void>> Group::join(Patience patience) { co_return co_await empty_.wait(patience); }

Task<void> Group::join() { (void)co_await empty_.wait({UINT64_MAX, &never_}); }

}  // namespace ringmaster::async
