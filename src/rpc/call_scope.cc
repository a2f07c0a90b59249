#include "rpc/call_scope.h"

#include <utility>

#include "base/ids.h"

namespace tessera {

Status ScopeAuthorizer::Check(const Ctx& ctx, const MethodInfo& method) const {
  if (method.scope.empty() || ctx.principal().MayUse(method.scope)) return absl::OkStatus();
  if (ctx.principal().id.empty()) {
    return absl::UnauthenticatedError(StrCat(method.full_name, " needs a caller with a key"));
  }
  return absl::PermissionDeniedError(
      StrCat(method.full_name, " needs the permission \"", method.scope, "\""));
}

void CallMetrics::AppendText(std::string& out, const MethodInfo& method) const {
  const Labels labels = {{"method", std::string(method.full_name)}};
  const Histogram::Snapshot snapshot = seconds_.snapshot();
  if (snapshot.count > 0) AppendHistogram(out, "tessera_call_seconds", labels, snapshot);
  for (std::size_t code = 1; code < kCodes; ++code) {
    const std::uint64_t count = errors_[code].load(std::memory_order_relaxed);
    if (count == 0) continue;
    Labels with_code = labels;
    with_code.emplace_back("code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
    StrAppend(&out, "tessera_call_errors_total", PrometheusLabels(with_code), " ", count, "\n");
  }
}

Status CallScope::Begin(Ctx& ctx, const Authorizer& authorizer) {
  TRY(authorizer.Check(ctx, *method_));
  if (ctx.cancel().cancelled()) return ctx.cancel().status();
  const SteadyTime now = CycleClock::ToSteady(start_);
  if (now >= ctx.deadline()) {
    return absl::DeadlineExceededError("the deadline of the call has passed");
  }
  if (!method_->streaming) {
    ctx.TightenDeadline(now + std::chrono::milliseconds(method_->timeout_ms));
  }
  trace_ = ctx.info().trace;
  if (trace_.sampled) {
    parent_id_ = ctx.span_id();
    span_id_ = RandomId();
    ctx.EnterSpan(span_id_);
  }
  return absl::OkStatus();
}

std::uint64_t CallScope::Elapsed() const {
  const std::uint64_t ticks = CycleClock::Now() - start_;
  return static_cast<std::uint64_t>(static_cast<double>(ticks) * nanoseconds_per_tick_);
}

void CallScope::FirstItem() {
  if (watched_ == nullptr || std::exchange(first_item_, true)) return;
  watched_->Record(absl::StatusCode::kOk, Elapsed());
}

void CallScope::End(absl::StatusCode code) {
  if (ended_) return;
  ended_ = true;
  const std::uint64_t nanoseconds = Elapsed();
  metrics_->Record(code, nanoseconds);
  if (watched_ != nullptr) [[unlikely]] {
    if (!first_item_) {
      watched_->Record(code, nanoseconds);
    } else if (code != absl::StatusCode::kOk) {
      watched_->RecordEnd(code);
    }
  }
  if (trace_.sampled) [[unlikely]] {
    SpanRing::Process().Add(Span{.trace = trace_,
                                 .id = span_id_,
                                 .parent = parent_id_,
                                 .name = method_->full_name,
                                 .end_ms = WallMillis(),
                                 .duration_ns = nanoseconds,
                                 .code = code});
  }
}

}  // namespace tessera
