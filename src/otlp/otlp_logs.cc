#include "otlp/otlp_logs.h"

#include <algorithm>
#include <utility>

#include <opentelemetry/proto/collector/logs/v1/logs_service.pb.h>

#include "base/hex.h"
#include "logs/log_message.h"
#include "otlp/otlp_resource.h"

namespace tessera {
namespace {

namespace proto = opentelemetry::proto::logs::v1;
namespace common = opentelemetry::proto::common::v1;

struct Severity {
  proto::SeverityNumber number;
  const char* text;
};
Severity SeverityOf(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return {proto::SEVERITY_NUMBER_DEBUG, "DEBUG"};
    case v1::LOG_LEVEL_WARNING:
      return {proto::SEVERITY_NUMBER_WARN, "WARN"};
    case v1::LOG_LEVEL_ERROR:
      return {proto::SEVERITY_NUMBER_ERROR, "ERROR"};
    default:
      return {proto::SEVERITY_NUMBER_INFO, "INFO"};
  }
}

template <class Message>
common::AnyValue& Attribute(const std::string& key, Message& message) {
  common::KeyValue& attribute = *message.add_attributes();
  attribute.set_key(key);
  return *attribute.mutable_value();
}

void Fill(const v1::LogRecord& record, proto::LogRecord& to) {
  const Severity severity = SeverityOf(record.level());
  const auto time = static_cast<std::uint64_t>(record.time_us()) * 1000;
  to.set_time_unix_nano(time);
  to.set_observed_time_unix_nano(time);
  to.set_severity_number(severity.number);
  to.set_severity_text(severity.text);
  to.mutable_body()->set_string_value(record.message());
  for (const auto& [name, text] : record.fields()) Attribute(name, to).set_string_value(text);
  Attribute("code.file.path", to).set_string_value(record.file());
  Attribute("code.line.number", to).set_int_value(record.line());
  Attribute("log.record.uid", to).set_string_value(IdOf(record));
  if (!record.request_id().empty())
    Attribute("http.request.id", to).set_string_value(record.request_id());
  if (!record.tenant().empty()) Attribute("tenant", to).set_string_value(record.tenant());
  if (record.suppressed() > 0)
    Attribute("suppressed", to).set_int_value(static_cast<std::int64_t>(record.suppressed()));
  to.set_trace_id(BytesOfHex(record.trace_id()));
  to.set_span_id(BytesOfHex(record.span_id()));
}

}  // namespace

std::string OtlpLogsRequest(const std::vector<v1::LogRecord>& records,
                            const std::map<std::string, std::string>& attributes) {
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
  std::map<std::pair<std::string, std::int32_t>, proto::ScopeLogs*> scopes;
  for (const v1::LogRecord& record : records) {
    proto::ScopeLogs*& scope = scopes[{record.process(), record.pid()}];
    if (scope == nullptr) {
      proto::ResourceLogs& of_process = *request.add_resource_logs();
      FillResource(attributes, record.process(), record.group(), of_process.mutable_resource());
      Attribute("process.pid", *of_process.mutable_resource()).set_int_value(record.pid());
      scope = of_process.add_scope_logs();
      scope->mutable_scope()->set_name("tessera");
    }
    Fill(record, *scope->add_log_records());
  }
  return request.SerializeAsString();
}

Task<Result<LogSink::Reply>> OtlpLogSink::Send(Ctx ctx, std::vector<v1::LogRecord> records) {
  OtlpOutcome outcome =
      co_await transport_->Send(std::move(ctx), OtlpLogsRequest(records, attributes_));
  if (!outcome.status.ok()) co_return outcome.status;
  Reply reply;
  reply.rejected = std::min<std::uint64_t>(outcome.rejected.count, records.size());
  reply.reason = std::move(outcome.rejected.reason);
  co_return reply;
}

}  // namespace tessera
