#include "runtime/thread_pool.h"

#include <pthread.h>

#include "base/clock.h"

namespace tessera {

ThreadPool::ThreadPool(std::string name, int threads)
    : name_(std::move(name)), probe_("threads", name_, [this] { return Use(); }) {
  CHECK(threads > 0);
  std::lock_guard lock(mutex_);  // it may be asked already how many there are
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(),
                       (name_.substr(0, 11) + "-" + std::to_string(i % 100)).c_str());
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    ready_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Post(Closure closure) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(closure));
  ready_.notify_one();
}

ResourceUse ThreadPool::Use() const {
  std::lock_guard lock(mutex_);
  ResourceUse use;
  use.capacity = static_cast<std::int64_t>(threads_.size());
  use.used = busy_;
  use.waiting = static_cast<std::int64_t>(queue_.size());
  use.done = done_;
  use.busy_seconds = static_cast<double>(busy_ticks_) * CycleClock::NanosecondsPerTick() * 1e-9;
  return use;
}

void ThreadPool::Run() {
  Entered entered(this);
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Closure closure = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    const std::uint64_t start = CycleClock::Now();
    closure();
    closure = nullptr;
    const std::uint64_t end = CycleClock::Now();
    lock.lock();
    --busy_;
    ++done_;
    busy_ticks_ += end - start;
  }
}

}  // namespace tessera
