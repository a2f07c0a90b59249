#pragma once
// Task<T>: a lazy coroutine with one owner, awaited once. Frames come from the frame pool.

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/executor.h"
#include "base/frame_pool.h"
#include "base/status.h"

namespace tessera {

namespace internal {

class PooledPromise {
 public:
  static void* operator new(std::size_t size) { return AllocateFrame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { FreeFrame(frame, size); }
};

// Resumes inline instead of by symmetric transfer, so that 10^6 awaits that finish at once need no
// stack (STYLE C6): whichever of "awaiter suspended" and "task finished" comes second goes on with
// the awaiter.
class TaskPromiseBase : public PooledPromise {
 public:
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
      TaskPromiseBase& promise = handle.promise();
      const std::coroutine_handle<> awaiter = promise.awaiter_;
      if (promise.state_.exchange(kFinished, std::memory_order_acq_rel) == kAwaited)
        awaiter.resume();
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  bool Await(std::coroutine_handle<> self, std::coroutine_handle<> awaiter) {
    awaiter_ = awaiter;
    self.resume();
    return state_.exchange(kAwaited, std::memory_order_acq_rel) != kFinished;
  }
  void RethrowIfFailed() {
    if (error_) [[unlikely]]
      std::rethrow_exception(error_);
  }

 private:
  enum State : int { kStarted, kAwaited, kFinished };
  std::coroutine_handle<> awaiter_;
  std::exception_ptr error_;
  std::atomic<int> state_{kStarted};
};

template <class T>
class TaskPromise : public TaskPromiseBase {
 public:
  std::coroutine_handle<TaskPromise> get_return_object() {
    return std::coroutine_handle<TaskPromise>::from_promise(*this);
  }
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T Take() {
    RethrowIfFailed();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> : public TaskPromiseBase {
 public:
  std::coroutine_handle<TaskPromise> get_return_object() {
    return std::coroutine_handle<TaskPromise>::from_promise(*this);
  }
  void return_void() noexcept {}
  void Take() { RethrowIfFailed(); }
};

}  // namespace internal

/// A lazy coroutine: starts when awaited, has one owner, is awaited once. Not thread-safe; may
/// finish on another thread than it began, and then its awaiter goes on there.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;

  Task(std::coroutine_handle<promise_type> handle)
      : handle_(handle) {}  // NOLINT: the compiler converts
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiter) {
    return handle_.promise().Await(handle_, awaiter);
  }
  T await_resume() { return handle_.promise().Take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace internal {

/// A coroutine that owns itself; only Spawn() and SyncWait() make one.
struct Detached {
  struct promise_type : PooledPromise {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

template <class T, class Done>
Detached RunDetached(Task<T> task, Done done) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    done();
  } else {
    done(co_await std::move(task));
  }
}

template <class T>
Detached RunOnLoop(LoopExecutor& loop, Task<T>& task, std::optional<T>& result, bool& done) {
  co_await SwitchTo(loop);
  result.emplace(co_await std::move(task));
  co_await SwitchTo(loop);
  done = true;
}

}  // namespace internal

/// Starts `task` on the calling thread and calls `done` with its value, on whichever thread it
/// ends. Background work of services goes through Scope (runtime/scope.h), which can be stopped;
/// this is the primitive below it.
template <class T, class Done>
void Spawn(Task<T> task, Done done) {
  internal::RunDetached(std::move(task), std::move(done));
}

/// Runs `task` to its end on the calling thread, which becomes its executor. For tests, main and
/// the CLI.
template <class T>
T SyncWait(Task<T> task) {
  LoopExecutor loop;
  std::optional<T> result;
  bool done = false;
  internal::RunOnLoop(loop, task, result, done);
  loop.RunUntil(done);
  return *std::move(result);
}

}  // namespace tessera
