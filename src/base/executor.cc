#include "base/executor.h"

#include <utility>

namespace tessera {
namespace {
thread_local Executor* current = nullptr;
}  // namespace

Executor* Executor::Current() { return current; }

Executor::Entered::Entered(Executor* executor) : previous_(std::exchange(current, executor)) {}
Executor::Entered::~Entered() { current = previous_; }

void LoopExecutor::Post(Closure closure) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(closure));
  ready_.notify_one();  // under the lock: the waiter owns the storage
}

void LoopExecutor::RunUntil(const bool& done) {
  Entered entered(this);
  while (!done) {
    Closure closure;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return !queue_.empty(); });
      closure = std::move(queue_.front());
      queue_.pop_front();
    }
    closure();
  }
}

}  // namespace tessera
