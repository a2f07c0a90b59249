#pragma once
// Figures for an OpenTelemetry collector.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "monitoring/platform_figures.h"
#include "otlp/otlp_transport.h"
#include "runtime/rounds.h"

namespace tessera {

/// The bytes of an ExportMetricsServiceRequest, and how many points are in it.
struct OtlpMetricsRequest {
  std::string bytes;
  std::uint64_t points = 0;
};
/// What one process says, under the names that /metrics has: counters as cumulative monotonic sums
/// since the process started, histograms with their exemplars. `attributes` of its resource.
OtlpMetricsRequest MakeOtlpMetricsRequest(const FiguresOfProcess& told,
                                          const std::map<std::string, std::string>& attributes,
                                          const std::string& version, std::int64_t now_ms);

/// Sends the figures of all processes now and then, and at its end. What a collector that is away
/// does not get, it gets with the next: they are sums. Requests of clients have no part in it.
class OtlpMetricsExporter {
 public:
  /// Asks every process.
  using Ask = std::function<Task<std::vector<FiguresOfProcess>>(Ctx)>;

  OtlpMetricsExporter(const TelemetryConfig& config, std::string version,
                      std::unique_ptr<OtlpTransport> transport, Ask ask);
  ~OtlpMetricsExporter() { Stop(); }
  /// One last time, for a few seconds at most.
  void Stop() { rounds_.Stop(); }

 private:
  void Export(bool last);

  const std::map<std::string, std::string> attributes_;
  const std::string version_;
  const std::unique_ptr<OtlpTransport> transport_;
  const Ask ask_;
  Counter& exported_;
  Counter& rejected_;
  Counter& failed_;
  bool away_ = false;  // of the rounds
  Rounds rounds_;
};

}  // namespace tessera
