#include <gtest/gtest.h>

#include "telemetry/exposition.h"
#include "telemetry/metrics.h"
#include "telemetry/trace.h"

namespace tessera {
namespace {

TEST(MetricsTest, TextHasEveryKindAndEscapesLabels) {
  Metrics metrics;
  metrics.NewCounter("requests_total", "Requests.", {{"path", "/\"x\"\n"}}).Add(3);
  metrics.NewGauge("queue", "Waiting.").Set(-2);
  metrics.NewHistogram("seconds", "Time.").Observe(std::chrono::milliseconds(2));
  const std::string text = metrics.Text();
  EXPECT_NE(text.find("requests_total{path=\"/\\\"x\\\"\\n\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("# TYPE queue gauge\nqueue -2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("seconds_bucket{le=\"+Inf\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("seconds_sum 0.002\n"), std::string::npos) << text;
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  EXPECT_EQ(&metrics.NewCounter("a", ""), &metrics.NewCounter("a", ""));
  EXPECT_NE(&metrics.NewCounter("a", ""), &metrics.NewCounter("a", "", {{"b", "c"}}));
}

TEST(MetricsTest, TooManySeriesCountTogether) {
  Metrics metrics;
  for (std::size_t i = 0; i < Metrics::kSeriesMax + 3; ++i)
    metrics.NewCounter("a_total", "", {{"path", StrCat(i)}}).Add();
  EXPECT_NE(metrics.Text().find("a_total{otel_metric_overflow=\"true\"} 3\n"), std::string::npos);
  metrics.NewCounter("a_total", "", {{"path", "7"}}).Add();
  EXPECT_NE(metrics.Text().find("a_total{path=\"7\"} 2\n"), std::string::npos);
}

TEST(MetricsTest, SumsKeepTheirDigits) {
  Metrics metrics;
  metrics.NewHistogram("seconds", "").Observe(std::uint64_t{1'234'567'890'123'456});
  EXPECT_NE(metrics.Text().find("seconds_sum 1234567.890123456\n"), std::string::npos)
      << metrics.Text();
}

TEST(MetricsTest, WritersMayShareAFamily) {
  Metrics metrics;
  for (const char* line : {"# TYPE a gauge\na{x=\"1\"} 1\nb 1\n", "# TYPE a gauge\na{x=\"2\"} 2\n"})
    metrics.AddWriter([line](std::string& out) { out += line; });
  EXPECT_EQ(metrics.Text(), "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE b untyped\nb 1\n");
}

TEST(MetricsTest, TellsOfTheProcess) {
  const std::string text = Metrics::Process().Text();
  double started = 0;
  double resident = 0;
  for (const MetricFamily& family : ReadExposition(text)) {
    if (family.name == "process_start_time_seconds") started = family.samples.at(0).Value();
    if (family.name == "process_resident_memory_bytes") resident = family.samples.at(0).Value();
  }
  EXPECT_NEAR(started, static_cast<double>(WallMillis()) / 1000, 60);
  EXPECT_GT(resident, 1 << 20);
}

TEST(HistogramTest, QuantilesAreBucketBounds) {
  Histogram histogram;
  for (int i = 0; i < 99; ++i) histogram.Observe(std::uint64_t{1000});
  histogram.Observe(std::uint64_t{1'000'000'000});
  EXPECT_DOUBLE_EQ(histogram.snapshot().Quantile(0.5), 1024e-9);
  EXPECT_NEAR(histogram.snapshot().Quantile(0.999), 1.07, 0.01);
}

TEST(SpanRingTest, KeepsTheLastOnes) {
  SpanRing ring(2);
  for (std::uint64_t id = 1; id <= 3; ++id) ring.Add(Span{.trace = {}, .id = id});
  const std::vector<Span> spans = ring.Drain();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].id, 2u);
  EXPECT_EQ(spans[1].id, 3u);
  EXPECT_TRUE(ring.Drain().empty());
}

}  // namespace
}  // namespace tessera
