#include <atomic>

#include <gtest/gtest.h>
#include <opentelemetry/proto/collector/logs/v1/logs_service.pb.h>
#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

#include "base/ids.h"
#include "base/str.h"
#include "otlp/otlp_exporter.h"
#include "otlp/otlp_logs.h"
#include "otlp/otlp_metrics.h"

namespace tessera {
namespace {

using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;

v1::SpanFragment Fragment(int spans, const std::string& process = "root") {
  v1::SpanFragment fragment;
  fragment.set_trace_id("00000000000000070000000000000001");
  fragment.set_group("models");
  fragment.set_process(process);
  for (int i = 0; i < spans; ++i) {
    v1::Span& span = *fragment.add_spans();
    span.set_id(Hex(static_cast<std::uint64_t>(i) + 0xA1));
    if (i > 0) span.set_parent_id(Hex(0xA1));
    span.set_name("chat");
    span.set_kind(v1::SPAN_KIND_CLIENT);
    span.set_start_us(1'700'000'000'000'000);
    span.set_duration_ns(1500);
    span.set_error(i == 1);
    if (i == 1) span.set_status("UNAVAILABLE");
    v1::SpanAttribute& tokens = *span.add_attributes();
    tokens.set_key("gen_ai.usage.output_tokens");
    tokens.set_integer(5);
    v1::SpanAttribute& reasons = *span.add_attributes();
    reasons.set_key("gen_ai.response.finish_reasons");
    reasons.set_text("stop");
  }
  return fragment;
}

TEST(OtlpMessagesTest, PartsOfSeveralProcessesAreOneRequest) {
  OtlpMessages messages({{"service.name", "shop"}, {"team", "blue"}}, "1.2.3");
  std::string bytes;
  messages.Append(Fragment(2), &bytes);
  messages.Append(Fragment(1, "models-0"), &bytes);
  Request request;
  ASSERT_TRUE(request.ParseFromString(bytes));
  ASSERT_EQ(request.resource_spans_size(), 2);
  std::map<std::string, std::string> resource;
  for (const auto& attribute : request.resource_spans(1).resource().attributes())
    resource[attribute.key()] = attribute.value().string_value();
  EXPECT_EQ(resource["service.name"], "shop");
  EXPECT_EQ(resource["team"], "blue");
  EXPECT_EQ(resource["service.instance.id"], "models-0");
  EXPECT_EQ(resource["tessera.group"], "models");
  EXPECT_EQ(resource["telemetry.sdk.language"], "cpp");
  const auto& scope = request.resource_spans(0).scope_spans(0);
  EXPECT_EQ(scope.scope().name(), "tessera");
  ASSERT_EQ(scope.spans_size(), 2);
  const auto& span = scope.spans(1);
  EXPECT_EQ(span.trace_id(), std::string("\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\1", 16));
  EXPECT_EQ(span.parent_span_id(), std::string("\0\0\0\0\0\0\0\xA1", 8));
  EXPECT_TRUE(scope.spans(0).parent_span_id().empty());
  EXPECT_EQ(span.kind(), opentelemetry::proto::trace::v1::Span::SPAN_KIND_CLIENT);
  EXPECT_EQ(span.start_time_unix_nano(), 1'700'000'000'000'000'000U);
  EXPECT_EQ(span.end_time_unix_nano() - span.start_time_unix_nano(), 1500U);
  EXPECT_EQ(span.status().code(), opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(span.status().message(), "UNAVAILABLE");
  EXPECT_EQ(span.attributes(0).value().int_value(), 5);
  EXPECT_EQ(span.attributes(1).value().array_value().values(0).string_value(), "stop");
}

/// Answers as it is told, the last answer from then on.
class ScriptedTransport final : public OtlpTransport {
 public:
  struct Seen {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<int> spans;  // of each request
  };
  ScriptedTransport(std::shared_ptr<Seen> seen, std::vector<OtlpOutcome> outcomes)
      : seen_(std::move(seen)), outcomes_(std::move(outcomes)) {}

  Task<OtlpOutcome> Send(Ctx, std::string bytes) override {
    Request request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    int spans = 0;
    for (const auto& resource : request.resource_spans())
      spans += resource.scope_spans(0).spans_size();
    std::lock_guard lock(seen_->mutex);
    const std::size_t index = std::min(seen_->spans.size(), outcomes_.size() - 1);
    seen_->spans.push_back(spans);
    seen_->changed.notify_all();
    co_return outcomes_[index];
  }

 private:
  const std::shared_ptr<Seen> seen_;
  const std::vector<OtlpOutcome> outcomes_;
};

class OtlpExporterTest : public testing::Test {
 protected:
  struct Counts {
    std::uint64_t exported, rejected, queue_full, failed;
    bool operator==(const Counts&) const = default;
  };
  static std::uint64_t Count(const std::string& outcome) {
    return Metrics::Process()
        .NewCounter("tessera_otlp_spans_total",
                    "Spans that were to be sent to the collector, by what became of them.",
                    {{"outcome", outcome}})
        .value();
  }
  static Counts Now() {
    return {Count("exported"), Count("rejected"), Count("queue_full"), Count("failed")};
  }
  Counts Since() const {
    const Counts now = Now();
    return {now.exported - before_.exported, now.rejected - before_.rejected,
            now.queue_full - before_.queue_full, now.failed - before_.failed};
  }
  void Start(std::vector<OtlpOutcome> outcomes) {
    config_.otlp.delay = std::chrono::milliseconds(1);
    exporter_ = std::make_unique<OtlpExporter>(
        config_, "1", std::make_unique<ScriptedTransport>(seen_, std::move(outcomes)),
        OtlpExporter::Retries{.attempts = 3,
                              .first_pause = std::chrono::milliseconds(1),
                              .pause_max = std::chrono::milliseconds(2)});
  }
  void WaitForRequests(std::size_t count) {
    std::unique_lock lock(seen_->mutex);
    ASSERT_TRUE(seen_->changed.wait_for(lock, std::chrono::seconds(20),
                                        [&] { return seen_->spans.size() >= count; }));
  }
  void Stop() { exporter_->Stop(std::chrono::seconds(20)); }

  TelemetryConfig config_;
  const std::shared_ptr<ScriptedTransport::Seen> seen_ =
      std::make_shared<ScriptedTransport::Seen>();
  const Counts before_ = Now();
  std::unique_ptr<OtlpExporter> exporter_;
};

const OtlpOutcome kWell{.status = absl::OkStatus()};
const OtlpOutcome kBusy{.status = absl::UnavailableError("busy"), .again = true};
const OtlpOutcome kRefused{.status = absl::UnavailableError("no"), .again = false};

TEST_F(OtlpExporterTest, WhatMayComeAgainIsSentAgainUntilItIsTaken) {
  Start({kBusy, kBusy, kWell});
  exporter_->Add(Fragment(4));
  WaitForRequests(3);
  Stop();
  EXPECT_EQ(Since(), (Counts{4, 0, 0, 0}));
}

TEST_F(OtlpExporterTest, WhatIsRefusedOrNeverTakenHasFailed) {
  Start({kRefused, kBusy, kBusy, kBusy, kWell});
  exporter_->Add(Fragment(4));
  WaitForRequests(1);
  exporter_->Add(Fragment(3));
  WaitForRequests(4);
  exporter_->Add(Fragment(2));
  WaitForRequests(5);
  Stop();
  EXPECT_EQ(Since(), (Counts{2, 0, 0, 7}));
}

TEST_F(OtlpExporterTest, RejectedSpansAreNotExported) {
  OtlpOutcome outcome = kWell;
  outcome.rejected.count = 3;
  Start({outcome});
  exporter_->Add(Fragment(5));
  Stop();
  EXPECT_EQ(Since(), (Counts{2, 3, 0, 0}));
}

TEST_F(OtlpExporterTest, BatchesAreBoundedAndSoIsTheQueue) {
  config_.otlp.queue_max = 10;
  config_.otlp.batch_max = 5;
  config_.otlp.delay = std::chrono::hours(1);
  exporter_ = std::make_unique<OtlpExporter>(
      config_, "1", std::make_unique<ScriptedTransport>(seen_, std::vector<OtlpOutcome>{kWell}));
  exporter_->Add(Fragment(3));
  exporter_->Add(Fragment(11));  // more than there can ever be room for
  exporter_->Add(Fragment(3));   // six are a batch's worth: one goes now
  WaitForRequests(1);
  Stop();
  EXPECT_EQ(Since(), (Counts{6, 0, 11, 0}));
  for (const int spans : seen_->spans) EXPECT_LE(spans, 5);
}

TEST(OtlpServiceTest, ARepliesPartsAreReadAndGarbageIsNone) {
  for (const OtlpSignal signal : kOtlpSignals) {
    const OtlpService& service = ServiceOf(signal);
    EXPECT_TRUE(ReadOtlpReply(service, "").ok());
    EXPECT_TRUE(ReadOtlpReply(service, "{}").ok());
    const auto partial = ReadOtlpReply(service, std::string("\x0a\x06\x08\x03\x12\x02no", 8));
    ASSERT_TRUE(partial.ok()) << partial.status();
    EXPECT_EQ(partial->count, 3U);
    EXPECT_EQ(partial->reason, "no");
    for (const char* garbage : {"hello", "<html>", "\x0a\xff", "\xff\xff\xff", "\x12\x02no"})
      EXPECT_FALSE(ReadOtlpReply(service, garbage).ok()) << garbage;
  }
}

TEST(OtlpLogsTest, RecordsStandUnderTheirProcesses) {
  std::vector<v1::LogRecord> records(3);
  for (v1::LogRecord& record : records) record.set_process("root");
  records[1].set_process("models-0");
  records[1].set_group("models");
  records[1].set_pid(7);
  records[1].set_level(v1::LOG_LEVEL_WARNING);
  records[1].set_message("it is slow");
  records[1].set_time_us(1'700'000'000'000'001);
  records[1].set_trace_id("00000000000000070000000000000001");
  records[1].set_span_id("00000000000000a1");
  (*records[1].mutable_fields())["reason"] = "load";
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(OtlpLogsRequest(records, {{"service.name", "shop"}})));
  ASSERT_EQ(request.resource_logs_size(), 2);
  EXPECT_EQ(request.resource_logs(0).scope_logs(0).log_records_size(), 2);
  const auto& models = request.resource_logs(1);
  std::map<std::string, std::string> resource;
  for (const auto& attribute : models.resource().attributes())
    resource[attribute.key()] = attribute.value().string_value();
  EXPECT_EQ(resource["service.name"], "shop");
  EXPECT_EQ(resource["service.instance.id"], "models-0");
  EXPECT_EQ(resource["tessera.group"], "models");
  const auto& record = models.scope_logs(0).log_records(0);
  EXPECT_EQ(record.body().string_value(), "it is slow");
  EXPECT_EQ(record.severity_text(), "WARN");
  EXPECT_EQ(record.severity_number(), 13);
  EXPECT_EQ(record.time_unix_nano(), 1'700'000'000'000'001'000U);
  EXPECT_EQ(record.trace_id(), std::string("\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\1", 16));
  EXPECT_EQ(record.span_id(), std::string("\0\0\0\0\0\0\0\xA1", 8));
  EXPECT_EQ(record.attributes(0).key(), "reason");
  EXPECT_EQ(request.resource_logs(0).scope_logs(0).log_records(0).trace_id(), "");
}

TEST(OtlpMetricsTest, FiguresAreWhatTheExpositionSays) {
  const FiguresOfProcess told = {
      .group = "models",
      .process = "models-0",
      .text =
          "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1700000000.25\n"
          "# HELP a_total What a is.\n# TYPE a_total counter\na_total{x=\"1\"} 3\na_total 0.5\n"
          "# TYPE h_seconds histogram\n"
          "h_seconds_bucket{x=\"1\",le=\"0.5\"} 2\n"
          "h_seconds_bucket{x=\"1\",le=\"1\"} 5 # {trace_id=\"00000000000000070000000000000001\","
          "span_id=\"00000000000000a1\"} 0.75 1700000009.123\n"
          "h_seconds_bucket{x=\"1\",le=\"+Inf\"} 6\nh_seconds_sum{x=\"1\"} 4.5\n"
          "h_seconds_count{x=\"1\"} 6\n"
          "h_seconds_bucket{le=\"0.5\"} 1\nh_seconds_bucket{le=\"1\"} 1\n"
          "h_seconds_bucket{le=\"+Inf\"} 1\nh_seconds_sum 0.1\nh_seconds_count 1\n"
          "# TYPE b gauge\nb -4\n# TYPE a_total counter\na_total{x=\"2\"} 7\n"};
  const OtlpMetricsRequest made =
      MakeOtlpMetricsRequest(told, {{"service.name", "shop"}}, "1.2", 1'700'000'010'000);
  EXPECT_EQ(made.points, 7U);
  opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(made.bytes));
  const auto& scope = request.resource_metrics(0).scope_metrics(0);
  std::map<std::string, opentelemetry::proto::metrics::v1::Metric> metrics;
  for (const auto& metric : scope.metrics()) metrics[metric.name()] = metric;
  ASSERT_EQ(metrics.size(), 4U);
  const auto& counter = metrics["a_total"].sum();
  EXPECT_EQ(metrics["a_total"].description(), "What a is.");
  EXPECT_TRUE(counter.is_monotonic());
  EXPECT_EQ(counter.aggregation_temporality(), 2);
  ASSERT_EQ(counter.data_points_size(), 3);
  EXPECT_EQ(counter.data_points(0).as_int(), 3);
  EXPECT_EQ(counter.data_points(0).attributes(0).key(), "x");
  EXPECT_EQ(counter.data_points(1).as_double(), 0.5);
  EXPECT_EQ(counter.data_points(2).as_int(), 7);
  EXPECT_EQ(counter.data_points(0).start_time_unix_nano(), 1'700'000'000'250'000'000U);
  EXPECT_EQ(counter.data_points(0).time_unix_nano(), 1'700'000'010'000'000'000U);
  EXPECT_EQ(metrics["b"].gauge().data_points(0).as_int(), -4);
  EXPECT_EQ(metrics["h_seconds"].unit(), "s");
  const auto& histogram = metrics["h_seconds"].histogram();
  ASSERT_EQ(histogram.data_points_size(), 2);
  const auto& point = histogram.data_points(0);
  EXPECT_EQ(std::vector<std::uint64_t>(point.bucket_counts().begin(), point.bucket_counts().end()),
            (std::vector<std::uint64_t>{2, 3, 1}));
  EXPECT_EQ(std::vector<double>(point.explicit_bounds().begin(), point.explicit_bounds().end()),
            (std::vector<double>{0.5, 1}));
  EXPECT_EQ(point.count(), 6U);
  EXPECT_EQ(point.sum(), 4.5);
  ASSERT_EQ(point.exemplars_size(), 1);
  EXPECT_EQ(point.exemplars(0).as_double(), 0.75);
  EXPECT_EQ(point.exemplars(0).span_id(), std::string("\0\0\0\0\0\0\0\xA1", 8));
  EXPECT_EQ(point.exemplars(0).time_unix_nano(), 1'700'000'009'123'000'000U);
  EXPECT_EQ(histogram.data_points(1).count(), 1U);
}

}  // namespace
}  // namespace tessera
