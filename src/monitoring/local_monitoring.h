#pragma once
// The contract Monitoring, over the history of the platform's figures and its objectives.

#include "monitoring/metric_history.h"
#include "monitoring/slo_watch.h"
#include "tessera/v1/monitoring.tessera.h"

namespace tessera {

/// Thread-safe.
class LocalMonitoring final : public Monitoring {
 public:
  /// Both outlive it.
  LocalMonitoring(const MetricHistory& history, const SloWatch& slos)
      : history_(history), slos_(slos) {}

  Task<Result<v1::ListMetricsReply>> ListMetrics(Ctx ctx, v1::ListMetricsRequest request) override;
  Task<Result<v1::QueryMetricsReply>> QueryMetrics(Ctx ctx,
                                                   v1::QueryMetricsRequest request) override;

  Task<Result<v1::ListSlosReply>> ListSlos(Ctx ctx, v1::ListSlosRequest request) override;
  Task<Result<v1::Slo>> GetSlo(Ctx ctx, v1::GetSloRequest request) override;
  Task<Result<v1::ListAlertsReply>> ListAlerts(Ctx ctx, v1::ListAlertsRequest request) override;

 private:
  const MetricHistory& history_;
  const SloWatch& slos_;
};

}  // namespace tessera
