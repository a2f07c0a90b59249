#pragma once
// Functions of the query language as plain functions of numbers.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "promql/expression.h"

namespace tessera {

/// A series' value at a time.
struct PromPoint {
  std::int64_t at_ms = 0;
  double value = 0;
};

/// "No value here", which is not the same as not-a-number: a sample that says that its series
/// ended, or a step of a row that has none.
double PromAbsent();
bool IsPromAbsent(double value);

struct PromFunction {
  std::string_view name;
  PromType type;
  std::vector<PromType> arguments;
  std::size_t optional = 0;  ///< so many of the last ones
};
/// nullptr: there is none of that name here.
const PromFunction* FindPromFunction(std::string_view name);
bool IsPromAggregation(std::string_view name);
bool IsPromComparison(std::string_view name);
bool IsPromSetOperator(std::string_view name);

/// The window that a function of a range looks at, without its beginning and with its end.
struct PromWindow {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  std::int64_t asked_ms = 0;  ///< length that was asked for; the window may be longer
};
/// Of "rate", "avg_over_time" and the like; absent where the points are too few.
double PromOverRange(std::string_view function, std::span<const PromPoint> points,
                     const PromWindow& window);
/// Of "abs", "floor" and the like with one vector, and those with numbers besides.
double PromOfValue(std::string_view function, double value, std::span<const double> numbers);
/// Of arithmetic operators, and 1 or 0 of comparisons.
double PromOperate(std::string_view name, double left, double right);

struct PromBucket {
  double le = 0;
  double count = 0;
};
/// Of buckets that each include those below, in any order.
double PromQuantile(double q, std::vector<PromBucket> buckets);

}  // namespace tessera
