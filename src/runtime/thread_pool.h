#pragma once
// Threads for work that blocks or computes, away from the event loops.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/task.h"
#include "runtime/resource_use.h"

namespace tessera {

/// An executor with `threads` threads. The queue's bound is the number of calls that the edge
/// admits. Destroying it runs what is queued, then joins.
class ThreadPool final : public Executor {
 public:
  /// `name` shows in traces and in the thread list; at most 11 characters are seen.
  ThreadPool(std::string name, int threads);
  ~ThreadPool() override;
  void Post(Closure closure) override;

 private:
  void Run();
  ResourceUse Use() const;

  const std::string name_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Closure> queue_;
  bool stopping_ = false;
  std::int64_t busy_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t busy_ticks_ = 0;  // of CycleClock, of what is done
  std::vector<std::thread> threads_;
  ResourceProbe probe_;
};

/// Runs `fn()` as a closure of `executor` and comes back to the caller's executor with its value.
/// `fn` is an ordinary function object, not a coroutine. It is not interrupted by cancellation.
template <class Fn>
Task<std::invoke_result_t<Fn>> RunOn(Executor& executor, Fn fn) {  // NOLINT: it outlives us
  Executor* const home = Executor::Current();
  co_await SwitchTo(executor);
  if constexpr (std::is_void_v<std::invoke_result_t<Fn>>) {
    fn();
    if (home != nullptr) co_await SwitchTo(*home);
  } else {
    auto result = fn();
    if (home != nullptr) co_await SwitchTo(*home);
    co_return result;
  }
}

}  // namespace tessera
