#pragma once
// Prometheus text, read and put together:
// https://prometheus.io/docs/instrumenting/exposition_formats/

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/metrics.h"

namespace tessera {

enum class MetricKind { kUntyped, kCounter, kGauge, kHistogram };

/// One line: `name{a="b"} 1`. Views of the text that was read.
struct MetricSample {
  std::string_view name;    ///< of a histogram with _bucket, _sum or _count
  std::string_view labels;  ///< between the braces, as written: `a="b",le="0.1"`
  std::string_view value;   ///< as written, with what follows it (a time, an exemplar)
  double Value() const;     ///< NaN when it is no number
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
  /// `text` outlives Text().
  void Add(std::string_view text, const Labels& process);
  std::string Text() const;

 private:
  struct Family {
    std::string_view help;
    MetricKind kind;
    std::string lines;
  };
  std::map<std::string_view, Family> families_;
};

/// "counter", "gauge" …, as TYPE lines have it.
std::string_view MetricKindName(MetricKind kind);

}  // namespace tessera
