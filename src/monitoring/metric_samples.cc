// What PromQL reads of the history.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "monitoring/metric_history.h"

namespace tessera {
namespace {

// A query of the last hour also looks a little behind it.
constexpr std::int64_t kSlackMs = 900'000;

bool Counts(MetricKind kind) {
  return kind == MetricKind::kCounter || kind == MetricKind::kHistogram;
}

// Families whose samples have this name begin as it does.
bool MayHold(std::string_view family, const std::vector<PromMatcher>& matchers) {
  return std::ranges::all_of(matchers, [&](const PromMatcher& matcher) {
    return matcher.label != kPromName || matcher.kind != PromMatcher::Kind::kEqual ||
           matcher.value.starts_with(family);
  });
}

}  // namespace

bool MetricHistory::Fits(const Series& series, const std::vector<PromMatcher>& matchers) {
  return std::ranges::all_of(matchers, [&](const PromMatcher& matcher) {
    if (matcher.label == kPromName) return matcher.Matches(series.name);
    if (matcher.label == "le") return matcher.Matches(series.le_text);
    const auto found = std::ranges::find(series.labels, matcher.label,
                                         &std::pair<std::string, std::string>::first);
    return matcher.Matches(found == series.labels.end() ? "" : found->second);
  });
}

PromLabels MetricHistory::AllLabels(const Series& series) {
  PromLabels labels(series.labels.begin(), series.labels.end());
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  labels.emplace(kPromName, series.name);
  if (!series.le_text.empty()) labels.emplace("le", series.le_text);
  return labels;
}

// The first slot with a value; of a counter that never grew there is none.
std::int64_t MetricHistory::Ring::Begin(std::size_t points) const {
  std::int64_t slot = newest - static_cast<std::int64_t>(points) + 1;
  while (slot <= newest && std::isnan(At(slot, points))) ++slot;
  return values.empty() || slot > newest ? std::numeric_limits<std::int64_t>::max() : slot;
}

// Backwards: what a counter stood at is what it stands at now, without what came since. Before its
// ring begins it stood still.
std::vector<PromPoint> MetricHistory::PointsOf(const Series& series, bool counts, const Ring& ring,
                                               std::size_t points,
                                               const std::vector<Reading>& readings) {
  std::vector<PromPoint> found;
  found.reserve(readings.size());
  const std::int64_t begin = counts ? ring.Begin(points) : 0;
  double value = series.last;
  std::int64_t slot = ring.newest;
  bool any = false;
  for (auto reading = readings.rbegin(); reading != readings.rend(); ++reading) {
    for (; counts && slot > reading->slot && slot >= begin; --slot) {
      const float grown = ring.At(slot, points);
      if (!std::isnan(grown)) value -= grown;
    }
    const bool still = counts && reading->slot < begin;
    const float kept = ring.At(reading->slot, points);
    const bool there = still ? series.first_ms <= reading->at_ms && reading->at_ms <= series.seen_ms
                             : !std::isnan(kept);
    any = any || there;
    found.push_back({reading->at_ms, !there   ? PromAbsent()
                                     : counts ? value
                                              : static_cast<double>(kept)});
  }
  if (!any) found.clear();
  std::ranges::reverse(found);
  return found;
}

Result<PromSamples> MetricHistory::Select(const std::vector<PromMatcher>& matchers,
                                          std::int64_t from_ms, std::int64_t to_ms) const {
  std::lock_guard lock(mutex_);
  const std::int64_t fine_ms = static_cast<std::int64_t>(options_.points) * options_.step_ms;
  const bool coarse = from_ms < recorded_.fine.newest * options_.step_ms - fine_ms - kSlackMs;
  Ring Rings::* const which = coarse ? &Rings::coarse : &Rings::fine;
  const std::size_t points = coarse ? options_.coarse_points : options_.points;
  const Ring& recorded = recorded_.*which;
  PromSamples samples{.series = {}, .step_ms = coarse ? options_.coarse_ms : options_.step_ms};

  std::vector<Reading> readings;
  const std::int64_t oldest = recorded.newest - static_cast<std::int64_t>(points) + 1;
  for (std::int64_t slot = std::max(from_ms / samples.step_ms, oldest);
       slot <= std::min(to_ms / samples.step_ms, recorded.newest); ++slot) {
    const float into = recorded.At(slot, points);
    if (std::isnan(into)) continue;
    const std::int64_t at_ms = slot * samples.step_ms + static_cast<std::int64_t>(into);
    if (at_ms > from_ms && at_ms <= to_ms) readings.push_back({slot, at_ms});
  }
  std::size_t kept = 0;
  for (const auto& [name, family] : families_) {
    if (!MayHold(name, matchers)) continue;
    for (const Series& series : family.series) {
      if (!Fits(series, matchers)) continue;
      kept += readings.size();
      if (kept > kPromValuesMax)
        return absl::ResourceExhaustedError(
            "query processing would load too many samples into memory in query execution");
      std::vector<PromPoint> found =
          PointsOf(series, Counts(family.kind), series.rings.*which, points, readings);
      if (!found.empty())
        samples.series.push_back({.labels = AllLabels(series), .points = std::move(found)});
    }
  }
  return samples;
}

std::vector<PromLabels> MetricHistory::SeriesOf(const std::vector<PromMatcher>& matchers,
                                                std::int64_t from_ms, std::int64_t to_ms) const {
  std::lock_guard lock(mutex_);
  std::vector<PromLabels> found;
  for (const auto& [name, family] : families_) {
    if (!MayHold(name, matchers)) continue;
    for (const Series& series : family.series) {
      if (series.first_ms <= to_ms && series.seen_ms >= from_ms && Fits(series, matchers))
        found.push_back(AllLabels(series));
    }
  }
  return found;
}

}  // namespace tessera
