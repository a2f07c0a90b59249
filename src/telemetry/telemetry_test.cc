#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "telemetry/exposition.h"
#include "telemetry/metrics.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

using testing::StartsWith;

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
  const std::string text = metrics.Text();
  ExpositionMerge merge;
  merge.Add(text, {});
  EXPECT_EQ(merge.Text(), "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE b untyped\nb 1\n");
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

TEST(HistogramTest, ABucketRemembersItsLastSampledRequest) {
  Metrics metrics;
  Histogram& histogram = metrics.NewHistogram("seconds", "");
  histogram.Observe(1'500'000, {.high = 1, .low = 2, .sampled = false}, 3);
  EXPECT_EQ(histogram.exemplars(), nullptr);
  EXPECT_EQ(metrics.Text().find('#', metrics.Text().find("seconds_bucket")), std::string::npos);
  histogram.Observe(1'100'000, {.high = 1, .low = 2, .sampled = true}, 3);
  histogram.Observe(1'500'000, {.high = 4, .low = 0xAB, .sampled = true}, 5);
  histogram.Observe(1'200'000, {.high = 6, .low = 7, .sampled = false}, 8);
  histogram.Observe(7, {.high = 9, .low = 9, .sampled = true}, 0);
  const std::string text = metrics.Text();
  std::vector<std::string> exemplars;
  for (const MetricFamily& family : ReadExposition(text)) {
    for (const MetricSample& sample : family.samples) {
      if (!sample.exemplar.empty()) exemplars.push_back(StrCat(sample.value, " ", sample.exemplar));
    }
  }
  ASSERT_EQ(exemplars.size(), 2U) << text;
  EXPECT_THAT(exemplars[0], StartsWith("1 {trace_id=\"00000000000000090000000000000009\"} 7e-09 "));
  EXPECT_THAT(exemplars[1], StartsWith("5 {trace_id=\"000000000000000400000000000000ab\",span_id="
                                       "\"0000000000000005\"} 0.0015 "));
  EXPECT_NEAR(std::stod(exemplars[0].substr(exemplars[0].rfind(' '))),
              static_cast<double>(WallMillis()) / 1000, 60);
}

class TraceTest : public testing::Test {
 protected:
  TraceTest() {
    TraceRecorder::Options options;
    options.on = true;
    options.tail.recent_per_second = 0;
    options.tail.rare_after = std::chrono::hours(24 * 365 * 100);
    Configure(options);
  }
  ~TraceTest() override { TraceRecorder::Process().Configure({}); }

  static void Configure(TraceRecorder::Options options) {
    TraceRecorder::Process().Configure(options);
    TraceRecorder::Process().Take({}, 1000);
  }
  static std::shared_ptr<TraceSpans> Begin(TraceId trace, bool platform = false) {
    RequestInfo info;
    info.trace = trace;
    TraceRecorder::Process().Begin(info, true, platform);
    info.spans->Begin("root", SpanKind::kServer, 7);
    return info.spans;
  }
};

TEST_F(TraceTest, SpansAndAttributesAreKeptUpToTheirBounds) {
  const auto spans = Begin({.high = 1, .low = 2, .sampled = true});
  for (int i = 0; i < 600; ++i) {
    const std::uint32_t span = spans->Begin("step", SpanKind::kInternal, spans->IdOf(0));
    spans->Set(span, "number", i);
    spans->Set(span, "text", StrCat("value ", i));
    spans->End(span, absl::StatusCode::kOk);
  }
  spans->Set(0, "long", std::string(2000, 'x'));
  const TraceSpans::Copy copy = spans->Read();
  ASSERT_EQ(copy.spans.size(), TraceSpans::kSpansMax);
  EXPECT_EQ(copy.dropped, 600 - (TraceSpans::kSpansMax - 1));
  EXPECT_EQ(copy.spans[300].id, spans->IdOf(300));
  EXPECT_EQ(copy.spans[300].parent, spans->IdOf(0));
  bool found = false;
  for (const auto& [attribute, text] : copy.attributes) {
    if (attribute.span == 300 && attribute.key == "text") found = text == "value 299";
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(copy.attributes.back().second.size(), TraceSpans::kValueMax);
}

TEST_F(TraceTest, SampledFailedAndWantedOnesAreTakenOthersAreNot) {
  Begin({.high = 1, .low = 1, .sampled = true})->End(0, absl::StatusCode::kOk);
  Begin({.high = 1, .low = 2, .sampled = false})->End(0, absl::StatusCode::kOk);
  Begin({.high = 1, .low = 3, .sampled = false})->End(0, absl::StatusCode::kUnavailable);
  Begin({.high = 1, .low = 4, .sampled = false}, true)->End(0, absl::StatusCode::kOk);
  const auto late = Begin({.high = 1, .low = 5, .sampled = false}, true);
  auto taken = TraceRecorder::Process().Take({}, 1000);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].first->trace().low, 1u);
  EXPECT_EQ(taken[0].second, TraceReason::kSampled);
  EXPECT_EQ(taken[1].first->trace().low, 3u);
  EXPECT_EQ(taken[1].second, TraceReason::kError);

  const TraceId wanted[] = {{.high = 1, .low = 4, .sampled = false},
                            {.high = 1, .low = 5, .sampled = false}};
  taken = TraceRecorder::Process().Take(wanted, 1000);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].first->trace().low, 4u);
  late->End(0, absl::StatusCode::kOk);  // of a trace that is wanted already
  taken = TraceRecorder::Process().Take({}, 1000);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].first->trace().low, 5u);
}

