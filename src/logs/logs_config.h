#pragma once
// Section `logs` of the configuration.

#include <chrono>
#include <cstdint>
#include <map>
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
  std::uint32_t burst = 100;
  std::uint32_t per_second = 10;
  Bytes queue_max = 4_MiB;
  Bytes kept_max = 8_MiB;
  LogRedactionConfig redact;
  LogSinkConfig otlp;
  LogElasticsearchConfig elasticsearch;
  static void Describe(Fields<LogsConfig>& f);

  LogLevels Levels() const;
  LogStorm Storm() const { return {.burst = burst, .per_second = per_second}; }
  RedactionRules Redaction() const;
};

}  // namespace tessera
