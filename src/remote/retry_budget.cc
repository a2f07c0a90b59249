#include "remote/retry_budget.h"

namespace tessera {

void RetryBudget::Turn(SteadyTime now) {
  std::lock_guard lock(mutex_);
  const std::int64_t turn = turn_.load(std::memory_order_relaxed);
  if (Ticks(now) < turn) return;
  const bool idle = Ticks(now - kHalf) >= turn;  // nothing of the last half
  const std::uint64_t calls = calls_.exchange(0);
  calls_before_ = idle ? 0 : calls;
  spent_before_ = idle ? 0 : spent_;
  spent_ = 0;
  turn_.store(Ticks(now + kHalf), std::memory_order_relaxed);
}

bool RetryBudget::Withdraw(SteadyTime now) {
  if (Ticks(now) >= turn_.load(std::memory_order_relaxed)) Turn(now);
  std::lock_guard lock(mutex_);
  const double calls = static_cast<double>(calls_before_ + calls_.load(std::memory_order_relaxed));
  const double allowed =
      part_ * calls + per_second_ * std::chrono::duration<double>(2 * kHalf).count();
  if (static_cast<double>(spent_before_ + spent_ + 1) > allowed) return false;
  ++spent_;
  return true;
}

}  // namespace tessera
