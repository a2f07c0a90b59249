#pragma once
// Where coroutines run: an Executor takes closures; a coroutine that awaits is resumed on the
// executor it left.

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <mutex>

#include "absl/functional/any_invocable.h"

namespace tessera {

using Closure = absl::AnyInvocable<void()>;

/// Runs closures, each once, never inside Post(). Implementations: LoopExecutor (below), ThreadPool
/// (runtime), IoLoop (net).
class Executor {
 public:
  virtual ~Executor() = default;
  /// Thread-safe. The closure runs later on one of the executor's threads.
  virtual void Post(Closure closure) = 0;

  /// The executor whose closure this thread is running, or nullptr.
  static Executor* Current();

 protected:
  /// Marks the calling thread as one of `executor`'s while it lives.
  class Entered {
   public:
    explicit Entered(Executor* executor);
    ~Entered();
    Entered(const Entered&) = delete;

   private:
    Executor* previous_;
  };
};

/// Awaitable: go on as a closure of `executor`.
class SwitchTo {
 public:
  explicit SwitchTo(Executor& executor) : executor_(executor) {}
  bool await_ready() const noexcept { return Executor::Current() == &executor_; }
  void await_suspend(std::coroutine_handle<> handle) {
    executor_.Post([handle] { handle.resume(); });
  }
  void await_resume() const noexcept {}

 private:
  Executor& executor_;
};

/// Runs closures on the thread that calls RunUntil(): for tests, the CLI and SyncWait().
class LoopExecutor final : public Executor {
 public:
  void Post(Closure closure) override;
  /// Runs closures until `done` is set by one of them.
  void RunUntil(const bool& done);

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Closure> queue_;
};

}  // namespace tessera
