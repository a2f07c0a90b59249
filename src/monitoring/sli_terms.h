#pragma once
// From the figures of all processes to what was good of how many.

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "monitoring/sli_history.h"
#include "monitoring/slo_config.h"
#include "telemetry/exposition.h"

namespace tessera {

/// Counters of all processes as what they grew by since the last reading. A process that began
/// again counts from zero; what one had counted before it was first seen is left out, unless it
/// began after the watch did. Not thread-safe.
class CounterGrowth {
 public:
  /// Of a new reading; `families` outlive it. Times between readings go by `steady_ms`.
  void Begin(std::int64_t wall_ms, std::int64_t steady_ms,
             const std::vector<MetricFamily>& families);
  double Of(const MetricSample& sample);
  /// Ends the reading: what has not been seen for long is forgotten.
  void End();

  /// To go on where another process ended: when the watch began, when the last reading was (by the
  /// wall's clock), and the values then.
  void Restore(std::int64_t watching_since_ms, std::int64_t last_ms,
               std::unordered_map<std::string, double> values);
  std::int64_t watching_since_ms() const { return watching_since_ms_; }
  /// What has changed since the last call, as Restore() takes it; NaN: forgotten.
  std::vector<std::pair<std::string, double>> TakeChanged();

 private:
  struct Known {
    double value = 0;
    double grown = 0;
    std::int64_t seen_ms = 0;  ///< by the steady clock; of a restored one not known yet: -1
    std::int64_t reading = 0;
    bool changed = false;
  };
  struct Process {
    std::int64_t age_ms = 0;
    std::int64_t seen_ms = 0;
    bool is_new = true;  ///< not in an earlier reading
  };
  std::int64_t SteadyOf(std::int64_t wall_ms) const { return steady_ms_ - (wall_ms_ - wall_ms); }

  std::int64_t wall_ms_ = 0;
  std::int64_t steady_ms_ = 0;
  std::int64_t reading_ = 0;
  std::int64_t watching_since_ms_ = 0;
  std::int64_t restored_ms_ = 0;
  std::vector<std::string> forgotten_;        ///< since TakeChanged()
  std::map<std::string, Process> processes_;  ///< by group and instance
  std::unordered_map<std::string, Known> known_;
};

/// What an objective counts.
class SliTerms {
 public:
  explicit SliTerms(const SloObjective& objective);

  /// Families that it looks into.
  bool Wants(std::string_view family) const;
  void Count(const MetricFamily& family, CounterGrowth& growth, SliSum& sum) const;

  /// What is counted, as text: other counts are not to be mixed with it.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  // Samples of that name with one of the labels' values; their growth times the factors is added.
  struct Term {
    std::string family;
    std::string sample;
    std::string label;
    std::vector<std::string> values;  ///< of the label; empty: all
    std::string also;                 ///< another label, with one of
    std::vector<std::string> also_values;
    double good = 0;
    double total = 0;
  };
  static bool Fits(const Term& term, const MetricSample& sample);
  void AddRatio(Term all, Term good);

  std::vector<Term> terms_;
  std::string fingerprint_;
};

}  // namespace tessera
