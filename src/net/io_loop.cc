#include "net/io_loop.h"

#include <algorithm>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"

namespace tessera {

IoLoop::IoLoop(std::string name)
    : name_(std::move(name)),
      context_(std::make_unique<boost::asio::io_context>(1)),
      thread_([this] { Run(); }) {
  probe_.emplace("loop", name_, [this] { return Use(); });
}

IoLoop::~IoLoop() {
  probe_.reset();
  context_->stop();
  thread_.join();
}

void IoLoop::Post(Closure closure) { boost::asio::post(*context_, std::move(closure)); }

// Counts nothing on the way of what it does: the system knows how busy the thread is, and one more
// closure finds out how long the others wait.
ResourceUse IoLoop::Use() {
  ResourceUse use;
  use.capacity = 1;
  clockid_t clock = {};
  timespec time = {};
  if (pthread_getcpuclockid(thread_.native_handle(), &clock) == 0 &&
      ::clock_gettime(clock, &time) == 0)
    use.busy_seconds = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  use.lag_seconds = lag_->seconds.load(std::memory_order_relaxed);
  if (!lag_->asked.exchange(true)) {
    Post([lag = lag_, start = Now()] {
      lag->seconds.store(std::chrono::duration<double>(Now() - start).count(),
                         std::memory_order_relaxed);
      lag->asked.store(false);
    });
  }
  return use;
}

void IoLoop::Run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  Entered entered(this);
  const auto work = boost::asio::make_work_guard(*context_);
  context_->run();
}

IoLoops::IoLoops(int count) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned wanted = count > 0 ? static_cast<unsigned>(count) : cores;
  for (unsigned i = 0; i < wanted; ++i) {
    loops_.push_back(std::make_unique<IoLoop>("io" + std::to_string(i)));
  }
}

IoLoop* IoLoops::Current() const {
  const Executor* const current = Executor::Current();
  for (const auto& loop : loops_) {
    if (loop.get() == current) return loop.get();
  }
  return nullptr;
}

IoLoop& IoLoops::Any() {
  if (IoLoop* const current = Current()) return *current;
  return *loops_[next_.fetch_add(1, std::memory_order_relaxed) % loops_.size()];
}

}  // namespace tessera
