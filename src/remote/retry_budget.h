#pragma once
// How many calls may be sent again: a part of the recent ones, so that retries never multiply an
// overload.

#include <atomic>
#include <cstdint>
#include <mutex>

#include "remote/mesh_config.h"

namespace tessera {

/// Thread-safe. Counts over the last five to ten seconds.
class RetryBudget {
 public:
  RetryBudget(const RetryConfig& config, SteadyTime now)
      : part_(config.budget_part),
        per_second_(config.budget_per_second),
        turn_(Ticks(now + kHalf)) {}

  /// A call begins.
  void Deposit(SteadyTime now) {
    if (Ticks(now) >= turn_.load(std::memory_order_relaxed)) [[unlikely]]
      Turn(now);
    calls_.fetch_add(1, std::memory_order_relaxed);
  }
  /// A call is sent once more; false when the budget is spent.
  bool Withdraw(SteadyTime now);

 private:
  static constexpr Duration kHalf = std::chrono::seconds(5);

  static std::int64_t Ticks(SteadyTime time) { return time.time_since_epoch().count(); }
  void Turn(SteadyTime now);

  const double part_;
  const double per_second_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::int64_t> turn_;
  std::mutex mutex_;
  std::uint64_t calls_before_ = 0;
  std::uint64_t spent_ = 0;
  std::uint64_t spent_before_ = 0;
};

}  // namespace tessera
