#pragma once
// Prometheus text, read and put together:
// https://prometheus.io/docs/instrumenting/exposition_formats/

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/metrics.h"

namespace tessera {

enum class MetricKind { kUntyped, kCounter, kGauge, kHistogram };

/// How figures are written: Prometheus' text 0.0.4, or OpenMetrics 1.0
/// (https://prometheus.io/docs/specs/om/open_metrics_spec/), which has exemplars.
enum class ExpositionFormat : std::uint8_t {
  kPrometheus,
  kOpenMetrics,
  kWithExemplars,  ///< the first, with the second's exemplars: for ReadExposition
};
/// Its value of Content-Type.
std::string_view ContentTypeOf(ExpositionFormat format);

/// One line: `name{a="b"} 1`. Views of the text that was read.
struct MetricSample {
  std::string_view name;      ///< of a histogram with _bucket, _sum or _count
  std::string_view labels;    ///< between the braces, as written: `a="b",le="0.1"`
  std::string_view value;     ///< as written, with a time where one follows it
  std::string_view exemplar;  ///< as written: `{trace_id="…"} 0.1 1700000000.123`; mostly empty
  double Value() const;       ///< NaN when it is no number
};

struct MetricFamily {
  std::string_view name;
  std::string_view help;
  MetricKind kind = MetricKind::kUntyped;
  std::vector<MetricSample> samples;
};

/// The families of a text, in its order. Lines that are none of the format's are left out.
std::vector<MetricFamily> ReadExposition(std::string_view text);

/// The value of a label in MetricSample::labels, unescaped; "" when there is none.
std::string LabelOf(std::string_view labels, std::string_view name);
/// All labels, unescaped.
Labels LabelsOf(std::string_view labels);

/// Several processes' figures as one text: each series keeps its own labels and gets those of its
/// process; each family stands once. Not thread-safe.
class ExpositionMerge {
 public:
  explicit ExpositionMerge(ExpositionFormat format = ExpositionFormat::kPrometheus)
      : format_(format) {}
  /// `text` outlives Text().
  void Add(std::string_view text, const Labels& process);
  std::string Text() const;

 private:
  struct Family {
    std::string_view help;
    MetricKind kind;
    std::string lines;
  };
  const ExpositionFormat format_;
  std::map<std::string_view, Family> families_;
};

/// "counter", "gauge" …, as TYPE lines have it.
std::string_view MetricKindName(MetricKind kind);

}  // namespace tessera
