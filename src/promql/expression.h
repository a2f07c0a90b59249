#pragma once
// Expressions of Prometheus' query language, read:
// https://prometheus.io/docs/prometheus/latest/querying/basics/

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace tessera {

/// The name under which a series' own name is one of its labels.
inline constexpr std::string_view kPromName = "__name__";

/// `label="value"` and the like.
struct PromMatcher {
  enum class Kind : std::uint8_t { kEqual, kNotEqual, kMatches, kMatchesNot };
  std::string label;
  Kind kind = Kind::kEqual;
  std::string value;
  std::shared_ptr<const re2::RE2> pattern;  ///< of the two last kinds; matches whole values

  /// A label that is not there is "".
  bool Matches(std::string_view text) const;
};

enum class PromType : std::uint8_t { kScalar, kVector, kRange, kString };
/// As error messages of Prometheus have it: "instant vector".
std::string_view PromTypeName(PromType type);

/// A node. Which fields count is its kind's matter.
struct PromExpr {
  enum class Kind : std::uint8_t { kNumber, kString, kSelector, kCall, kAggregate, kBinary };
  Kind kind = Kind::kNumber;
  PromType type = PromType::kScalar;
  double number = 0;
  std::string name;  ///< of the function, aggregation or operator; a string's text
  std::vector<PromMatcher> matchers;
  std::int64_t range_ms = 0;  ///< of a selector of type kRange
  std::vector<std::unique_ptr<PromExpr>> arguments;
  std::vector<std::string> labels;  ///< of by, without, on or ignoring
  bool only_labels = false;         ///< by or on; else without or ignoring
  bool as_bool = false;             ///< a comparison with `bool`
};

/// Longest text, in bytes; deepest nesting.
inline constexpr std::size_t kPromTextMax = 8192;
inline constexpr int kPromDepthMax = 64;

/// INVALID_ARGUMENT with the place ("1:5: …") where the text is none, or asks for what is left out.
Result<std::unique_ptr<PromExpr>> ParsePromql(std::string_view text);
/// A selector without a range, as `match[]` has it.
Result<std::vector<PromMatcher>> ParsePromSelector(std::string_view text);
/// "1h30m" in milliseconds.
Result<std::int64_t> ParsePromDuration(std::string_view text);

}  // namespace tessera
