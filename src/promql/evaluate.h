#pragma once
// What an expression comes to, over the samples that there are.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "promql/functions.h"

namespace tessera {

using PromLabels = std::map<std::string, std::string>;

/// A series that fits, its points by time. One that ended has an absent point where it did.
struct PromSeries {
  PromLabels labels;  ///< with kPromName
  std::vector<PromPoint> points;
};
struct PromSamples {
  std::vector<PromSeries> series;
  std::int64_t step_ms = 0;  ///< between two points, about: windows are at least twice as long
};
/// Series with points after `from_ms`, up to and with `to_ms`.
using PromSelect = std::function<Result<PromSamples>(const std::vector<PromMatcher>& matchers,
                                                     std::int64_t from_ms, std::int64_t to_ms)>;

/// Times of the values: from, from + step … up to and with to. An instant: from is to.
struct PromRange {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  std::int64_t step_ms = 1;
  std::size_t steps() const { return static_cast<std::size_t>((to_ms - from_ms) / step_ms) + 1; }
};

/// A value for each time; absent where there is none. A range selector has points instead.
struct PromRow {
  PromLabels labels;
  std::vector<double> values;
  std::vector<PromPoint> points;
};
struct PromResult {
  PromType type = PromType::kVector;
  std::vector<PromRow> rows;  ///< of a scalar or a string one
  std::string text;           ///< of a string
};

inline constexpr std::size_t kPromStepsMax = 11'000;
inline constexpr std::size_t kPromValuesMax = 4'000'000;  ///< of all rows of a node

/// INVALID_ARGUMENT for what no range can be asked of; FAILED_PRECONDITION where the samples do not
/// fit the expression (several on one side of an operator); RESOURCE_EXHAUSTED beyond the limits.
Result<PromResult> EvaluatePromql(const PromExpr& expr, const PromRange& range,
                                  const PromSelect& select);

}  // namespace tessera
