#pragma once
// The same work, again and again, on a thread of its own.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace tessera {

/// Thread-safe. The last member of its owner: the work uses the others until Stop().
class Rounds {
 public:
  enum class Why {
    kTime,   ///< the interval is over
    kAsked,  ///< somebody waits for it
    kEnd,    ///< the last one
  };
  /// Does `work` now and then after each `interval`.
  Rounds(Duration interval, std::function<void(Why)> work);
  ~Rounds() { Stop(); }
  Rounds(const Rounds&) = delete;

  /// Returns when a round that began after the call has ended, or after `limit`; at once when it is
  /// stopping. Blocks.
  void Flush(Duration limit);
  /// One last round. Blocks until it has ended.
  void Stop();

 private:
  void Run();

  const Duration interval_;
  const std::function<void(Why)> work_;
  std::mutex stop_;   // who stops waits for the thread alone
  std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  std::uint64_t asked_ = 0;
  std::uint64_t done_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tessera
