#pragma once
// Which requests are recorded, and what becomes of their spans.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "telemetry/metrics.h"
#include "telemetry/trace.h"

namespace tessera {

/// Decides at a trace's beginning, by OTEL_TRACES_SAMPLER's names.
struct TraceSampler {
  enum class Root : std::uint8_t { kAlwaysOn, kAlwaysOff, kRatio };
  Root root = Root::kAlwaysOn;
  double ratio = 1;          ///< of kRatio
  bool parent_based = true;  ///< a caller's decision holds

  bool Samples(const TraceId& trace, bool has_parent) const;
};

/// When a trace that was not chosen at its beginning is kept all the same.
struct TailRules {
  bool on = true;
  std::chrono::milliseconds slow = std::chrono::seconds(10);  ///< always slow
  std::chrono::seconds rare_after = std::chrono::seconds(60);
  std::uint32_t recent_per_second = 20;
  /// What the log of slow requests tells of: those that took longer, streamed ones until the first
  /// text. 0: none.
  std::chrono::milliseconds logged_after = std::chrono::milliseconds(0);
  std::map<std::string, std::chrono::milliseconds> logged_routes;  ///< by the root's name, instead
  std::uint32_t logged_per_second = 10;
};

/// The tail's view of one route: how fast it is, and when it was last kept. Thread-safe.
class RouteTail {
 public:
  /// What the route's histogram says is slow is asked for once in a while.
  TraceReason Judge(bool failed, std::uint64_t nanoseconds, const Histogram* seconds);

 private:
  std::atomic<std::uint64_t> slow_ns_{~std::uint64_t{0}};
  std::atomic<std::uint32_t> calls_{0};
  std::atomic<std::uint64_t> last_kept_{0};  ///< ticks
};

/// Gets the spans of every request that has ended in this process. Thread-safe but for Configure,
/// which comes before the first request.
class TraceRecorder {
 public:
  struct Options {
    bool on = false;
    /// Head sampling counts only where somebody takes what is chosen.
    TraceSampler sampler;
    TailRules tail;
    bool propagates_trace = true;      ///< traceparent and tracestate
    bool propagates_baggage = true;    ///< baggage
    std::size_t kept_max = 4096;       ///< requests that wait to be taken
    std::size_t fragments_max = 2048;  ///< of traces that others decide about
    Duration fragments_age = std::chrono::seconds(10);
  };
  static TraceRecorder& Process();

  void Configure(Options options);
  const Options& options() const { return options_; }
  bool on() const { return on_.load(std::memory_order_relaxed); }

  /// Gives a request that begins here its place for spans, and decides on its `trace.sampled`.
  /// `has_parent`: its caller sent a traceparent; `from_platform`: and is one of our processes.
  void Begin(RequestInfo& info, bool has_parent, bool from_platform);

  /// Of TraceSpans, when its root has ended.
  void Finish(TraceSpans& spans, std::uint64_t nanoseconds);

  /// What is to be kept since the last call, the oldest first, `max` at most; fragments of the
  /// `wanted` traces are among it, those too that end within some seconds.
  std::vector<std::pair<std::shared_ptr<TraceSpans>, TraceReason>> Take(
      std::span<const TraceId> wanted, std::size_t max);
  std::uint64_t dropped() const { return dropped_.value(); }

 private:
  friend class RouteTail;
  using Kept = std::pair<std::shared_ptr<TraceSpans>, TraceReason>;
  TraceRecorder();
  void LockedKeep(std::shared_ptr<TraceSpans> spans, TraceReason reason);
  void LockedForget(SteadyTime now);
  bool RoomForRecent() { return Room(recent_, options_.tail.recent_per_second); }
  static bool Room(std::atomic<std::uint64_t>& used, std::uint32_t per_second);
  bool IsLogged(TraceSpans& spans, std::uint64_t nanoseconds);

  std::atomic<bool> on_{false};
  Options options_;
  std::chrono::milliseconds logged_least_{0};  ///< of all routes' limits; 0: there is none
  std::atomic<std::uint64_t> recent_{0};       ///< the second, and how many were kept in it
  std::atomic<std::uint64_t> logged_{0};       ///< likewise
  RouteTail other_;                            ///< of requests without a route
  Counter& ended_;
  Counter& dropped_;
  Counter& slow_;
  std::mutex mutex_;  // of all below
  std::deque<Kept> kept_;
  std::deque<std::pair<SteadyTime, std::shared_ptr<TraceSpans>>> fragments_;
  std::unordered_map<std::uint64_t, SteadyTime> wanted_;  ///< by the low half; until when
};

}  // namespace tessera
