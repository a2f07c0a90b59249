#include "monitoring/local_monitoring.h"

#include <utility>

#include "base/clock.h"
#include "base/field_error.h"
#include "base/str.h"

namespace tessera {
namespace {

using Function = MetricQuery::Function;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kStepsDefault = 120;
constexpr std::int64_t kStepMinMs = 1'000;

Function FunctionOf(v1::MetricFunction asked, MetricKind kind) {
  switch (asked) {
    case v1::METRIC_FUNCTION_VALUE:
      return Function::kValue;
    case v1::METRIC_FUNCTION_RATE:
      return Function::kRate;
    case v1::METRIC_FUNCTION_INCREASE:
      return Function::kIncrease;
    case v1::METRIC_FUNCTION_QUANTILE:
      return Function::kQuantile;
    case v1::METRIC_FUNCTION_MEAN:
      return Function::kMean;
    default:
      return kind == MetricKind::kCounter || kind == MetricKind::kHistogram ? Function::kRate
                                                                            : Function::kValue;
  }
}

Result<MetricQuery> QueryOf(const v1::QueryMetricsRequest& request, MetricKind kind) {
  MetricQuery query{.name = request.name(), .function = FunctionOf(request.function(), kind)};
  if (request.quantile() < 0 || request.quantile() > 1)
    return InvalidField("quantile", "must be between 0 and 1");
  if (request.quantile() > 0) query.quantile = request.quantile();
  for (const std::string& pair : request.where()) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos)
      return InvalidField("where", "must be LABEL=VALUE, such as group=front");
    query.where.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  query.by.assign(request.by().begin(), request.by().end());
  query.to_ms = request.to_ms() > 0 ? request.to_ms() : WallMillis();
  query.from_ms = request.from_ms() > 0 ? request.from_ms() : query.to_ms - kHourMs;
  query.step_ms =
      request.step_ms() > 0 ? request.step_ms() : (query.to_ms - query.from_ms) / kStepsDefault;
  query.step_ms = std::max(query.step_ms, kStepMinMs);
  return query;
}

}  // namespace

Task<Result<v1::ListMetricsReply>> LocalMonitoring::ListMetrics(Ctx, v1::ListMetricsRequest) {
  v1::ListMetricsReply reply;
  for (const auto& [name, kind] : history_.Families()) {
    v1::MetricInfo& info = *reply.add_metrics();
    info.set_name(name);
    info.set_kind(std::string(MetricKindName(kind)));
  }
  co_return reply;
}

Task<Result<v1::QueryMetricsReply>> LocalMonitoring::QueryMetrics(Ctx,
                                                                  v1::QueryMetricsRequest request) {
  if (request.name().empty()) co_return InvalidField("name", "is missing");
  const std::map<std::string, MetricKind> known = history_.Families();
  const auto family = known.find(request.name());
  if (family == known.end())
    co_return absl::NotFoundError(StrCat("no process has told of ", request.name(),
                                         "; /admin/v1/metrics lists what there is"));
  CO_TRY(const MetricQuery query, QueryOf(request, family->second));
  CO_TRY(const MetricAnswer answer, history_.Read(query));
  v1::QueryMetricsReply reply;
  reply.set_from_ms(answer.from_ms);
  reply.set_step_ms(answer.step_ms);
  for (const MetricLine& line : answer.lines) {
    v1::MetricLine& told = *reply.add_lines();
    for (const auto& [name, value] : line.labels) (*told.mutable_labels())[name] = value;
    told.mutable_values()->Add(line.values.begin(), line.values.end());
  }
  co_return reply;
}

Task<Result<v1::ListSlosReply>> LocalMonitoring::ListSlos(Ctx, v1::ListSlosRequest) {
  co_return slos_.List();
}

Task<Result<v1::Slo>> LocalMonitoring::GetSlo(Ctx, v1::GetSloRequest request) {
  co_return slos_.Get(request.name());
}

Task<Result<v1::ListAlertsReply>> LocalMonitoring::ListAlerts(Ctx, v1::ListAlertsRequest request) {
  if (request.limit() > SloStore::kAlertsMax)
    co_return InvalidField("limit", StrCat("must be at most ", SloStore::kAlertsMax));
  co_return slos_.Alerts(request);
}

}  // namespace tessera
