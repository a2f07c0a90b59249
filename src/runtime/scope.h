#pragma once
// Background work with an owner: nothing runs detached.

#include <mutex>
#include <optional>

#include "runtime/waiter.h"

namespace tessera {

/// Runs tasks in the background until Stop(). Thread-safe. Must be stopped (or empty) before it is
/// destroyed.
class Scope {
 public:
  Scope() = default;
  ~Scope();
  Scope(const Scope&) = delete;

  /// Starts `task` as a closure of `executor`; false, and the task is dropped, once stopping.
  bool Spawn(Executor& executor, Task<void> task);

  /// For the tasks: cancelled by Stop().
  CancelToken token() const { return cancel_.token(); }

  /// Refuses new tasks, cancels the running ones and waits until they have ended or ctx ends.
  Task<Status> Stop(Ctx ctx);

 private:
  void Ended();

  CancelSource cancel_;
  std::mutex mutex_;
  int running_ = 0;
  bool stopping_ = false;
  std::optional<WaiterHandle> stopped_;
};

}  // namespace tessera
