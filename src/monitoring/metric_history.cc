#include "monitoring/metric_history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/str.h"

namespace tessera {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kStepsMax = 2'000;

bool Matches(const Labels& labels, const Labels& where) {
  return std::ranges::all_of(
      where, [&](const auto& wanted) { return std::ranges::find(labels, wanted) != labels.end(); });
}

Labels Pick(const Labels& labels, const std::vector<std::string>& by) {
  Labels picked;
  for (const std::string& name : by) {
    const auto found = std::ranges::find(labels, name, &std::pair<std::string, std::string>::first);
    picked.emplace_back(name, found == labels.end() ? "" : found->second);
  }
  return picked;
}

// Of increases by bucket, sorted by their upper bounds and each including those below it.
double Quantile(const std::map<double, std::vector<double>>& buckets, std::size_t step, double q) {
  const double all = buckets.rbegin()->second[step];
  if (!(all > 0)) return kNothing;
  double below = 0;
  double lower = 0;
  for (const auto& [le, counts] : buckets) {
    const double here = counts[step];
    if (here >= q * all) {
      if (std::isinf(le)) return lower;
      return here > below ? lower + (le - lower) * (q * all - below) / (here - below) : le;
    }
    below = here;
    lower = le;
  }
  return lower;
}

}  // namespace

void MetricHistory::Ring::Put(std::int64_t slot, std::size_t points, float value, bool adds) {
  if (values.empty()) {
    if (adds && value == 0) return;
    values.assign(points, kUnknown);
    newest = slot - 1;
  }
  const auto size = static_cast<std::int64_t>(points);
  for (newest = std::max(newest, slot - size); newest < slot;)
    values[static_cast<std::size_t>(++newest % size)] = kUnknown;
  float& cell = values[static_cast<std::size_t>(slot % size)];
  cell = adds && !std::isnan(cell) ? cell + value : value;
}

float MetricHistory::Ring::At(std::int64_t slot, std::size_t points) const {
  const auto size = static_cast<std::int64_t>(points);
  if (values.empty() || slot < 0 || slot > newest || slot <= newest - size) return kUnknown;
  return values[static_cast<std::size_t>(slot % size)];
}

void MetricHistory::Put(Rings& rings, std::int64_t now_ms, float value, bool adds) const {
  rings.fine.Put(now_ms / options_.step_ms, options_.points, value, adds);
  rings.coarse.Put(now_ms / options_.coarse_ms, options_.coarse_points, value, adds);
}

void MetricHistory::Record(std::int64_t now_ms, const std::vector<MetricFamily>& all) {
  std::lock_guard lock(mutex_);
  for (const MetricFamily& read : all) {
    auto found = families_.find(read.name);
    if (found == families_.end())
      found = families_.emplace(std::string(read.name), Family{read.kind, {}, {}}).first;
    for (const MetricSample& sample : read.samples) Take(found->second, sample, now_ms);
  }
  recorded_.fine.Put(now_ms / options_.step_ms, options_.points,
                     static_cast<float>(now_ms % options_.step_ms), false);
  recorded_.coarse.Put(now_ms / options_.coarse_ms, options_.coarse_points,
                       static_cast<float>(now_ms % options_.coarse_ms), false);
  began_ = true;
}

void MetricHistory::Take(Family& family, const MetricSample& sample, std::int64_t now_ms) {
  const double value = sample.Value();
  if (std::isnan(value)) return;
  std::string key = StrCat(sample.name, "{", sample.labels);
  const auto known = family.index.find(key);
  const bool counts = family.kind == MetricKind::kCounter || family.kind == MetricKind::kHistogram;
  if (known != family.index.end()) {
    Series& series = family.series[known->second];
    // A process that began again counts from zero.
    const double grown = value >= series.last ? value - series.last : value;
    series.last = value;
    series.seen_ms = now_ms;
    Put(series.rings, now_ms, static_cast<float>(counts ? grown : value), counts);
    return;
  }
  if (series_ >= options_.series_max) {
    ++left_out_;
    return;
  }
  ++series_;
  Series series{.name = std::string(sample.name),
                .labels = LabelsOf(sample.labels),
                .last = value,
                .first_ms = now_ms,
                .seen_ms = now_ms};
  const auto le =
      std::ranges::find(series.labels, "le", &std::pair<std::string, std::string>::first);
  if (le != series.labels.end()) {
    series.le = MetricSample{.value = le->second}.Value();
    series.le_text = std::move(le->second);
    series.labels.erase(le);
  }
  // What was counted before the history began is none of it; a series that comes later is new.
  const double first = counts && !began_ ? 0 : value;
  Put(series.rings, now_ms, static_cast<float>(first), counts);
  family.index.emplace(std::move(key), family.series.size());
  family.series.push_back(std::move(series));
}

Result<MetricHistory::Grid> MetricHistory::GridOf(const MetricQuery& query) const {
  if (query.step_ms <= 0 || query.to_ms <= query.from_ms || query.from_ms < 0)
    return absl::InvalidArgumentError("the step and the time between from and to must be positive");
  if ((query.to_ms - query.from_ms) / query.step_ms > kStepsMax)
    return absl::InvalidArgumentError(
        StrCat("from, to and step give more than ", kStepsMax, " values; ask for a longer step"));
  const auto fine_ms = static_cast<std::int64_t>(options_.points) * options_.step_ms;
  const std::int64_t newest_ms = recorded_.fine.newest * options_.step_ms;
  const bool coarse = query.step_ms >= options_.coarse_ms && query.from_ms < newest_ms - fine_ms;
  const std::int64_t slot_ms = coarse ? options_.coarse_ms : options_.step_ms;
  const std::int64_t slots = (query.step_ms + slot_ms - 1) / slot_ms;
  const std::int64_t step_ms = slots * slot_ms;
  const std::int64_t from_ms = query.from_ms / step_ms * step_ms;
  return Grid{.ring = coarse ? &Rings::coarse : &Rings::fine,
              .points = coarse ? options_.coarse_points : options_.points,
              .from_ms = from_ms,
              .step_ms = step_ms,
              .from_slot = from_ms / slot_ms,
              .slots_a_step = static_cast<std::size_t>(slots),
              .steps = static_cast<std::size_t>((query.to_ms - from_ms + step_ms - 1) / step_ms)};
}

