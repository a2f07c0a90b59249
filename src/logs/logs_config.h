#pragma once
// Section `logs` of the configuration.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/fields.h"
#include "config/secret.h"
#include "telemetry/log_format.h"
#include "telemetry/log_site.h"
#include "telemetry/redact.h"

namespace tessera {

enum class LogOutputChoice : std::uint8_t { kStderr, kStdout, kNone };

/// What is hidden in records besides secrets.
struct LogRedactionConfig {
  bool email = false;
  bool phone = false;
  bool iban = false;
  bool card = false;
  std::vector<std::string> patterns;
  static void Describe(Fields<LogRedactionConfig>& f);
};

/// What all sinks have.
struct LogSinkConfig {
  Bytes spool_max = 256_MiB;
  std::uint32_t batch_max = 1000;
  std::chrono::milliseconds delay = std::chrono::seconds(1);
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
  std::chrono::milliseconds retry_min = std::chrono::seconds(1);
  std::chrono::milliseconds retry_max = std::chrono::seconds(30);
  static void Describe(Fields<LogSinkConfig>& f);
};

/// An OpenTelemetry collector.
struct LogOtlpConfig {
  std::string url;  ///< whole
  std::map<std::string, Secret> headers;
  bool gzip = true;
  std::string ca_file;
  LogSinkConfig sending;
  static void Describe(Fields<LogOtlpConfig>& f);
};

/// Elasticsearch or OpenSearch.
struct LogElasticsearchConfig {
  std::string url;
  std::string data_stream = "logs-tessera-default";
  std::string user;
  Secret password;
  Secret api_key;
  bool gzip = true;
  std::string ca_file;
  LogSinkConfig sending;
  static void Describe(Fields<LogElasticsearchConfig>& f);
};

struct LogsConfig {
  LogLevel level = LogLevel::kInfo;
  std::map<std::string, std::string> levels;
  LogOutputChoice output = LogOutputChoice::kStderr;
  LogFormat format = LogFormat::kText;
  std::string service_name = "tessera";
  std::uint32_t burst = 100;
  std::uint32_t per_second = 10;
  Bytes queue_max = 4_MiB;
  Bytes kept_max = 8_MiB;
  LogRedactionConfig redact;
  LogOtlpConfig otlp;
  LogElasticsearchConfig elasticsearch;
  std::map<std::string, std::string> resource_attributes;
  static void Describe(Fields<LogsConfig>& f);

  LogLevels Levels() const;
  LogStorm Storm() const { return {.burst = burst, .per_second = per_second}; }
  RedactionRules Redaction() const;
};

/// The value of a variable of the process; nothing when it is not set.
using LogEnvironment = std::function<std::optional<std::string>(const char* name)>;

/// `config` with OpenTelemetry's variables over it: OTEL_SDK_DISABLED, OTEL_LOGS_EXPORTER,
/// OTEL_EXPORTER_OTLP_LOGS_… and OTEL_EXPORTER_OTLP_…, OTEL_SERVICE_NAME,
/// OTEL_RESOURCE_ATTRIBUTES. What makes no sense is left out and told of in `warnings`.
LogsConfig WithOtelLogVariables(LogsConfig config, const LogEnvironment& environment,
                                std::vector<std::string>* warnings);

}  // namespace tessera
