#include "promql/functions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>

namespace tessera {
namespace {

constexpr std::uint64_t kAbsentBits = 0x7ff0000000000002;  // the one of Prometheus
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Prometheus' extrapolatedRate: the growth between the first and the last point, carried on to the
// window's ends where the points come close to them, and for counters not below zero.
double Growth(std::span<const PromPoint> points, const PromWindow& window, bool counter) {
  double grown = points.back().value - points.front().value;
  if (counter) {
    for (std::size_t i = 1; i < points.size(); ++i) {
      if (points[i].value < points[i - 1].value) grown += points[i - 1].value;
    }
  }
  const auto seconds = [](std::int64_t ms) { return static_cast<double>(ms) / 1000; };
  const double sampled = seconds(points.back().at_ms - points.front().at_ms);
  if (sampled <= 0) return PromAbsent();
  double before = seconds(points.front().at_ms - window.from_ms);
  const double after = seconds(window.to_ms - points.back().at_ms);
  const double between = sampled / static_cast<double>(points.size() - 1);
  if (counter && grown > 0 && points.front().value >= 0)
    before = std::min(before, sampled * (points.front().value / grown));
  const double threshold = between * 1.1;
  const double whole = sampled + (before < threshold ? before : between / 2) +
                       (after < threshold ? after : between / 2);
  return grown * (whole / sampled);
}

double Changes(std::span<const PromPoint> points, bool only_falls) {
  double found = 0;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const double before = points[i - 1].value;
    const double now = points[i].value;
    if (only_falls ? now < before : now != before && !(std::isnan(now) && std::isnan(before)))
      ++found;
  }
  return found;
}

double Sum(std::span<const PromPoint> points) {
  double sum = 0;
  for (const PromPoint& point : points) sum += point.value;
  return sum;
}

}  // namespace

double PromAbsent() { return std::bit_cast<double>(kAbsentBits); }
bool IsPromAbsent(double value) { return std::bit_cast<std::uint64_t>(value) == kAbsentBits; }

const PromFunction* FindPromFunction(std::string_view name) {
  using enum PromType;
  static const std::vector<PromFunction> functions = {
      {"rate", kVector, {kRange}},
      {"increase", kVector, {kRange}},
      {"irate", kVector, {kRange}},
      {"delta", kVector, {kRange}},
      {"changes", kVector, {kRange}},
      {"resets", kVector, {kRange}},
      {"avg_over_time", kVector, {kRange}},
      {"min_over_time", kVector, {kRange}},
      {"max_over_time", kVector, {kRange}},
      {"sum_over_time", kVector, {kRange}},
      {"count_over_time", kVector, {kRange}},
      {"last_over_time", kVector, {kRange}},
      {"histogram_quantile", kVector, {kScalar, kVector}},
      {"clamp_min", kVector, {kVector, kScalar}},
      {"clamp_max", kVector, {kVector, kScalar}},
      {"abs", kVector, {kVector}},
      {"ceil", kVector, {kVector}},
      {"floor", kVector, {kVector}},
      {"round", kVector, {kVector, kScalar}, 1},
      {"vector", kVector, {kScalar}},
      {"scalar", kScalar, {kVector}},
      {"time", kScalar, {}},
  };
  const auto found = std::ranges::find(functions, name, &PromFunction::name);
  return found == functions.end() ? nullptr : &*found;
}

bool IsPromAggregation(std::string_view name) {
  return name == "sum" || name == "avg" || name == "min" || name == "max" || name == "count";
}

bool IsPromComparison(std::string_view name) {
  return name == "==" || name == "!=" || name == ">" || name == "<" || name == ">=" || name == "<=";
}

bool IsPromSetOperator(std::string_view name) {
  return name == "and" || name == "or" || name == "unless";
}

