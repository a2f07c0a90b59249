#pragma once
// The contract Monitoring, over the history of the platform's figures.

#include "monitoring/metric_history.h"
#include "tessera/v1/monitoring.tessera.h"

namespace tessera {

/// Thread-safe.
class LocalMonitoring final : public Monitoring {
 public:
  /// `history` outlives it.
  explicit LocalMonitoring(const MetricHistory& history) : history_(history) {}

  Task<Result<v1::ListMetricsReply>> ListMetrics(Ctx ctx, v1::ListMetricsRequest request) override;
  Task<Result<v1::QueryMetricsReply>> QueryMetrics(Ctx ctx,
                                                   v1::QueryMetricsRequest request) override;

 private:
  const MetricHistory& history_;
};

}  // namespace tessera
