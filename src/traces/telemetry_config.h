#pragma once
// Section `telemetry` of the configuration, and OpenTelemetry's variables over it.

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/fields.h"
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

/// Where spans are sent to.
struct OtlpConfig {
  std::string endpoint;         ///< a base URL; empty: nowhere
  std::string traces_endpoint;  ///< a whole URL, instead
  OtlpProtocol protocol = OtlpProtocol::kHttp;
  std::map<std::string, Secret> headers;
  bool gzip = false;
  std::string ca_file;
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
  std::chrono::milliseconds delay = std::chrono::seconds(1);
  std::uint32_t queue_max = 16384;
  std::uint32_t batch_max = 512;
  static void Describe(Fields<OtlpConfig>& f);
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
  OtlpConfig otlp;
  static void Describe(Fields<TelemetryConfig>& f);

  bool exports() const { return !otlp.endpoint.empty() || !otlp.traces_endpoint.empty(); }
  TraceRecorder::Options RecorderOptions() const;
};

/// The value of a variable of the process; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

/// `config` with OTEL_SDK_DISABLED, OTEL_EXPORTER_OTLP_…, OTEL_TRACES_…, OTEL_SERVICE_NAME,
/// OTEL_RESOURCE_ATTRIBUTES, OTEL_PROPAGATORS and OTEL_BSP_… over it. Values that make no sense are
/// told of in `warnings` and left out, as the specification wants it.
TelemetryConfig WithOtelVariables(TelemetryConfig config, const Environment& environment,
                                  std::vector<std::string>* warnings);

}  // namespace tessera