double PromOverRange(std::string_view function, std::span<const PromPoint> points,
                     const PromWindow& window) {
  const bool grows = function == "rate" || function == "increase" || function == "delta";
  if (points.size() < (grows || function == "irate" ? 2u : 1u)) return PromAbsent();
  const double last = points.back().value;
  if (grows) {
    const double grown = Growth(points, window, function != "delta");
    if (IsPromAbsent(grown)) return grown;
    // A window that had to be longer than asked for tells of the one that was asked for.
    const double per_ms = grown / static_cast<double>(window.to_ms - window.from_ms);
    return function == "rate" ? per_ms * 1000 : per_ms * static_cast<double>(window.asked_ms);
  }
  if (function == "irate") {
    const PromPoint& before = points[points.size() - 2];
    const auto ms = static_cast<double>(points.back().at_ms - before.at_ms);
    if (ms <= 0) return PromAbsent();
    return (last < before.value ? last : last - before.value) / ms * 1000;
  }
  if (function == "changes") return Changes(points, false);
  if (function == "resets") return Changes(points, true);
  if (function == "last_over_time") return last;
  const auto count = static_cast<double>(points.size());
  if (function == "count_over_time") return count;
  if (function == "sum_over_time") return Sum(points);
  if (function == "avg_over_time") return Sum(points) / count;
  double edge = points.front().value;
  for (const PromPoint& point : points) {
    const bool further = function == "min_over_time" ? point.value < edge : point.value > edge;
    if (further || std::isnan(edge)) edge = point.value;
  }
  return edge;
}

double PromOfValue(std::string_view function, double value, std::span<const double> numbers) {
  if (function == "abs") return std::fabs(value);
  if (function == "ceil") return std::ceil(value);
  if (function == "floor") return std::floor(value);
  if (function == "clamp_min") return std::isnan(numbers[0]) ? kNan : std::max(value, numbers[0]);
  if (function == "clamp_max") return std::isnan(numbers[0]) ? kNan : std::min(value, numbers[0]);
  const double to = numbers.empty() ? 1 : numbers[0];  // round
  return std::floor(value / to + 0.5) * to;
}

double PromOperate(std::string_view name, double left, double right) {
  if (name == "+") return left + right;
  if (name == "-") return left - right;
  if (name == "*") return left * right;
  if (name == "/") return left / right;
  if (name == "%") return std::fmod(left, right);
  if (name == "^") return std::pow(left, right);
  if (name == "==") return left == right ? 1 : 0;
  if (name == "!=") return left != right ? 1 : 0;
  if (name == ">") return left > right ? 1 : 0;
  if (name == "<") return left < right ? 1 : 0;
  if (name == ">=") return left >= right ? 1 : 0;
  return left <= right ? 1 : 0;
}

double PromQuantile(double q, std::vector<PromBucket> buckets) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInfinity;
  if (q > 1) return kInfinity;
  std::ranges::sort(buckets, {}, &PromBucket::le);
  if (buckets.empty() || buckets.back().le != kInfinity) return kNan;
  // Several of one bound are one; counts never fall.
  std::vector<PromBucket> merged;
  for (const PromBucket& bucket : buckets) {
    if (!merged.empty() && merged.back().le == bucket.le) {
      merged.back().count += bucket.count;
    } else {
      merged.push_back(bucket);
    }
  }
  for (std::size_t i = 1; i < merged.size(); ++i)
    merged[i].count = std::max(merged[i].count, merged[i - 1].count);
  const double all = merged.back().count;
  if (merged.size() < 2 || all == 0 || std::isnan(all)) return kNan;
  const double rank = q * all;
  const auto found = std::find_if(merged.begin(), std::prev(merged.end()),
                                  [&](const PromBucket& bucket) { return bucket.count >= rank; });
  if (std::next(found) == merged.end()) return std::prev(found)->le;
  if (found == merged.begin() && found->le <= 0) return found->le;
  const double lower = found == merged.begin() ? 0 : std::prev(found)->le;
  const double below = found == merged.begin() ? 0 : std::prev(found)->count;
  return lower + (found->le - lower) * ((rank - below) / (found->count - below));
}

}  // namespace tessera