bool MetricHistory::Known(const Grid& grid, std::size_t step) const {
  for (std::size_t i = 0; i < grid.slots_a_step; ++i) {
    const auto slot = grid.from_slot + static_cast<std::int64_t>(step * grid.slots_a_step + i);
    if (!std::isnan((recorded_.*grid.ring).At(slot, grid.points))) return true;
  }
  return false;
}

// Of what counts, the increases in each step; of the others, the mean of each.
void MetricHistory::AddUp(const Series& series, const Family& family, const Grid& grid,
                          std::vector<double>& sums) const {
  const Ring& ring = series.rings.*grid.ring;
  if (ring.values.empty()) return;
  const bool mean = family.kind != MetricKind::kCounter && family.kind != MetricKind::kHistogram;
  for (std::size_t step = 0; step < grid.steps; ++step) {
    double sum = 0;
    std::size_t found = 0;
    for (std::size_t i = 0; i < grid.slots_a_step; ++i) {
      const float value = ring.At(
          grid.from_slot + static_cast<std::int64_t>(step * grid.slots_a_step + i), grid.points);
      if (std::isnan(value)) continue;
      sum += value;
      ++found;
    }
    if (found > 0) sums[step] += mean ? sum / static_cast<double>(found) : sum;
  }
}

/// What the series of one line add up to.
struct MetricHistory::Sums {
  explicit Sums(std::size_t steps) : values(steps), counts(steps) {}
  double At(std::size_t step, const MetricQuery& query, bool histogram, double step_seconds) const;

  std::vector<double> values;
  std::vector<double> counts;                     ///< of a histogram, what was observed
  std::map<double, std::vector<double>> buckets;  ///< by upper bound
};

double MetricHistory::Sums::At(std::size_t step, const MetricQuery& query, bool histogram,
                               double step_seconds) const {
  switch (query.function) {
    case MetricQuery::Function::kQuantile:
      return buckets.empty() ? kNothing : Quantile(buckets, step, query.quantile);
    case MetricQuery::Function::kMean:
      return counts[step] > 0 ? values[step] / counts[step] : kNothing;
    case MetricQuery::Function::kRate:
      return (histogram ? counts : values)[step] / step_seconds;
    case MetricQuery::Function::kIncrease:
    case MetricQuery::Function::kValue:
      return (histogram ? counts : values)[step];
  }
  return kNothing;
}

Result<std::map<Labels, MetricHistory::Sums>> MetricHistory::Collect(const Family& family,
                                                                     const MetricQuery& query,
                                                                     const Grid& grid) const {
  const bool histogram = family.kind == MetricKind::kHistogram;
  std::map<Labels, Sums> lines;
  for (const Series& series : family.series) {
    if (!Matches(series.labels, query.where)) continue;
    Sums& sums = lines.try_emplace(Pick(series.labels, query.by), grid.steps).first->second;
    if (lines.size() > options_.lines_max)
      return absl::ResourceExhaustedError(
          StrCat("more than ", options_.lines_max, " lines; ask for fewer labels"));
    std::vector<double>* to = &sums.values;
    if (histogram && series.name.ends_with("_count")) to = &sums.counts;
    if (histogram && series.name.ends_with("_bucket"))
      to = &sums.buckets.try_emplace(series.le, grid.steps, 0.0).first->second;
    AddUp(series, family, grid, *to);
  }
  return lines;
}

Result<MetricAnswer> MetricHistory::Read(const MetricQuery& query) const {
  std::lock_guard lock(mutex_);
  TRY(const Grid grid, GridOf(query));
  MetricAnswer answer{.from_ms = grid.from_ms, .step_ms = grid.step_ms, .lines = {}};
  const auto family = families_.find(query.name);
  if (family == families_.end()) return answer;
  const bool histogram = family->second.kind == MetricKind::kHistogram;
  if (histogram && query.function == MetricQuery::Function::kValue)
    return absl::InvalidArgumentError(
        StrCat(query.name, " is a histogram; ask for its rate, increase, mean or a quantile"));
  TRY(const auto lines, Collect(family->second, query, grid));
  for (const auto& [labels, sums] : lines) {
    MetricLine line{.labels = labels, .values = std::vector<double>(grid.steps, kNothing)};
    for (std::size_t step = 0; step < grid.steps; ++step) {
      if (!Known(grid, step)) continue;
      line.values[step] = sums.At(step, query, histogram, static_cast<double>(grid.step_ms) / 1000);
    }
    answer.lines.push_back(std::move(line));
  }
  return answer;
}

std::map<std::string, MetricKind> MetricHistory::Families() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, MetricKind> kinds;
  for (const auto& [name, family] : families_) kinds.emplace(name, family.kind);
  return kinds;
}

std::size_t MetricHistory::left_out() const {
  std::lock_guard lock(mutex_);
  return left_out_;
}

}  // namespace tessera
