#include "otlp/otlp_metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>

#include "base/hex.h"
#include "base/str.h"
#include "otlp/otlp_resource.h"
#include "telemetry/exposition.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

namespace proto = opentelemetry::proto::metrics::v1;

constexpr Duration kLastTime = std::chrono::seconds(3);
constexpr Duration kRoundTime = std::chrono::seconds(30);

Counter& Points(std::string_view outcome) {
  return Metrics::Process().NewCounter(
      "tessera_otlp_points_total",
      "Figures that were to be sent to the collector, by what became of them.",
      {{"outcome", std::string(outcome)}});
}

struct Times {
  std::uint64_t start_ns = 0;
  std::uint64_t now_ns = 0;
};

template <class Point>
void FillPoint(const Labels& labels, const Times& times, Point& point) {
  for (const auto& [name, value] : labels) {
    auto& attribute = *point.add_attributes();
    attribute.set_key(name);
    attribute.mutable_value()->set_string_value(value);
  }
  if (times.start_ns != 0) point.set_start_time_unix_nano(times.start_ns);
  point.set_time_unix_nano(times.now_ns);
}

void SetNumber(const MetricSample& sample, proto::NumberDataPoint& point) {
  const std::string_view text = sample.value;
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && end == text.data() + text.size()) {
    point.set_as_int(whole);
  } else {
    point.set_as_double(sample.Value());
  }
}

// `{trace_id="…",span_id="…"} 0.1 1700000000.123`
void AddExemplar(std::string_view text, proto::HistogramDataPoint& point) {
  const std::size_t labels_end = text.find('}');
  if (!text.starts_with('{') || labels_end == text.npos) return;
  const std::string_view labels = text.substr(1, labels_end - 1);
  const std::string_view rest = Trim(text.substr(labels_end + 1));
  const MetricSample value{.value = rest};
  const MetricSample time{.value = rest.substr(std::min(rest.find(' ') + 1, rest.size()))};
  proto::Exemplar& exemplar = *point.add_exemplars();
  exemplar.set_trace_id(BytesOfHex(LabelOf(labels, "trace_id")));
  exemplar.set_span_id(BytesOfHex(LabelOf(labels, "span_id")));
  exemplar.set_as_double(value.Value());
  exemplar.set_time_unix_nano(static_cast<std::uint64_t>(std::llround(time.Value() * 1e3)) *
                              1'000'000);
}

/// The lines of one histogram stand together; each new set of labels begins a point.
class HistogramPoints {
 public:
  HistogramPoints(const Times& times, proto::Histogram& to) : times_(times), to_(to) {}
  void Take(const MetricFamily& family, const MetricSample& sample) {
    Labels labels = LabelsOf(sample.labels);
    std::string le;
    std::erase_if(labels, [&le](auto& label) {
      if (label.first != "le") return false;
      le = std::move(label.second);
      return true;
    });
    if (point_ == nullptr || labels != labels_) {
      labels_ = std::move(labels);
      point_ = to_.add_data_points();
      FillPoint(labels_, times_, *point_);
      below_ = 0;
    }
    const std::string_view part = sample.name.substr(family.name.size());
    const double value = sample.Value();
    if (part == "_sum") point_->set_sum(value);
    if (part == "_count") point_->set_count(static_cast<std::uint64_t>(value));
    if (part != "_bucket") return;
    const auto seen = static_cast<std::uint64_t>(value);
    point_->add_bucket_counts(seen - std::min(below_, seen));
    below_ = seen;
    if (le != "+Inf") point_->add_explicit_bounds(MetricSample{.value = le}.Value());
    if (!sample.exemplar.empty()) AddExemplar(sample.exemplar, *point_);
  }

 private:
  const Times& times_;
  proto::Histogram& to_;
  Labels labels_;
  proto::HistogramDataPoint* point_ = nullptr;
  std::uint64_t below_ = 0;
};

// By the ends of their names, as Prometheus' conventions have them.
const char* UnitOf(std::string_view name) {
  if (name.ends_with("_seconds") || name.ends_with("_seconds_total") || name.ends_with("_latency"))
    return "s";
  return name.ends_with("_bytes") || name.ends_with("_bytes_total") ? "By" : "";
}

