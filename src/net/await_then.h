#pragma once
// Doing something while a task waits. Only for net's own .cc files.

#include <coroutine>
#include <utility>

#include "base/task.h"

namespace tessera {

/// Awaits a task and, once it has truly suspended, calls `then` on the thread that awaits.
template <class T, class Then>
class AwaitThen {
 public:
  AwaitThen(Task<T> task, Then then) : task_(std::move(task)), then_(then) {}
  bool await_ready() const noexcept { return false; }
  // The task may end on another thread before this returns, and then this object is gone: only
  // the copy is touched, and whoever awaits comes back to the loop first.
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> handle) {
    const Then then = then_;
    const bool suspended = task_.await_suspend(handle);
    if (suspended) then();
    return suspended;
  }
  T await_resume() { return task_.await_resume(); }

 private:
  Task<T> task_;
  Then then_;
};

}  // namespace tessera
