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

double CycleClock::NanosecondsPerTick() {
  static const double ns = MeasureTick();
  return ns;
}

}  // namespace tessera
