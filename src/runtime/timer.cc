#include "runtime/timer.h"

#include "runtime/waiter.h"

namespace tessera {

TimerQueue::TimerQueue() : thread_([this] { Run(); }) {}

TimerQueue::~TimerQueue() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

TimerQueue& TimerQueue::Process() {
  static TimerQueue* queue = new TimerQueue;  // never destroyed: waits may end during exit
  return *queue;
}

TimerQueue::Key TimerQueue::Arm(SteadyTime when, Closure closure) {
  std::lock_guard lock(mutex_);
  const Key key{when, next_++};
  timers_.emplace(key, std::move(closure));
  if (when < sleeping_until_) changed_.notify_one();
  return key;
}

void TimerQueue::Cancel(const Key& key) {
  Closure dropped;  // destroyed after the lock
  std::lock_guard lock(mutex_);
  const auto it = timers_.find(key);
  if (it == timers_.end()) return;
  dropped = std::move(it->second);
  timers_.erase(it);
}

void TimerQueue::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto first = timers_.begin();
    if (first == timers_.end()) {
      sleeping_until_ = SteadyTime::max();
      changed_.wait(lock);
      continue;
    }
    const SteadyTime when = first->first.first;
    if (when > Now()) {
      sleeping_until_ = when;
      changed_.wait_until(lock, when);
      continue;
    }
    sleeping_until_ = SteadyTime::min();  // awake: it looks again before it sleeps
    Closure closure = std::move(first->second);
    timers_.erase(first);
    lock.unlock();
    closure();
    closure = nullptr;
    lock.lock();
  }
}

Task<Status> SleepFor(Ctx ctx, Duration duration) {
  const SteadyTime end = Now() + duration;
  const bool past_deadline = ctx.deadline() < end;
  Waiter waiter(ctx.WithDeadline(end));
  Status status = co_await waiter;
  if (status.code() == absl::StatusCode::kDeadlineExceeded && !past_deadline &&
      !ctx.cancel().cancelled()) {
    co_return absl::OkStatus();
  }
  co_return status;
}

}  // namespace tessera
