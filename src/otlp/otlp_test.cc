#include <atomic>

#include <gtest/gtest.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

#include "base/ids.h"
#include "base/str.h"
#include "otlp/otlp_exporter.h"

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

  OtlpOutcome Send(const std::string& bytes, CancelToken) override {
    Request request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    int spans = 0;
    for (const auto& resource : request.resource_spans())
      spans += resource.scope_spans(0).spans_size();
    std::lock_guard lock(seen_->mutex);
    const std::size_t index = std::min(seen_->spans.size(), outcomes_.size() - 1);
    seen_->spans.push_back(spans);
    seen_->changed.notify_all();
    return outcomes_[index];
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
  outcome.rejected = 3;
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

}  // namespace
}  // namespace tessera
