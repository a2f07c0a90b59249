// PromQL over the history: the part of LocalMonitoring that is Prometheus' matter.
#include <utility>

#include "base/str.h"
#include "monitoring/local_monitoring.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

Result<v1::EvaluatePromqlReply> Evaluate(const MetricHistory& history,
                                         const v1::EvaluatePromqlRequest& request) {
  TRY(const auto expr, ParsePromql(request.query()));
  const bool instant = request.step_ms() == 0;
  if (!instant && expr->type != PromType::kScalar && expr->type != PromType::kVector)
    return absl::InvalidArgumentError(
        StrCat("invalid expression type \"", PromTypeName(expr->type),
               "\" for range query, must be Scalar or instant Vector"));
  const PromRange range{.from_ms = instant ? request.to_ms() : request.from_ms(),
                        .to_ms = request.to_ms(),
                        .step_ms = instant ? 1 : request.step_ms()};
  const PromSelect select = [&history](const std::vector<PromMatcher>& matchers,
                                       std::int64_t from_ms, std::int64_t to_ms) {
    return history.Select(matchers, from_ms, to_ms);
  };
  TRY(const PromResult result, EvaluatePromql(*expr, range, select));
  v1::EvaluatePromqlReply reply;
  reply.set_text(result.text);
  static constexpr const char* kTypes[] = {"scalar", "vector", "matrix", "string"};
  reply.set_type(instant ? kTypes[static_cast<std::size_t>(result.type)] : "matrix");
  for (const PromRow& row : result.rows) {
    v1::PromqlRow& told = *reply.add_rows();
    told.mutable_labels()->insert(row.labels.begin(), row.labels.end());
    for (const PromPoint& point : row.points) {
      told.add_at_ms(point.at_ms);
      told.add_values(point.value);
    }
    for (std::size_t step = 0; step < row.values.size(); ++step) {
      if (IsPromAbsent(row.values[step])) continue;
      told.add_at_ms(range.from_ms + static_cast<std::int64_t>(step) * range.step_ms);
      told.add_values(row.values[step]);
    }
  }
  return reply;
}

Result<v1::ListSeriesReply> Series(const MetricHistory& history,
                                   const v1::ListSeriesRequest& request) {
  std::vector<std::vector<PromMatcher>> selectors;
  for (const std::string& match : request.match()) {
    TRY(std::vector<PromMatcher> matchers, ParsePromSelector(match));
    selectors.push_back(std::move(matchers));
  }
  if (selectors.empty()) selectors.emplace_back();
  v1::ListSeriesReply reply;
  for (const std::vector<PromMatcher>& matchers : selectors) {
    for (const PromLabels& labels : history.SeriesOf(matchers, request.from_ms(), request.to_ms()))
      reply.add_series()->mutable_labels()->insert(labels.begin(), labels.end());
  }
  return reply;
}

}  // namespace

Task<Result<v1::EvaluatePromqlReply>> LocalMonitoring::EvaluatePromql(
    Ctx, v1::EvaluatePromqlRequest request) {
  auto work = [this, request = std::move(request)] { return Evaluate(history_, request); };
  auto reply = co_await RunOn(executor_, std::move(work));
  co_return reply;
}

Task<Result<v1::ListSeriesReply>> LocalMonitoring::ListSeries(Ctx, v1::ListSeriesRequest request) {
  auto work = [this, request = std::move(request)] { return Series(history_, request); };
  auto reply = co_await RunOn(executor_, std::move(work));
  co_return reply;
}

}  // namespace tessera
