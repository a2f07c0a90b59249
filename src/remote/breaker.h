#pragma once
// The circuit breaker of one endpoint: closed, open, half open.

#include <atomic>
#include <cstdint>

#include "remote/mesh_config.h"

namespace tessera {

/// Opens when too many of the recent calls failed; lets some probes through after a while, and
/// closes when they succeed. CountGood() and closed() from any thread, the rest under its owner's
/// lock.
class CircuitBreaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen };

  explicit CircuitBreaker(const BreakerConfig& config) : config_(config) {}

  bool closed() const { return closed_.load(std::memory_order_relaxed); }
  void CountGood() { good_.fetch_add(1, std::memory_order_relaxed); }

  /// Open ends when its time has passed.
  State At(SteadyTime now);
  SteadyTime open_until() const { return open_until_; }
  std::uint64_t times_opened() const { return times_opened_; }
  /// True when the state changed.
  bool OnFault(SteadyTime now);
  /// A good call while it is not closed; true when that closed it.
  bool OnGoodProbe(SteadyTime now);

 private:
  void Open(SteadyTime now);

  const BreakerConfig config_;
  std::atomic<bool> closed_{true};
  std::atomic<std::uint64_t> good_{0};
  std::uint64_t bad_ = 0;
  SteadyTime window_end_;
  State state_ = State::kClosed;
  SteadyTime open_until_;
  int good_probes_ = 0;
  int opened_in_a_row_ = 0;
  std::uint64_t times_opened_ = 0;
};

}  // namespace tessera
