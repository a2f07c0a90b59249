#include "rpc/call_scope.h"

#include <utility>

namespace tessera {

Status ScopeAuthorizer::Check(const Ctx& ctx, const MethodInfo& method) const {
  if (method.scope.empty() || ctx.principal().MayUse(method.scope)) return absl::OkStatus();
  if (ctx.principal().id.empty()) {
    return absl::UnauthenticatedError(StrCat(method.full_name, " needs a caller with a key"));
  }
  return absl::PermissionDeniedError(
      StrCat(method.full_name, " needs the permission \"", method.scope, "\""));
}

void AppendCallFigures(std::string& out, std::span<const MethodFiguresOf> methods) {
  const auto labels_of = [](const MethodFiguresOf& one) {
    return Labels{{"caller", std::string(one.caller)}, {"method", std::string(one.method)}};
  };
  out +=
      "# HELP tessera_call_seconds From a call of a contract's method to its end.\n"
      "# TYPE tessera_call_seconds histogram\n";
  for (const MethodFiguresOf& one : methods) {
    if (one.metrics->seconds().count == 0) continue;
    AppendHistogram(out, "tessera_call_seconds", labels_of(one), one.metrics->seconds_);
  }
  out +=
      "# HELP tessera_call_errors_total Calls of a contract's method that failed.\n"
      "# TYPE tessera_call_errors_total counter\n";
  for (const MethodFiguresOf& one : methods) {
    for (std::size_t code = 1; code < CallMetrics::kCodes; ++code) {
      const auto as_code = static_cast<absl::StatusCode>(code);
      const std::uint64_t count = one.metrics->errors(as_code);
      if (count == 0) continue;
      Labels labels = labels_of(one);
      labels.emplace_back("code", absl::StatusCodeToString(as_code));
      StrAppend(&out, "tessera_call_errors_total", PrometheusLabels(labels), " ", count, "\n");
    }
  }
}

// Also of a call that is refused: its span says why.
void CallScope::BeginSpan(Ctx& ctx) {
  const std::shared_ptr<TraceSpans>& spans = ctx.info().spans;
  if (!spans) return;
  span_ = spans->Begin(method_->full_name, SpanKind::kInternal, ctx.span_id(), start_);
  if (span_ == TraceSpans::kNone) return;
  spans_ = spans;
  ctx.EnterSpan(spans->IdOf(span_));
  // The first span of a process whose trace began elsewhere is the call that came in.
  if (span_ == 0) spans->Rename(span_, method_->full_name, SpanKind::kServer);
}

Status CallScope::Begin(Ctx& ctx, const Authorizer& authorizer) {
  BeginSpan(ctx);
  TRY(authorizer.Check(ctx, *method_));
  if (ctx.cancel().cancelled()) return ctx.cancel().status();
  const SteadyTime now = CycleClock::ToSteady(start_);
  if (now >= ctx.deadline()) {
    return absl::DeadlineExceededError("the deadline of the call has passed");
  }
  if (!method_->streaming) {
    ctx.TightenDeadline(now + std::chrono::milliseconds(method_->timeout_ms));
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
  if (spans_ && spans_->trace().sampled) {
    metrics_->Record(code, nanoseconds, spans_->trace(), spans_->IdOf(span_));
  } else {
    metrics_->Record(code, nanoseconds);
  }
  if (watched_ != nullptr) [[unlikely]] {
    if (!first_item_) {
      watched_->Record(code, nanoseconds);
    } else if (code != absl::StatusCode::kOk) {
      watched_->RecordEnd(code);
    }
  }
  if (spans_) {
    spans_->End(span_, code);
    spans_.reset();
  }
}

}  // namespace tessera
