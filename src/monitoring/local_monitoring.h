#pragma once
// The contract Monitoring, over the history of the platform's figures and its objectives.

#include "monitoring/metric_history.h"
#include "monitoring/slo_watch.h"
#include "tessera/v1/monitoring.tessera.h"

namespace tessera {

/// Thread-safe.
class LocalMonitoring final : public Monitoring {
 public:
  /// All outlive it. PromQL is worked out on `executor`.
  LocalMonitoring(const MetricHistory& history, const SloWatch& slos, Executor& executor)
      : history_(history), slos_(slos), executor_(executor) {}

  Task<Result<v1::ListMetricsReply>> ListMetrics(Ctx ctx, v1::ListMetricsRequest request) override;
  Task<Result<v1::QueryMetricsReply>> QueryMetrics(Ctx ctx,
                                                   v1::QueryMetricsRequest request) override;

  Task<Result<v1::EvaluatePromqlReply>> EvaluatePromql(Ctx ctx,
                                                       v1::EvaluatePromqlRequest request) override;
  Task<Result<v1::ListSeriesReply>> ListSeries(Ctx ctx, v1::ListSeriesRequest request) override;

  Task<Result<v1::ListSlosReply>> ListSlos(Ctx ctx, v1::ListSlosRequest request) override;
  Task<Result<v1::Slo>> GetSlo(Ctx ctx, v1::GetSloRequest request) override;
  Task<Result<v1::ListAlertsReply>> ListAlerts(Ctx ctx, v1::ListAlertsRequest request) override;

 private:
  const MetricHistory& history_;
  const SloWatch& slos_;
  Executor& executor_;
};

}  // namespace tessera
