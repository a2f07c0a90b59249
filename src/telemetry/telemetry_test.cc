#include <gtest/gtest.h>

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
