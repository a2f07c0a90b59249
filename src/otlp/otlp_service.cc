#include "otlp/otlp_service.h"

#include <opentelemetry/proto/collector/logs/v1/logs_service.pb.h>
#include <opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

#include "base/json.h"

namespace tessera {
namespace {

namespace collector = opentelemetry::proto::collector;
using google::protobuf::Message;
using TraceResponse = collector::trace::v1::ExportTraceServiceResponse;
using MetricsResponse = collector::metrics::v1::ExportMetricsServiceResponse;
using LogsResponse = collector::logs::v1::ExportLogsServiceResponse;

template <class T>
std::unique_ptr<Message> New() {
  return std::make_unique<T>();
}

template <class Response, auto kCount>
OtlpRejected Rejected(const Message& message) {
  const auto& partial = static_cast<const Response&>(message).partial_success();
  const std::int64_t count = (partial.*kCount)();
  return {count > 0 ? static_cast<std::uint64_t>(count) : 0, partial.error_message()};
}

template <class Request, class Response, auto kCount>
OtlpService Make(std::string_view method) {
  OtlpService service{.export_method = {},
                      .new_request = New<Request>,
                      .new_response = New<Response>,
                      .rejected = Rejected<Response, kCount>};
  service.export_method.name = "Export";
  service.export_method.full_name = method;
  service.export_method.timeout_ms = 10'000;
  return service;
}

}  // namespace

const OtlpService& ServiceOf(OtlpSignal signal) {
  static const OtlpService kTraces =
      Make<collector::trace::v1::ExportTraceServiceRequest, TraceResponse,
           &collector::trace::v1::ExportTracePartialSuccess::rejected_spans>(
          "opentelemetry.proto.collector.trace.v1.TraceService.Export");
  static const OtlpService kMetrics =
      Make<collector::metrics::v1::ExportMetricsServiceRequest, MetricsResponse,
           &collector::metrics::v1::ExportMetricsPartialSuccess::rejected_data_points>(
          "opentelemetry.proto.collector.metrics.v1.MetricsService.Export");
  static const OtlpService kLogs =
      Make<collector::logs::v1::ExportLogsServiceRequest, LogsResponse,
           &collector::logs::v1::ExportLogsPartialSuccess::rejected_log_records>(
          "opentelemetry.proto.collector.logs.v1.LogsService.Export");
  return signal == OtlpSignal::kTraces    ? kTraces
         : signal == OtlpSignal::kMetrics ? kMetrics
                                          : kLogs;
}

Result<OtlpRejected> ReadOtlpReply(const OtlpService& service, const std::string& bytes) {
  if (bytes.starts_with('{') && JsonDocument::Parse(bytes).ok()) return OtlpRejected();
  const std::unique_ptr<Message> response = service.new_response();
  if (!response->ParseFromString(bytes) ||
      !response->GetReflection()->GetUnknownFields(*response).empty())
    return absl::UnknownError("it answered what is no reply of an OpenTelemetry collector");
  return service.rejected(*response);
}

}  // namespace tessera
