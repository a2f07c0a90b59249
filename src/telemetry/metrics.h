#pragma once
// Counters, gauges and latency histograms, read as Prometheus text.

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ctx.h"
#include "base/str.h"
#include "base/thread_index.h"

namespace tessera {

/// A sum that only grows. Thread-safe; an add touches the thread's own cache line.
class Counter {
 public:
  void Add(std::uint64_t amount = 1) {
    const unsigned cell = ThreadCell();
    AddToCell(cells_[cell].value, cell, amount);
  }
  std::uint64_t value() const;

 private:
  struct alignas(64) Cell {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Cell, kThreadCells> cells_;
};

/// A value that goes up and down. Thread-safe.
class Gauge {
 public:
  void Set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// A request that was counted: whoever wonders at a figure finds its trace.
struct Exemplar {
  std::uint64_t trace_high = 0;
  std::uint64_t trace_low = 0;
  std::uint64_t span = 0;  ///< 0: not known
  std::uint64_t nanoseconds = 0;
  std::int64_t time_ms = 0;  ///< 0: there is none
};

/// Durations in buckets whose bounds are powers of two, 1 µs … 137 s. Thread-safe.
class Histogram {
 public:
  static constexpr int kFirstBit = 10;  ///< the first bucket ends at 2^10 ns
  static constexpr int kBuckets = 29;   ///< the last one has no end

  void Observe(std::uint64_t nanoseconds) {
    const unsigned own = ThreadCell();
    Cell& cell = cells_[own];
    AddToCell(cell.buckets[BucketOf(nanoseconds)], own, 1);
    AddToCell(cell.sum, own, nanoseconds);
  }
  void Observe(Duration duration) {
    Observe(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count()));
  }
  /// The same of a request: its bucket remembers the last sampled one.
  void Observe(std::uint64_t nanoseconds, const TraceId& trace, std::uint64_t span) {
    Observe(nanoseconds);
    if (trace.sampled) [[unlikely]]
      Remember(nanoseconds, trace, span);
  }
  void Observe(std::uint64_t nanoseconds, const Ctx& ctx) {
    Observe(nanoseconds, ctx.info().trace, ctx.span_id());
  }
  void Observe(Duration duration, const Ctx& ctx) {
    Observe(static_cast<std::uint64_t>(
                std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count()),
            ctx);
  }

  struct Snapshot {
    std::array<std::uint64_t, kBuckets> buckets{};
    std::uint64_t count = 0;
    double sum_seconds = 0;
    /// Upper bound of the bucket that holds the q-th part, in seconds; 0 when empty.
    double Quantile(double q) const;
  };
  Snapshot snapshot() const;
  using Exemplars = std::array<Exemplar, kBuckets>;
  /// By bucket; null while no request was sampled.
  std::unique_ptr<Exemplars> exemplars() const;

 private:
  struct alignas(64) Cell {
    std::array<std::atomic<std::uint64_t>, kBuckets> buckets{};
    std::atomic<std::uint64_t> sum{0};
  };
  struct Remembered {
    std::mutex mutex;
    Exemplars exemplars;
  };
  static std::size_t BucketOf(std::uint64_t nanoseconds) {
    const int bucket = std::max(0, static_cast<int>(std::bit_width(nanoseconds)) - kFirstBit);
    return static_cast<std::size_t>(std::min(bucket, kBuckets - 1));
  }
  void Remember(std::uint64_t nanoseconds, const TraceId& trace, std::uint64_t span);

  std::array<Cell, kThreadCells> cells_;
  std::once_flag first_;
  std::atomic<bool> remembers_{false};
  std::unique_ptr<Remembered> remembered_;  // made by the first sampled request
};

using Labels = std::vector<std::pair<std::string, std::string>>;

/// All metrics of a process. Metrics are made once, at start-up or first use, and live as long as
/// the process. Thread-safe. The same name and labels give the same metric. Of one name there are
/// at most kSeriesMax: what comes beyond counts together in one more, labelled
/// otel_metric_overflow="true" (OpenTelemetry's "cardinality limits").
class Metrics {
 public:
  static constexpr std::size_t kSeriesMax = 2'000;
  static Metrics& Process();

  Counter& NewCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& NewGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& NewHistogram(std::string_view name, std::string_view help, const Labels& labels = {});
  /// Adds text of its own to every read: for figures that are computed then. Must end its lines.
  void AddWriter(std::function<void(std::string&)> writer);

  /// Prometheus text with exemplars, for ExpositionMerge to make a page of (exposition.h): what
  /// several writers tell of one family does not stand together.
  std::string Text() const;

 private:
  struct Metric {
    Labels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    std::string help;
    std::string_view kind;
    std::map<std::string, Metric> metrics;  ///< by their labels, as they are written
  };
  template <class T>
  T& FindOrMake(std::unique_ptr<T> Metric::* made, std::string_view kind, std::string_view name,
                std::string_view help, const Labels& labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  std::vector<std::function<void(std::string&)>> writers_;
};

/// `{a="b",le="0.1"}` with values escaped; empty for no labels.
std::string PrometheusLabels(const Labels& labels, std::string_view le = {});
/// The shortest text that reads back as the same number.
std::string MetricNumber(double value);
/// The lines of one histogram.
void AppendHistogram(std::string& out, std::string_view name, const Labels& labels,
                     const Histogram& histogram);

}  // namespace tessera
