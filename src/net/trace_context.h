#pragma once
// W3C traceparent (https://www.w3.org/TR/trace-context/) and request ids, in and out.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ctx.h"
#include "net/http_headers.h"

namespace tessera {

struct TraceParent {
  TraceId trace;
  std::uint64_t span_id = 0;
};

/// Nothing when the header is malformed, as the standard wants it: a new trace then begins.
std::optional<TraceParent> ParseTraceParent(std::string_view header);
/// "00-…-…-01".
std::string FormatTraceParent(const TraceId& trace, std::uint64_t span_id);

/// Takes tracestate and baggage over, where they are as the standards want them.
void ReadTraceBaggage(const HttpHeaders& headers, RequestInfo& info);
/// Printable ASCII of a size that the standards let pass: 512 bytes of tracestate, 8192 of baggage.
bool IsTraceState(std::string_view text);
bool IsBaggage(std::string_view text);
/// What goes with a request to whoever works for `ctx`: x-request-id, traceparent, tracestate,
/// baggage; they replace what is there.
void SetTraceHeaders(const Ctx& ctx, HttpHeaders& headers);

/// True when a client's x-request-id may be taken over: 1 to 128 of letters, digits, - _ . : / + =
bool IsRequestId(std::string_view id);

}  // namespace tessera
