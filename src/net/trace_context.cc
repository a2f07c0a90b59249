#include "net/trace_context.h"

#include "base/hex.h"
#include "base/ids.h"
#include "base/str.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
std::optional<TraceParent> ParseTraceParent(std::string_view header) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may append.
  constexpr std::size_t kSize = 55;
  if (header.size() < kSize || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  const auto version = ParseHex(header.substr(0, 2));
  const auto high = ParseHex(header.substr(3, 16));
  const auto low = ParseHex(header.substr(19, 16));
  const auto span = ParseHex(header.substr(36, 16));
  const auto flags = ParseHex(header.substr(53, 2));
  if (!version || !high || !low || !span || !flags || *version == 0xFF) return std::nullopt;
  if (header.size() > kSize && (*version == 0 || header[kSize] != '-')) return std::nullopt;
  if ((*high == 0 && *low == 0) || *span == 0) return std::nullopt;
  TraceParent parent;
  parent.trace.high = *high;
  parent.trace.low = *low;
  parent.trace.sampled = (*flags & 1) != 0;
  parent.span_id = *span;
  return parent;
}

std::string FormatTraceParent(const TraceId& trace, std::uint64_t span_id) {
  constexpr std::size_t kSize = 55;
  std::string header;
  header.reserve(kSize);
  header.append("00-");
  AppendHex(&header, trace.high);
  AppendHex(&header, trace.low);
  header.push_back('-');
  AppendHex(&header, span_id);
  header.append(trace.sampled ? "-01" : "-00");
  return header;
}

namespace {

bool IsPrintable(std::string_view text, std::size_t max) {
  if (text.empty() || text.size() > max) return false;
  for (const char c : text) {
    if (c < 0x20 || c > 0x7E) return false;
  }
  return true;
}

// A header that comes in several lines is one list.
std::string Joined(const HttpHeaders& headers, std::string_view name) {
  if (headers.Count(name) < 2) return std::string(headers.Get(name));
  std::string joined;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (!EqualsIgnoreCase(headers[i].name, name)) continue;
    StrAppend(&joined, joined.empty() ? "" : ",", headers[i].value);
  }
  return joined;
}

}  // namespace

bool IsTraceState(std::string_view text) { return IsPrintable(text, 512); }
bool IsBaggage(std::string_view text) { return IsPrintable(text, 8192); }

void ReadTraceBaggage(const HttpHeaders& headers, RequestInfo& info) {
  if (headers.Has("tracestate")) {
    std::string state = Joined(headers, "tracestate");
    if (IsTraceState(state)) info.trace_state = std::move(state);
  }
  if (headers.Has("baggage")) {
    std::string baggage = Joined(headers, "baggage");
    if (IsBaggage(baggage)) info.baggage = std::move(baggage);
  }
}

void SetTraceHeaders(const Ctx& ctx, HttpHeaders& headers) {
  const RequestInfo& info = ctx.info();
  const auto& propagation = TraceRecorder::Process().options();
  if (IsRequestId(info.request_id)) headers.Set("x-request-id", info.request_id);
  if (propagation.propagates_trace && (info.trace.high != 0 || info.trace.low != 0)) {
    headers.Set("traceparent",
                FormatTraceParent(info.trace, ctx.span_id() != 0 ? ctx.span_id() : RandomId()));
    if (!info.trace_state.empty()) headers.Set("tracestate", info.trace_state);
  }
  if (propagation.propagates_baggage && !info.baggage.empty()) headers.Set("baggage", info.baggage);
}

bool IsRequestId(std::string_view id) {
  if (id.empty() || id.size() > 128) return false;
  for (const char c : id) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alnum && std::string_view("-_.:/+=").find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace tessera
