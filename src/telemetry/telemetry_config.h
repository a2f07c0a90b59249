#pragma once
// Section `telemetry` of the configuration, and OpenTelemetry's variables over it.

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/fields.h"
#include "config/secret.h"
#include "telemetry/otel_variables.h"
#include "telemetry/trace_recorder.h"

namespace tessera {

enum class SamplerChoice : std::uint8_t {
  kByExport,  ///< what OpenTelemetry's default is where spans are exported; else none
  kAlwaysOn,
  kAlwaysOff,
  kRatio,
  kParentAlwaysOn,
  kParentAlwaysOff,
  kParentRatio
};
enum class OtlpProtocol : std::uint8_t { kHttp, kGrpc };
enum class OtlpSignal : std::uint8_t { kTraces, kMetrics, kLogs };
constexpr std::array kOtlpSignals = {OtlpSignal::kTraces, OtlpSignal::kMetrics, OtlpSignal::kLogs};
/// "traces": as configuration and paths have it.
std::string_view Name(OtlpSignal signal);

/// Which requests leave a trace, and for how long they are kept here.
struct TracesConfig {
  bool on = true;
  SamplerChoice sampler = SamplerChoice::kByExport;
  double ratio = 1;
  std::vector<std::string> propagators = {"tracecontext", "baggage"};
  bool store = true;
  Bytes store_bytes_max{std::uint64_t{256} << 20};
  std::chrono::hours store_age_max = std::chrono::hours(72);
  std::uint32_t sampled_per_second = 100;
  std::uint32_t errors_per_second = 100;
  std::uint32_t recent_per_second = 20;
  std::chrono::milliseconds slow = std::chrono::seconds(10);
  static void Describe(Fields<TracesConfig>& f);
};

/// How often figures are sent.
struct MetricsConfig {
  std::chrono::milliseconds interval = std::chrono::seconds(60);
  static void Describe(Fields<MetricsConfig>& f);
};

/// Where one signal goes to, and how.
struct OtlpTarget {
  std::string url;  ///< over HTTP the whole; empty: nowhere
  OtlpProtocol protocol = OtlpProtocol::kHttp;
  std::map<std::string, Secret> headers;
  bool gzip = false;
  std::string ca_file;
  std::string certificate_file;  ///< of this side, with its key; empty: none
  std::string key_file;
  bool cleartext = false;  ///< over gRPC, where the endpoint does not say
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
};

/// What variables say of one signal alone goes before what is said of all.
struct OtlpSignalConfig {
  std::string endpoint;  ///< a whole URL
  std::optional<OtlpProtocol> protocol;
  std::optional<std::map<std::string, Secret>> headers;
  std::optional<bool> gzip;
  std::optional<std::string> ca_file;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<bool> cleartext;
  std::optional<std::chrono::milliseconds> timeout;
};

/// A collector, for all signals.
struct OtlpConfig {
  std::vector<std::string> signals = {"traces", "metrics", "logs"};
  std::string endpoint;  ///< a base URL; empty: nowhere
  std::string traces_endpoint;
  std::string metrics_endpoint;
  std::string logs_endpoint;
  OtlpProtocol protocol = OtlpProtocol::kHttp;
  std::map<std::string, Secret> headers;
  bool gzip = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
  std::chrono::milliseconds delay = std::chrono::seconds(1);
  std::uint32_t queue_max = 16384;
  std::uint32_t batch_max = 512;
  std::array<OtlpSignalConfig, 3> own;  ///< by OtlpSignal; of the variables
  static void Describe(Fields<OtlpConfig>& f);

  OtlpTarget Target(OtlpSignal signal) const;
};

/// Which requests the log tells of, with where their time went.
struct SlowRequestsConfig {
  std::chrono::milliseconds after = std::chrono::seconds(2);
  std::map<std::string, std::chrono::milliseconds> routes;
  std::uint32_t per_second = 10;
  static void Describe(Fields<SlowRequestsConfig>& f);
};

struct TelemetryConfig {
  std::string service_name = "tessera";
  std::map<std::string, std::string> resource_attributes;
  TracesConfig traces;
  SlowRequestsConfig slow_requests;
  MetricsConfig metrics;
  OtlpConfig otlp;
  static void Describe(Fields<TelemetryConfig>& f);

  /// Spans are.
  bool exports() const { return !otlp.Target(OtlpSignal::kTraces).url.empty(); }
  /// What is said of the platform wherever it is spoken of: service.name, service.version, …
  std::map<std::string, std::string> Resource(const std::string& version) const;
  TraceRecorder::Options RecorderOptions() const;
};

/// `config` with OTEL_SDK_DISABLED, OTEL_EXPORTER_OTLP_…, OTEL_TRACES_…, OTEL_METRICS_EXPORTER,
/// OTEL_METRIC_EXPORT_INTERVAL, OTEL_LOGS_EXPORTER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
/// OTEL_PROPAGATORS and OTEL_BSP_… over it. Values that make no sense are told of in `warnings`.
TelemetryConfig WithOtelVariables(TelemetryConfig config, const Environment& environment,
                                  std::vector<std::string>* warnings);

}  // namespace tessera
