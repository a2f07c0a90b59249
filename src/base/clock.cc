#include "base/clock.h"

#include <cstdio>
#include <ctime>
#include <string_view>

namespace tessera {

std::int64_t WallMillis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string_view Rfc3339(std::int64_t wall_ms, char (&buffer)[25]) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(buffer + 19, 6, ".%03dZ", static_cast<int>(wall_ms % 1000));
  return {buffer, 24};
}

namespace {
double MeasureTick() {
#if defined(__x86_64__)
  const SteadyTime start = Now();
  const std::uint64_t start_ticks = CycleClock::Now();
  SteadyTime end = start;
  while (end - start < std::chrono::milliseconds(2)) end = Now();
  const std::uint64_t ticks = CycleClock::Now() - start_ticks;
  return std::chrono::duration<double, std::nano>(end - start).count() / static_cast<double>(ticks);
#else
  return 1e9 * Duration::period::num / Duration::period::den;
#endif
}
}  // namespace

SteadyTime CycleClock::ToSteady(std::uint64_t ticks) {
  struct Anchor {
    std::uint64_t ticks = 0;
    std::uint64_t valid_ticks = 0;
    double ns_per_tick = 0;
    SteadyTime time;
  };
  thread_local Anchor anchor;
  const std::uint64_t elapsed = ticks - anchor.ticks;  // huge when the counter went back
  if (elapsed >= anchor.valid_ticks) [[unlikely]] {
    anchor.ns_per_tick = NanosecondsPerTick();
    anchor.valid_ticks = static_cast<std::uint64_t>(1e6 / anchor.ns_per_tick);
    anchor.time = tessera::Now();
    anchor.ticks = Now();
    return anchor.time;
  }
  return anchor.time + std::chrono::nanoseconds(static_cast<std::int64_t>(
                           static_cast<double>(elapsed) * anchor.ns_per_tick));
}

double CycleClock::NanosecondsPerTick() {
  static const double ns = MeasureTick();
  return ns;
}

}  // namespace tessera
