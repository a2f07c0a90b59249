#include "telemetry/metrics.h"

#include <algorithm>
#include <charconv>

#include "base/ids.h"
#include "telemetry/process_figures.h"

namespace tessera {

std::uint64_t Counter::value() const {
  std::uint64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.value.load(std::memory_order_relaxed);
  return sum;
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot;
  std::uint64_t sum_ns = 0;
  for (const Cell& cell : cells_) {
    for (std::size_t i = 0; i < snapshot.buckets.size(); ++i) {
      snapshot.buckets[i] += cell.buckets[i].load(std::memory_order_relaxed);
    }
    sum_ns += cell.sum.load(std::memory_order_relaxed);
  }
  for (const std::uint64_t bucket : snapshot.buckets) snapshot.count += bucket;
  snapshot.sum_seconds = static_cast<double>(sum_ns) * 1e-9;
  return snapshot;
}

// Whoever finds another one remembering leaves it to that.
void Histogram::Remember(std::uint64_t nanoseconds, const TraceId& trace, std::uint64_t span) {
  std::call_once(first_, [this] {
    remembered_ = std::make_unique<Remembered>();
    remembers_.store(true, std::memory_order_release);
  });
  const std::unique_lock lock(remembered_->mutex, std::try_to_lock);
  if (!lock) return;
  remembered_->exemplars[BucketOf(nanoseconds)] = {.trace_high = trace.high,
                                                   .trace_low = trace.low,
                                                   .span = span,
                                                   .nanoseconds = nanoseconds,
                                                   .time_ms = WallMillis()};
}

std::unique_ptr<Histogram::Exemplars> Histogram::exemplars() const {
  if (!remembers_.load(std::memory_order_acquire)) return nullptr;
  std::lock_guard lock(remembered_->mutex);
  return std::make_unique<Exemplars>(remembered_->exemplars);
}

namespace {

double BucketEnd(std::size_t bucket) {
  return static_cast<double>(std::uint64_t{1} << (bucket + Histogram::kFirstBit)) * 1e-9;
}

// As OpenMetrics writes it, behind a bucket's number.
void AppendExemplar(std::string& out, const Exemplar& exemplar) {
  if (exemplar.time_ms == 0) return;
  StrAppend(&out, " # {trace_id=\"", Hex(exemplar.trace_high), Hex(exemplar.trace_low), "\"");
  if (exemplar.span != 0) StrAppend(&out, ",span_id=\"", Hex(exemplar.span), "\"");
  const std::string millis = StrCat(1000 + exemplar.time_ms % 1000);
  StrAppend(&out, "} ", MetricNumber(static_cast<double>(exemplar.nanoseconds) / 1e9), " ",
            exemplar.time_ms / 1000, ".", millis.substr(1));
}

}  // namespace

double Histogram::Snapshot::Quantile(double q) const {
  const double wanted = q * static_cast<double>(count);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return BucketEnd(i);
  }
  return 0;
}

std::string PrometheusLabels(const Labels& labels, std::string_view le) {
  std::string text;
  const auto append = [&text](std::string_view key, std::string_view value) {
    StrAppend(&text, text.empty() ? "{" : ",", key, "=\"");
    for (const char c : value) {
      if (c == '\\' || c == '"') text.push_back('\\');
      if (c == '\n')
        text += "\\n";
      else
        text.push_back(c);
    }
    text.push_back('"');
  };
  for (const auto& [key, value] : labels) append(key, value);
  if (!le.empty()) append("le", le);
  if (!text.empty()) text.push_back('}');
  return text;
}

std::string MetricNumber(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}

// Every line begins and ends alike: only the bound and the number change.
void AppendHistogram(std::string& out, std::string_view name, const Labels& labels,
                     const Histogram& histogram) {
  const Histogram::Snapshot snapshot = histogram.snapshot();
  const std::unique_ptr<Histogram::Exemplars> exemplars = histogram.exemplars();
  static const std::array<std::string, Histogram::kBuckets> kBounds = [] {
    std::array<std::string, Histogram::kBuckets> bounds;
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) bounds[i] = MetricNumber(BucketEnd(i));
    bounds.back() = "+Inf";
    return bounds;
  }();
  const std::string plain = PrometheusLabels(labels);
  const std::string own = plain.empty() ? "{" : StrCat(plain.substr(0, plain.size() - 1), ",");
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < snapshot.buckets.size(); ++i) {
    seen += snapshot.buckets[i];
    StrAppend(&out, name, "_bucket", own, "le=\"", kBounds[i], "\"} ", seen);
    if (exemplars) AppendExemplar(out, (*exemplars)[i]);
    out.push_back('\n');
  }
  StrAppend(&out, name, "_sum", plain, " ", MetricNumber(snapshot.sum_seconds), "\n", name,
            "_count", plain, " ", snapshot.count, "\n");
}

Metrics& Metrics::Process() {
  static Metrics* metrics = [] {
    // tidy: never destroyed, as threads may count during exit
    auto* made = new Metrics;
    made->AddWriter(WriteProcessFigures);
    made->AddWriter(WriteResourceUses);
    return made;
  }();
  return *metrics;
}

template <class T>
T& Metrics::FindOrMake(std::unique_ptr<T> Metric::* made, std::string_view kind,
                       std::string_view name, std::string_view help, const Labels& labels) {
  static const Labels kOverflow = {{"otel_metric_overflow", "true"}};
  std::lock_guard lock(mutex_);
  auto family = families_.find(name);
  if (family == families_.end())
    family = families_.emplace(std::string(name), Family{std::string(help), kind, {}}).first;
  auto& metrics = family->second.metrics;
  auto metric = metrics.find(PrometheusLabels(labels));
  if (metric == metrics.end()) {
    const Labels& own = metrics.size() < kSeriesMax ? labels : kOverflow;
    metric = metrics.try_emplace(PrometheusLabels(own), Metric{.labels = own}).first;
  }
  std::unique_ptr<T>& figure = metric->second.*made;
  if (!figure) figure = std::make_unique<T>();
  return *figure;
}

Counter& Metrics::NewCounter(std::string_view name, std::string_view help, const Labels& labels) {
  return FindOrMake(&Metric::counter, "counter", name, help, labels);
}
Gauge& Metrics::NewGauge(std::string_view name, std::string_view help, const Labels& labels) {
  return FindOrMake(&Metric::gauge, "gauge", name, help, labels);
}
Histogram& Metrics::NewHistogram(std::string_view name, std::string_view help,
                                 const Labels& labels) {
  return FindOrMake(&Metric::histogram, "histogram", name, help, labels);
}

void Metrics::AddWriter(std::function<void(std::string&)> writer) {
  std::lock_guard lock(mutex_);
  writers_.push_back(std::move(writer));
}

std::string Metrics::Text() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    StrAppend(&out, "# HELP ", name, " ", family.help, "\n# TYPE ", name, " ", family.kind, "\n");
    for (const auto& [labels, metric] : family.metrics) {
      if (metric.counter) StrAppend(&out, name, labels, " ", metric.counter->value(), "\n");
      if (metric.gauge) StrAppend(&out, name, labels, " ", metric.gauge->value(), "\n");
      if (metric.histogram) AppendHistogram(out, name, metric.labels, *metric.histogram);
    }
  }
  for (const auto& writer : writers_) writer(out);
  return out;
}

}  // namespace tessera
