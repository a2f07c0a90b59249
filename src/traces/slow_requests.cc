#include "traces/slow_requests.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/ctx.h"
#include "base/hex.h"
#include "base/str.h"
#include "telemetry/log.h"
#include "telemetry/trace_recorder.h"
#include "traces/critical_path.h"
#include "traces/fragment.h"

namespace tessera {
namespace {

constexpr Duration kPatience = std::chrono::milliseconds(900);
constexpr std::size_t kWaitingMax = 256;
constexpr std::size_t kPartsMax = 8;

std::string TextOf(const v1::Span& span, std::string_view key) {
  const v1::SpanAttribute* const found = FindAttribute(span, key);
  return found == nullptr ? std::string() : found->text();
}

std::int64_t IntegerOf(const v1::Span& span, std::string_view key) {
  const v1::SpanAttribute* const found = FindAttribute(span, key);
  return found == nullptr ? 0 : found->integer();
}

std::string Where(const std::vector<PathPart>& parts) {
  std::string text;
  for (std::size_t i = 0; i < std::min(parts.size(), kPartsMax); ++i)
    StrAppend(&text, i == 0 ? "" : ", ", parts[i].name, " ", std::llround(parts[i].ms), " ms");
  return text;
}

}  // namespace

SlowRequests::SlowRequests()
    : left_out_(Metrics::Process().NewCounter(
          "tessera_slow_requests_unwritten_total",
          "Slow requests that the log does not tell of: there were too many at once.")) {}

void SlowRequests::See(const v1::SpanFragment& fragment, SteadyTime now) {
  const std::string& id = fragment.trace_id();
  const auto known = waiting_.find(id);
  if (known != waiting_.end()) {
    known->second.trace.mutable_spans()->MergeFrom(fragment.spans());
    return;
  }
  if (!fragment.root() || fragment.spans().empty() ||
      FindAttribute(fragment.spans(0), kSlowAttribute) == nullptr)
    return;
  if (waiting_.size() >= kWaitingMax) {
    left_out_.Add();
    return;
  }
  Waiting& waiting = waiting_[id];
  waiting.until = now + kPatience;
  *waiting.trace.mutable_spans() = fragment.spans();
}

void SlowRequests::Write(TraceStore* store, SteadyTime now, bool everything) {
  std::erase_if(waiting_, [&](const auto& entry) {
    if (!everything && entry.second.until > now) return false;
    Log(store, entry.first, entry.second.trace);
    return true;
  });
}

void SlowRequests::Log(TraceStore* store, const std::string& id, const v1::Trace& seen) const {
  const v1::Span& root = seen.spans(0);
  auto kept = store != nullptr ? store->Get(id) : Result<v1::Trace>(absl::NotFoundError(""));
  const bool knows_more = kept.ok() && kept->spans_size() > seen.spans_size();
  const auto parts = CriticalPath(knows_more ? kept->spans() : seen.spans(), root);
  auto info = std::make_shared<RequestInfo>();
  info->request_id = TextOf(root, "tessera.request_id");
  info->tenant = TextOf(root, "tessera.tenant");
  if (const auto trace = ParseTraceId(id)) info->trace = *trace;
  Ctx ctx(std::move(info), {});
  ctx.EnterSpan(ParseHex(root.id()).value_or(0));
  tessera::Log(ctx, LogLevel::kWarning, "a request was slow",
               {{"route", root.name()},
                {"status", IntegerOf(root, "http.response.status_code")},
                {"waited_ms", IntegerOf(root, kSlowAttribute)},
                {"limit_ms", IntegerOf(root, kSlowLimitAttribute)},
                {"total_ms", root.duration_ns() / 1'000'000},
                {"most", parts.empty() ? std::string() : parts.front().name},
                {"where", Where(parts)}});
}

}  // namespace tessera
