#pragma once
// Task<T>: a lazy coroutine with one owner, awaited once. Frames come from the frame pool.

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/executor.h"
#include "base/frame_pool.h"
#include "base/status.h"

namespace tessera {

/// Told when a task has ended: after the coroutine's own variables are gone, before its awaiter
/// goes on. Lets a router stand around a call without a coroutine of its own. A task that is
/// dropped unawaited destroys its hooks without Finish().
class TaskHook {
 public:
  virtual ~TaskHook() = default;
  /// `code` of the task's Status or Result; OK of other values; INTERNAL after an exception.
  virtual void Finish(absl::StatusCode code) = 0;

  static void* operator new(std::size_t size) { return AllocateFrame(size); }
  static void operator delete(void* hook, std::size_t size) noexcept { FreeFrame(hook, size); }

 private:
  template <class T>
  friend class Task;
  friend class TaskHooks;
  std::unique_ptr<TaskHook> next_;
};

/// The hooks of one task, told in the order in which they were added: the innermost call first.
class TaskHooks {
 public:
  void Add(std::unique_ptr<TaskHook> hook) {
    std::unique_ptr<TaskHook>* end = &first_;
    while (*end) end = &(*end)->next_;
    *end = std::move(hook);
  }
  bool empty() const { return first_ == nullptr; }
  void Finish(absl::StatusCode code) {
    while (first_) {
      first_->Finish(code);
      first_ = std::move(first_->next_);
    }
  }

 private:
  std::unique_ptr<TaskHook> first_;
};

namespace internal {

inline absl::StatusCode CodeOf(const Status& status) { return status.code(); }
template <class T>
absl::StatusCode CodeOf(const Result<T>& result) {
  return result.ok() ? absl::StatusCode::kOk : result.status().code();
}
template <class T>
absl::StatusCode CodeOf(const T&) {
  return absl::StatusCode::kOk;
}

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
      Promise& promise = handle.promise();
      if (!promise.hooks_.empty()) promise.hooks_.Finish(promise.code());
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
  void AddHook(std::unique_ptr<TaskHook> hook) { hooks_.Add(std::move(hook)); }

 protected:
  bool failed() const { return error_ != nullptr; }
  void RethrowIfFailed() {
    if (error_) [[unlikely]]
      std::rethrow_exception(error_);
  }

 private:
  enum State : int { kStarted, kAwaited, kFinished };
  std::coroutine_handle<> awaiter_;
  std::exception_ptr error_;
  std::atomic<int> state_{kStarted};
  TaskHooks hooks_;
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
  absl::StatusCode code() const { return failed() ? absl::StatusCode::kInternal : CodeOf(*value_); }

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
  absl::StatusCode code() const {
    return failed() ? absl::StatusCode::kInternal : absl::StatusCode::kOk;
  }
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

  /// Before it is awaited: `hook` is told when the task ends.
  void OnFinish(std::unique_ptr<TaskHook> hook) { handle_.promise().AddHook(std::move(hook)); }

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
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): SyncWait holds them
template <class T>
Detached RunOnLoop(LoopExecutor& loop, Task<T>& task, std::optional<T>& result, bool& done) {
  co_await SwitchTo(loop);
  result.emplace(co_await std::move(task));
  co_await SwitchTo(loop);
  done = true;
}
// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
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
