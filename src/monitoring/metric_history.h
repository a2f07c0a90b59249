#pragma once
// The last hours of the platform's figures, for its own pages.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "promql/evaluate.h"
#include "telemetry/exposition.h"

namespace tessera {

/// What is asked of the history.
struct MetricQuery {
  enum class Function {
    kValue,     ///< of a gauge: the mean over each step, summed over the series of a line
    kRate,      ///< of a counter: per second
    kIncrease,  ///< of a counter: over each step
    kQuantile,  ///< of a histogram
    kMean,      ///< of a histogram
  };
  std::string name;  ///< of the family
  Function function = Function::kValue;
  double quantile = 0.5;
  Labels where;                 ///< only series with all of these
  std::vector<std::string> by;  ///< a line for each combination of these labels' values
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  std::int64_t step_ms = 0;
};

/// A line of an answer: a value a step; NaN where nothing is known.
struct MetricLine {
  Labels labels;
  std::vector<double> values;
};

/// Its times lie on the history's own, so that those of the next answer are the same.
struct MetricAnswer {
  std::int64_t from_ms = 0;  ///< at or before what was asked for
  std::int64_t step_ms = 0;  ///< at least what was asked for
  std::vector<MetricLine> lines;
};

/// Two rings: fine steps for the last hour, coarse ones for the last day. Counters are kept as
/// increases, so that a process that starts again makes no gap. Thread-safe.
class MetricHistory {
 public:
  struct Options {
    std::int64_t step_ms = 5'000;
    std::size_t points = 720;  ///< of step_ms
    std::int64_t coarse_ms = 120'000;
    std::size_t coarse_points = 720;  ///< of coarse_ms
    std::size_t series_max = 5'000;   ///< what comes beyond is left out, and counted
    std::size_t lines_max = 200;      ///< of one answer
  };
  explicit MetricHistory(const Options& options) : options_(options) {}

  /// Takes what the exposition says at that time; times grow.
  void Record(std::int64_t now_ms, std::string_view exposition) {
    Record(now_ms, ReadExposition(exposition));
  }
  void Record(std::int64_t now_ms, const std::vector<MetricFamily>& all);

  /// INVALID_ARGUMENT for a step that is none; RESOURCE_EXHAUSTED when too many lines come
  /// together.
  Result<MetricAnswer> Read(const MetricQuery& query) const;
  /// Names and kinds of what is kept.
  std::map<std::string, MetricKind> Families() const;
  std::size_t left_out() const;

  /// For PromQL: counters as they stood, up to the last start of their process. The coarse ring
  /// where the fine one does not reach. RESOURCE_EXHAUSTED beyond kPromValuesMax points.
  Result<PromSamples> Select(const std::vector<PromMatcher>& matchers, std::int64_t from_ms,
                             std::int64_t to_ms) const;
  /// Labels of the series that were there in that time.
  std::vector<PromLabels> SeriesOf(const std::vector<PromMatcher>& matchers, std::int64_t from_ms,
                                   std::int64_t to_ms) const;

 private:
  // Values by time slot; as long as its memory is not needed it has none.
  struct Ring {
    void Put(std::int64_t slot, std::size_t points, float value, bool adds);
    float At(std::int64_t slot, std::size_t points) const;  ///< NaN: not known
    std::int64_t Begin(std::size_t points) const;           ///< first slot that is known
    std::int64_t newest = -1;
    std::vector<float> values;
  };
  struct Rings {
    Ring fine;
    Ring coarse;
  };
  struct Series {
    std::string name;  ///< of the sample
    Labels labels;     ///< without le
    double le = 0;     ///< of a bucket
    std::string le_text;
    double last = 0;
    std::int64_t first_ms = 0;
    std::int64_t seen_ms = 0;
    Rings rings;
  };
  struct Family {
    MetricKind kind;
    std::vector<Series> series;
    std::unordered_map<std::string, std::size_t> index;  ///< by name and labels as written
  };
  // Which ring answers a query, and how its slots lie in the query's steps.
  struct Grid {
    Ring Rings::* ring;
    std::size_t points;
    std::int64_t from_ms;
    std::int64_t step_ms;
    std::int64_t from_slot;
    std::size_t slots_a_step;
    std::size_t steps;
  };
  struct Sums;
  // A reading that is kept: its slot, and when it was.
  struct Reading {
    std::int64_t slot;
    std::int64_t at_ms;
  };

  void Take(Family& family, const MetricSample& sample, std::int64_t now_ms);
  void Put(Rings& rings, std::int64_t now_ms, float value, bool adds) const;
  Result<Grid> GridOf(const MetricQuery& query) const;
  Result<std::map<Labels, Sums>> Collect(const Family& family, const MetricQuery& query,
                                         const Grid& grid) const;
  void AddUp(const Series& series, const Family& family, const Grid& grid,
             std::vector<double>& sums) const;
  bool Known(const Grid& grid, std::size_t step) const;
  static bool Fits(const Series& series, const std::vector<PromMatcher>& matchers);
  static PromLabels AllLabels(const Series& series);
  static std::vector<PromPoint> PointsOf(const Series& series, bool counts, const Ring& ring,
                                         std::size_t points, const std::vector<Reading>& readings);

  const Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
  Rings recorded_;  ///< where something was, how far into its slot
  bool began_ = false;
  std::size_t series_ = 0;
  std::size_t left_out_ = 0;
};

}  // namespace tessera
