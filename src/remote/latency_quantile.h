#pragma once
// The 95 % quantile of a method's latencies, as it moves.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/contract.h"

namespace tessera {

/// Goes up a little when a call takes longer and down less when it does not, so that one in twenty
/// takes longer. Thread-safe; of two updates at once one may be lost.
class LatencyQuantile {
 public:
  void Observe(Duration latency) {
    const double sample = std::max(std::chrono::duration<double>(latency).count(), 1e-6);
    const std::uint32_t count = count_.load(std::memory_order_relaxed);
    const double old = seconds_.load(std::memory_order_relaxed);
    // The first ones find the order of magnitude.
    const double up = count < 20 ? 1.0 : 0.10;
    const double next = count == 0     ? sample
                        : sample > old ? std::min(old * (1 + up * kPart), sample)
                                       : std::max(old * (1 - 0.10 * (1 - kPart)), sample);
    seconds_.store(next, std::memory_order_relaxed);
    if (count < kEnough) count_.store(count + 1, std::memory_order_relaxed);
  }
  /// Zero while there are too few samples.
  Duration p95() const {
    if (count_.load(std::memory_order_relaxed) < kEnough) return Duration::zero();
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(seconds_.load(std::memory_order_relaxed)));
  }

 private:
  static constexpr double kPart = 0.95;
  static constexpr std::uint32_t kEnough = 100;
  std::atomic<double> seconds_{0};
  std::atomic<std::uint32_t> count_{0};
};

/// One a method, found by its row. Thread-safe; those beyond its size share the last.
class MethodLatencies {
 public:
  LatencyQuantile& Of(const MethodInfo& method) {
    for (std::size_t i = 0; i + 1 < kSize; ++i) {
      const MethodInfo* known = methods_[i].load(std::memory_order_acquire);
      if (known == nullptr && methods_[i].compare_exchange_strong(known, &method)) known = &method;
      if (known == &method) return latencies_[i];
    }
    return latencies_[kSize - 1];
  }

 private:
  static constexpr std::size_t kSize = 64;
  std::array<std::atomic<const MethodInfo*>, kSize> methods_{};
  std::array<LatencyQuantile, kSize> latencies_;
};

}  // namespace tessera