TEST_F(TraceTest, WhatFindsNoRoomIsCounted) {
  TraceRecorder::Options options = TraceRecorder::Process().options();
  options.kept_max = 3;
  Configure(options);
  const std::uint64_t before = TraceRecorder::Process().dropped();
  for (std::uint64_t i = 1; i <= 5; ++i)
    Begin({.high = 1, .low = i, .sampled = true})->End(0, absl::StatusCode::kOk);
  EXPECT_EQ(TraceRecorder::Process().Take({}, 1000).size(), 3u);
  EXPECT_EQ(TraceRecorder::Process().dropped() - before, 2u);
}

TEST_F(TraceTest, ASpanThatIsOpenIsWaitedFor) {
  const auto spans = Begin({.high = 1, .low = 1, .sampled = true});
  const std::uint32_t open = spans->Begin("late", SpanKind::kInternal, spans->IdOf(0));
  spans->End(0, absl::StatusCode::kOk);
  EXPECT_TRUE(TraceRecorder::Process().Take({}, 1000).empty());
  spans->End(open, absl::StatusCode::kOk);
  EXPECT_EQ(TraceRecorder::Process().Take({}, 1000).size(), 1u);
}

TEST_F(TraceTest, TheFirstOfARouteTheSlowAndSomeOfTheOthersAreKept) {
  TraceRecorder::Options options = TraceRecorder::Process().options();
  options.tail.rare_after = std::chrono::seconds(60);
  options.tail.recent_per_second = 2;
  Configure(options);
  RouteTail tail;
  Histogram seconds;
  EXPECT_EQ(tail.Judge(true, 1, &seconds), TraceReason::kError);
  EXPECT_EQ(tail.Judge(false, 1, &seconds), TraceReason::kRare);
  EXPECT_EQ(tail.Judge(false, 20'000'000'000, &seconds), TraceReason::kSlow);
  int recent = 0;
  for (int i = 0; i < 2000; ++i) {
    seconds.Observe(std::uint64_t{3000});
    if (tail.Judge(false, 3000, &seconds) == TraceReason::kRecent) ++recent;
  }
  EXPECT_GE(recent, 2);
  EXPECT_LE(recent, 6);  // a second may end meanwhile
  EXPECT_EQ(tail.Judge(false, 1'000'000, &seconds), TraceReason::kSlow);  // by its own figures
}

TEST(TraceSamplerTest, ARatioChoosesThatPartAndAParentDecides) {
  TraceSampler sampler{.root = TraceSampler::Root::kRatio, .ratio = 0.25, .parent_based = true};
  int chosen = 0;
  for (int i = 0; i < 10000; ++i) {
    chosen += sampler.Samples({.high = RandomId(), .low = RandomId(), .sampled = false}, false);
  }
  EXPECT_NEAR(chosen, 2500, 300);
  EXPECT_TRUE(sampler.Samples({.high = 1, .low = ~0ULL, .sampled = true}, true));
  EXPECT_FALSE(sampler.Samples({.high = 1, .low = 0, .sampled = false}, true));
  sampler.parent_based = false;
  EXPECT_TRUE(sampler.Samples({.high = 1, .low = 0, .sampled = false}, true));
}

}  // namespace
}  // namespace tessera
