#include "telemetry/metrics.h"

#include <algorithm>

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

namespace {
double BucketEnd(std::size_t bucket) {
  return static_cast<double>(std::uint64_t{1} << (bucket + Histogram::kFirstBit)) * 1e-9;
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

void AppendHistogram(std::string& out, std::string_view name, const Labels& labels,
                     const Histogram::Snapshot& snapshot) {
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i + 1 < snapshot.buckets.size(); ++i) {
    seen += snapshot.buckets[i];
    StrAppend(&out, name, "_bucket", PrometheusLabels(labels, StrCat(BucketEnd(i))), " ", seen,
              "\n");
  }
  StrAppend(&out, name, "_bucket", PrometheusLabels(labels, "+Inf"), " ", snapshot.count, "\n",
            name, "_sum", PrometheusLabels(labels), " ", snapshot.sum_seconds, "\n", name, "_count",
            PrometheusLabels(labels), " ", snapshot.count, "\n");
}

Metrics& Metrics::Process() {
  static Metrics* metrics = new Metrics;  // never destroyed: threads may count during exit
  return *metrics;
}

template <class T>
T& Metrics::FindOrMake(std::unique_ptr<T> Metric::* kind, std::string_view name,
                       std::string_view help, Labels labels) {
  std::lock_guard lock(mutex_);
  for (const auto& metric : metrics_) {
    if (metric->name == name && metric->labels == labels && (*metric).*kind) {
      return *((*metric).*kind);
    }
  }
  auto metric = std::make_unique<Metric>();
  metric->name = name;
  metric->help = help;
  metric->labels = std::move(labels);
  (*metric).*kind = std::make_unique<T>();
  metrics_.push_back(std::move(metric));
  return *((*metrics_.back()).*kind);
}

Counter& Metrics::NewCounter(std::string_view name, std::string_view help, Labels labels) {
  return FindOrMake(&Metric::counter, name, help, std::move(labels));
}
Gauge& Metrics::NewGauge(std::string_view name, std::string_view help, Labels labels) {
  return FindOrMake(&Metric::gauge, name, help, std::move(labels));
}
Histogram& Metrics::NewHistogram(std::string_view name, std::string_view help, Labels labels) {
  return FindOrMake(&Metric::histogram, name, help, std::move(labels));
}

void Metrics::AddWriter(std::function<void(std::string&)> writer) {
  std::lock_guard lock(mutex_);
  writers_.push_back(std::move(writer));
}

std::string Metrics::Text() const {
  std::lock_guard lock(mutex_);
  std::vector<const Metric*> sorted;
  for (const auto& metric : metrics_) sorted.push_back(metric.get());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Metric* a, const Metric* b) { return a->name < b->name; });
  std::string out;
  std::string_view last;
  for (const Metric* metric : sorted) {
    if (metric->name != last) {
      StrAppend(&out, "# HELP ", metric->name, " ", metric->help, "\n# TYPE ", metric->name,
                metric->counter ? " counter\n"
                : metric->gauge ? " gauge\n"
                                : " histogram\n");
      last = metric->name;
    }
    const std::string labels = PrometheusLabels(metric->labels);
    if (metric->counter) {
      StrAppend(&out, metric->name, labels, " ", metric->counter->value(), "\n");
    } else if (metric->gauge) {
      StrAppend(&out, metric->name, labels, " ", metric->gauge->value(), "\n");
    } else {
      AppendHistogram(out, metric->name, metric->labels, metric->histogram->snapshot());
    }
  }
  for (const auto& writer : writers_) writer(out);
  return out;
}

}  // namespace tessera
