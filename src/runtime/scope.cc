#include "runtime/scope.h"

namespace tessera {

Scope::~Scope() { CHECK(running_ == 0); }

namespace {
Task<void> RunThere(Executor* executor, Task<void> task) {
  co_await SwitchTo(*executor);
  co_await std::move(task);
}
}  // namespace

bool Scope::Spawn(Executor& executor, Task<void> task) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    ++running_;
  }
  tessera::Spawn(RunThere(&executor, std::move(task)), [this] { Ended(); });
  return true;
}

void Scope::Ended() {
  std::optional<WaiterHandle> stopped;
  {
    std::lock_guard lock(mutex_);
    if (--running_ == 0) stopped = stopped_;
  }
  if (stopped) stopped->Complete(absl::OkStatus());
}

Task<Status> Scope::Stop(Ctx ctx) {
  Waiter waiter(ctx);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_ = waiter.handle();
  }
  cancel_.Cancel(absl::CancelledError("the service is stopping"));
  {
    std::lock_guard lock(mutex_);
    if (running_ == 0) co_return absl::OkStatus();
  }
  co_return co_await waiter;
}

}  // namespace tessera
