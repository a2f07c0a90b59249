#pragma once
// Records of the log for an OpenTelemetry collector.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "logs/log_sink.h"
#include "otlp/otlp_transport.h"

namespace tessera {

/// The bytes of an ExportLogsServiceRequest: one resource a process, which has `attributes`.
std::string OtlpLogsRequest(const std::vector<v1::LogRecord>& records,
                            const std::map<std::string, std::string>& attributes);

/// Over HTTP or gRPC.
class OtlpLogSink final : public LogSink {
 public:
  OtlpLogSink(std::unique_ptr<OtlpTransport> transport,
              std::map<std::string, std::string> attributes)
      : transport_(std::move(transport)), attributes_(std::move(attributes)) {}

  std::string_view name() const override { return "otlp"; }
  Task<Result<Reply>> Send(Ctx ctx, std::vector<v1::LogRecord> records) override;

 private:
  const std::unique_ptr<OtlpTransport> transport_;
  const std::map<std::string, std::string> attributes_;
};

}  // namespace tessera
