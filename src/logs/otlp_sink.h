#pragma once
// An OpenTelemetry collector, or what speaks its protocol over HTTP.

#include <map>
#include <string>

#include "config/secret.h"
#include "logs/log_sink.h"
#include "logs/otlp_format.h"

namespace tessera {

class OtlpSink final : public LogSink {
 public:
  struct Options {
    std::string url;  ///< whole: "http://127.0.0.1:4318/v1/logs"
    std::map<std::string, Secret> headers;
    bool gzip = true;
    std::string ca_file;
    Duration timeout = std::chrono::seconds(10);
    OtlpResource resource;
  };
  /// `loops` outlives it.
  OtlpSink(Options options, IoLoops& loops);

  std::string_view name() const override { return "otlp"; }
  Task<Result<Reply>> Send(Ctx ctx, std::vector<v1::LogRecord> records) override;

 private:
  const Options options_;
  HttpClient http_;
};

}  // namespace tessera
