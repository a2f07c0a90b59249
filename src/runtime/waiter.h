#pragma once
// The leaf of every wait: a coroutine sleeps until one of event, cancellation or deadline completes
// it, exactly once.

#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>

#include "base/ctx.h"
#include "runtime/timer.h"

namespace tessera {

/// Completes a Waiter from any thread; may outlive it. Cheap to copy.
class WaiterHandle {
 public:
  /// True when this call completed the wait; false when something else had before.
  bool Complete(Status status) const;

 private:
  friend class Waiter;
  struct State {
    std::mutex mutex;
    std::optional<Status> result;
    std::coroutine_handle<> waiting;
    Executor* executor = nullptr;
  };
  std::shared_ptr<State> state_;
};

/// Awaited once: `Status s = co_await waiter;` gives the status of whoever completed it. Resumes on
/// the executor that awaited; where there is none (a bare thread), on the completing thread.
class Waiter {
 public:
  explicit Waiter(Ctx ctx);
  ~Waiter();
  Waiter(const Waiter&) = delete;

  WaiterHandle handle() const { return handle_; }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> coroutine);
  Status await_resume();

 private:
  Ctx ctx_;
  WaiterHandle handle_;
  CancelCallback on_cancel_;
  std::optional<TimerQueue::Key> timer_;
};

}  // namespace tessera
