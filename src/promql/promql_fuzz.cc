// Any text is refused or read; what is read is evaluated, or says why not.
#include <cstdint>
#include <string_view>

#include "promql/evaluate.h"

namespace {

tessera::Result<tessera::PromSamples> Select(const std::vector<tessera::PromMatcher>& matchers,
                                             std::int64_t, std::int64_t to_ms) {
  tessera::PromSamples samples{.series = {}, .step_ms = 1'000};
  for (const std::string_view le : {"0.1", "1", "+Inf"}) {
    tessera::PromSeries series;
    series.labels = {{"__name__", "a_bucket"}, {"le", std::string(le)}, {"job", "x"}};
    for (const tessera::PromMatcher& matcher : matchers) {
      if (!matcher.Matches(series.labels[matcher.label])) return samples;
    }
    for (std::int64_t at = to_ms - 10'000; at <= to_ms; at += 1'000)
      series.points.push_back({at, static_cast<double>(at % 7'000)});
    samples.series.push_back(std::move(series));
  }
  return samples;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)ParsePromSelector(text);
  (void)ParsePromDuration(text);
  const auto expr = ParsePromql(text);
  if (!expr.ok()) return 0;
  const PromRange range{.from_ms = 1'000'000, .to_ms = 1'003'000, .step_ms = 1'000};
  const auto result = EvaluatePromql(**expr, range, Select);
  if (!result.ok() || (*expr)->type == PromType::kRange) return 0;
  for (const PromRow& row : result->rows) CHECK(row.values.size() == range.steps());
  return 0;
}
