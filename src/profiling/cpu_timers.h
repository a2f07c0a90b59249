#pragma once
// A clock for every thread of the process, which interrupts it after so much processor time.

#include <cstdint>
#include <ctime>
#include <map>

#include "base/status.h"
#include "profiling/sample_ring.h"

namespace tessera {

/// While it lives, threads leave samples of `session` in the ring. One at a time; not thread-safe.
class CpuTimers {
 public:
  CpuTimers(SampleRing& ring, std::uint32_t session, std::int64_t period_ns);
  ~CpuTimers();
  CpuTimers(const CpuTimers&) = delete;

  /// Threads that are new are watched too. UNAVAILABLE: none can be, and why.
  Status Update();

 private:
  const std::int64_t period_ns_;
  std::map<std::int32_t, timer_t> timers_;  // by thread
};

}  // namespace tessera