std::uint64_t FillMetric(const MetricFamily& family, const Times& times, proto::Metric& metric) {
  metric.set_name(std::string(family.name));
  metric.set_description(std::string(family.help));
  metric.set_unit(UnitOf(family.name));
  if (family.kind == MetricKind::kHistogram) {
    proto::Histogram& histogram = *metric.mutable_histogram();
    histogram.set_aggregation_temporality(proto::AGGREGATION_TEMPORALITY_CUMULATIVE);
    HistogramPoints points(times, histogram);
    for (const MetricSample& sample : family.samples) points.Take(family, sample);
    return static_cast<std::uint64_t>(histogram.data_points_size());
  }
  if (family.kind == MetricKind::kCounter) {
    proto::Sum& sum = *metric.mutable_sum();
    sum.set_aggregation_temporality(proto::AGGREGATION_TEMPORALITY_CUMULATIVE);
    sum.set_is_monotonic(true);
    for (const MetricSample& sample : family.samples) {
      proto::NumberDataPoint& point = *sum.add_data_points();
      FillPoint(LabelsOf(sample.labels), times, point);
      SetNumber(sample, point);
    }
    return family.samples.size();
  }
  for (const MetricSample& sample : family.samples) {
    proto::NumberDataPoint& point = *metric.mutable_gauge()->add_data_points();
    FillPoint(LabelsOf(sample.labels), {.now_ns = times.now_ns}, point);
    SetNumber(sample, point);
  }
  return family.samples.size();
}

}  // namespace

OtlpMetricsRequest MakeOtlpMetricsRequest(const FiguresOfProcess& told,
                                          const std::map<std::string, std::string>& attributes,
                                          const std::string& version, std::int64_t now_ms) {
  // What several writers tell of one family stands together there.
  ExpositionMerge merge(ExpositionFormat::kWithExemplars);
  merge.Add(told.text, {});
  const std::string text = merge.Text();
  const std::vector<MetricFamily> families = ReadExposition(text);
  Times times{.now_ns = static_cast<std::uint64_t>(now_ms) * 1'000'000};
  for (const MetricFamily& family : families) {
    if (family.name == "process_start_time_seconds" && !family.samples.empty())
      times.start_ns =
          static_cast<std::uint64_t>(std::llround(family.samples[0].Value() * 1e3)) * 1'000'000;
  }
  opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest request;
  proto::ResourceMetrics& of_process = *request.add_resource_metrics();
  FillResource(attributes, told.process, told.group, of_process.mutable_resource());
  proto::ScopeMetrics& scope = *of_process.add_scope_metrics();
  scope.mutable_scope()->set_name("tessera");
  scope.mutable_scope()->set_version(version);
  OtlpMetricsRequest made;
  for (const MetricFamily& family : families) {
    if (!family.samples.empty()) made.points += FillMetric(family, times, *scope.add_metrics());
  }
  made.bytes = request.SerializeAsString();
  return made;
}

OtlpMetricsExporter::OtlpMetricsExporter(const TelemetryConfig& config, std::string version,
                                         std::unique_ptr<OtlpTransport> transport, Ask ask)
    : attributes_(config.Resource(version)),
      version_(std::move(version)),
      transport_(std::move(transport)),
      ask_(std::move(ask)),
      exported_(Points("exported")),
      rejected_(Points("rejected")),
      failed_(Points("failed")),
      rounds_(config.metrics.interval,
              [this](Rounds::Why why) { Export(why == Rounds::Why::kEnd); }) {}

void OtlpMetricsExporter::Export(bool last) {
  const Ctx ctx = SystemCtx().WithTimeout(last ? kLastTime : kRoundTime);
  for (const FiguresOfProcess& told : SyncWait(ask_(ctx))) {
    OtlpMetricsRequest request = MakeOtlpMetricsRequest(told, attributes_, version_, WallMillis());
    const OtlpOutcome outcome = SyncWait(transport_->Send(ctx, std::move(request.bytes)));
    if (!outcome.status.ok()) {
      failed_.Add(request.points);
      if (!std::exchange(away_, true))
        Log(LogLevel::kWarning, "figures could not be sent; the next will say what these would",
            {{"reason", outcome.status.ToString()}});
      if (outcome.again) return;  // it is away, for the others too
      continue;
    }
    const std::uint64_t rejected = std::min(outcome.rejected.count, request.points);
    exported_.Add(request.points - rejected);
    rejected_.Add(rejected);
    if (std::exchange(away_, false)) Log(LogLevel::kInfo, "the collector takes figures again");
  }
}

}  // namespace tessera
