#pragma once
// What the program records of itself, and where that goes.

#include <memory>
#include <string>
#include <vector>

#include "app/root_process.h"
#include "config/schema.h"
#include "monitoring/alert_sender.h"
#include "monitoring/local_monitoring.h"
#include "monitoring/platform_figures.h"
#include "otlp/otlp_exporter.h"
#include "otlp/otlp_metrics.h"
#include "traces/local_traces.h"
#include "traces/trace_collector.h"

namespace tessera {

/// The section `telemetry` with OpenTelemetry's variables over it; what is wrong with those is told
/// of in `warnings`, which may be null.
TelemetryConfig ReadTelemetry(const ConfigSnapshot& config,
                              std::vector<std::string>* warnings = nullptr);

/// From then on this process records its requests as the configuration and OpenTelemetry's
/// variables say. Before the first request. The configuration in force.
TelemetryConfig RecordRequests(const ConfigSnapshot& config);

/// The traces and figures of a whole platform, in its first process. Thread-safe.
class PlatformTelemetry {
 public:
  /// `root` outlives it.
  static Result<std::unique_ptr<PlatformTelemetry>> Start(const TelemetryConfig& config,
                                                          const SloConfig& slos,
                                                          const std::string& data,
                                                          RootProcess& root);
  ~PlatformTelemetry();
  Traces& traces() { return *traces_; }
  PlatformFigures& figures() { return figures_; }
  Monitoring& monitoring() { return monitoring_; }

 private:
  PlatformTelemetry(const SloConfig& slos, const std::string& data, RootProcess& root);

  std::unique_ptr<OtlpExporter> exporter_;     // null: spans are sent nowhere
  std::unique_ptr<TraceCollector> collector_;  // null: nothing is recorded
  std::unique_ptr<LocalTraces> traces_;
  AlertSender sender_;
  const std::shared_ptr<SloWatch> slos_;
  PlatformFigures figures_;
  LocalMonitoring monitoring_;
  std::unique_ptr<OtlpMetricsExporter> metrics_;  // null: figures are sent nowhere
};

/// Where objectives keep what they have counted: DATA/slos.db.
std::string SloFile(const std::string& data);

/// Where kept traces lie: DATA/traces.db.
std::string TraceFile(const std::string& data);

}  // namespace tessera
