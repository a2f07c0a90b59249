#pragma once
// Time. Deadlines and durations use the steady clock; only what people read uses the wall clock.

#include <chrono>
#include <cstdint>
#include <string_view>

namespace tessera {

using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

inline SteadyTime Now() { return std::chrono::steady_clock::now(); }

/// Milliseconds since 1970 (UTC), for records and what people read; never for measuring.
std::int64_t WallMillis();

/// "2026-11-23T12:00:00.123Z" (RFC 3339) of WallMillis().
std::string_view Rfc3339(std::int64_t wall_ms, char (&buffer)[25]);

/// A cheap clock for measuring spans of time on the hot path: the processor's time-stamp counter
/// where it is invariant, else the steady clock. Only differences have a meaning.
class CycleClock {
 public:
  static std::uint64_t Now() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
  }
  /// Nanoseconds a tick, measured once at first use (about 2 ms).
  static double NanosecondsPerTick();
  /// The steady clock's time at `ticks`, which this thread has just read with Now(): within a
  /// microsecond, at a quarter of the cost. Reads the steady clock itself once a millisecond.
  static SteadyTime ToSteady(std::uint64_t ticks);
};

}  // namespace tessera
