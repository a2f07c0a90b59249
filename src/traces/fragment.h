#pragma once
// What a process recorded of a request, as a message that says everything by OpenTelemetry's names.

#include <optional>
#include <string>
#include <string_view>

#include "telemetry/trace.h"
#include "tessera/v1/traces.pb.h"

namespace tessera {

/// `spans` may still be written to; what is open says so.
v1::SpanFragment ToFragment(const TraceSpans& spans, TraceReason reason);
/// The same into an empty one, which may lie in an arena.
void FillFragment(const TraceSpans& spans, TraceReason reason, v1::SpanFragment* to);

std::string TraceIdText(const TraceId& trace);
/// Nothing when it is not 32 hexadecimal digits.
std::optional<TraceId> ParseTraceId(std::string_view text);

/// The value of an attribute; null: it has none of that name.
const v1::SpanAttribute* FindAttribute(const v1::Span& span, std::string_view key);

}  // namespace tessera
