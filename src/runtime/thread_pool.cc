#include "runtime/thread_pool.h"

#include <pthread.h>

namespace tessera {

ThreadPool::ThreadPool(std::string name, int threads) : name_(std::move(name)) {
  CHECK(threads > 0);
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

void ThreadPool::Run() {
  Entered entered(this);
  std::unique_lock lock(mutex_);
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Closure closure = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    closure();
    closure = nullptr;
    lock.lock();
  }
}

}  // namespace tessera
