// Task<T>: a function that can wait. Lazy: nothing happens until it is awaited or spawned (loop.h).
//
//   Task<Result<int>> answer(Loop& loop) {
//     Result<void> slept = co_await loop.sleep(milliseconds(5));
//     if (!slept) co_return std::unexpected(slept.error());
//     co_return 42;
//   }
//
// Ownership: a Task owns its frame and frees it when it goes; an awaited Task is a temporary of its caller, so the
// frames of a chain of calls end one after the other, deterministically. A Task that is suspended inside an await must
// not be destroyed: end it through its CancelScope and let it return.
// Failure: the world's errors are values (Result<T>). An exception that leaves a task ends the program.
// Control passes between frames by symmetric transfer. Belongs to one thread.
//
// Three habits that the compilers ask for: take arguments by value or as references that outlive the task; no lambda
// with captures as a coroutine, unless the lambda itself outlives it; and for g++ 12, which gets the lifetimes of some
// temporaries wrong: no co_await inside ?: or behind && and || (it compiles to a trap), no braced aggregate with
// strings inside a co_await (make it a variable).
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace ringmaster::async {

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  // Back to whoever awaits; nothing runs after the frame's end.
  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().caller;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() const noexcept { std::terminate(); }

  std::coroutine_handle<> caller = std::noop_coroutine();
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& given) {
    value.emplace(std::forward<U>(given));
  }
  T take() { return std::move(*value); }

  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() noexcept = default;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  // co_await task(…); or co_await std::move(task); once only.
  auto operator co_await() && noexcept {
    struct Awaiter {
      Handle handle;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) const noexcept {
        handle.promise().caller = caller;
        return handle;
      }
      T await_resume() const { return handle.promise().take(); }
    };
    return Awaiter{handle_};
  }

 private:
  Handle handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace detail
}  // namespace ringmaster::async
