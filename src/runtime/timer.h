#pragma once
// Closures that run at a deadline. One thread serves all timers of the process.

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/ctx.h"
#include "base/executor.h"
#include "base/task.h"

namespace tessera {

/// Thread-safe. Closures run on the timer thread and must only post or set flags.
class TimerQueue {
 public:
  using Key = std::pair<SteadyTime, std::uint64_t>;

  TimerQueue();
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;

  /// The process's own queue; lives until the process ends.
  static TimerQueue& Process();

  Key Arm(SteadyTime when, Closure closure);
  /// Drops a timer that has not fired; one that is firing may still run.
  void Cancel(const Key& key);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, Closure> timers_;
  std::uint64_t next_ = 0;
  SteadyTime sleeping_until_ = SteadyTime::min();  // of the thread; it need not be woken for later
  bool stopping_ = false;
  std::thread thread_;
};

/// OK after `duration`; earlier with the reason when ctx ends first.
Task<Status> SleepFor(Ctx ctx, Duration duration);

}  // namespace tessera
