#include "traces/fragment.h"

#include <algorithm>

#include "base/hex.h"
#include "base/ids.h"
#include "base/str.h"
#include "telemetry/process_name.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

constexpr std::string_view kContracts = "tessera.v1.";

void AddText(v1::Span& span, std::string_view key, std::string_view value) {
  v1::SpanAttribute& attribute = *span.add_attributes();
  attribute.set_key(key.data(), key.size());
  attribute.set_text(value.data(), value.size());
}

// "tessera.v1.Retrieval.Search": a call of a contract, over the wire or not.
void DescribeCall(const SpanRecord& record, v1::Span& span) {
  const std::size_t dot = record.name.rfind('.');
  span.set_name(StrCat(record.name.substr(0, dot), "/", record.name.substr(dot + 1)));
  AddText(span, "rpc.service", record.name.substr(0, dot));
  AddText(span, "rpc.method", record.name.substr(dot + 1));
  if (record.kind == SpanKind::kInternal) return;
  AddText(span, "rpc.system", "grpc");
  v1::SpanAttribute& code = *span.add_attributes();
  code.set_key("rpc.grpc.status_code");
  code.set_integer(static_cast<int>(record.code));
}

// "POST /v1/documents/{id}": a request to the edge.
void DescribeRequest(const SpanRecord& record, v1::Span& span) {
  const std::size_t space = record.name.find(' ');
  AddText(span, "http.request.method", record.name.substr(0, space));
  AddText(span, "http.route", record.name.substr(space + 1));
  AddText(span, "url.scheme", "http");
  if (FindAttribute(span, "url.path") == nullptr)
    AddText(span, "url.path", record.name.substr(space + 1));
}

void SetValue(const SpanAttributeRecord& record, std::string text, v1::SpanAttribute& attribute) {
  attribute.set_key(record.key.data(), record.key.size());
  switch (record.kind) {
    case SpanAttributeRecord::Kind::kInteger:
      return attribute.set_integer(record.integer);
    case SpanAttributeRecord::Kind::kNumber:
      return attribute.set_number(record.number);
    case SpanAttributeRecord::Kind::kBoolean:
      return attribute.set_flag(record.boolean);
    case SpanAttributeRecord::Kind::kText:
      return attribute.set_text(std::move(text));
  }
}

}  // namespace

const v1::SpanAttribute* FindAttribute(const v1::Span& span, std::string_view key) {
  for (const v1::SpanAttribute& attribute : span.attributes()) {
    if (attribute.key() == key) return &attribute;
  }
  return nullptr;
}

std::string TraceIdText(const TraceId& trace) { return StrCat(Hex(trace.high), Hex(trace.low)); }

std::optional<TraceId> ParseTraceId(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  const auto high = ParseHex(text.substr(0, 16));
  const auto low = ParseHex(text.substr(16));
  if (!high || !low) return std::nullopt;
  TraceId trace;
  trace.high = *high;
  trace.low = *low;
  return trace;
}

v1::SpanFragment ToFragment(const TraceSpans& spans, TraceReason reason) {
  v1::SpanFragment fragment;
  FillFragment(spans, reason, &fragment);
  return fragment;
}

void FillFragment(const TraceSpans& spans, TraceReason reason, v1::SpanFragment* to) {
  TraceSpans::Copy copy = spans.Read();
  v1::SpanFragment& fragment = *to;
  fragment.set_trace_id(TraceIdText(spans.trace()));
  fragment.set_reason(std::string(Name(reason)));
  fragment.set_sampled(spans.trace().sampled);
  fragment.set_root(!spans.platform_parent());
  ProcessName name = CurrentProcessName();
  fragment.set_group(std::move(name.group));
  fragment.set_process(std::move(name.process));
  fragment.set_dropped(copy.dropped);
  const double tick = CycleClock::NanosecondsPerTick();
  const std::uint64_t now = CycleClock::Now();
  for (const SpanRecord& record : copy.spans) {
    v1::Span& span = *fragment.add_spans();
    span.set_id(Hex(record.id));
    if (record.parent != 0) span.set_parent_id(Hex(record.parent));
    span.set_name(record.name.data(), record.name.size());
    span.set_kind(static_cast<v1::SpanKind>(record.kind));
    // A start may lie a little before the fragment's own: the clock was read first.
    const auto ticks = static_cast<std::int64_t>(record.start - copy.start_ticks);
    span.set_start_us(copy.start_us +
                      static_cast<std::int64_t>(static_cast<double>(ticks) * tick / 1000));
    span.set_unfinished(record.end == 0);
    const std::uint64_t end = record.end != 0 ? record.end : std::max(now, record.start);
    span.set_duration_ns(static_cast<std::int64_t>(static_cast<double>(end - record.start) * tick));
    if (record.code != absl::StatusCode::kOk)
      span.set_status(absl::StatusCodeToString(record.code));
    span.set_error(record.failed);
  }
  for (auto& [record, text] : copy.attributes)
    SetValue(record, std::move(text), *fragment.mutable_spans(record.span)->add_attributes());
  for (std::size_t i = 0; i < copy.spans.size(); ++i) {
    const SpanRecord& record = copy.spans[i];
    v1::Span& span = *fragment.mutable_spans(static_cast<int>(i));
    if (record.name.starts_with(kContracts)) {
      DescribeCall(record, span);
    } else if (record.kind == SpanKind::kServer && record.name.find(" /") != record.name.npos) {
      DescribeRequest(record, span);
    }
  }
}

}  // namespace tessera
