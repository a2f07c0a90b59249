#include "net/trace_context.h"

#include "base/ids.h"
#include "base/str.h"

namespace tessera {
namespace {

std::optional<std::uint64_t> ReadHex(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint64_t>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

}  // namespace

std::optional<TraceParent> ParseTraceParent(std::string_view header) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may append.
  constexpr std::size_t kSize = 55;
  if (header.size() < kSize || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  const auto version = ReadHex(header.substr(0, 2));
  const auto high = ReadHex(header.substr(3, 16));
  const auto low = ReadHex(header.substr(19, 16));
  const auto span = ReadHex(header.substr(36, 16));
  const auto flags = ReadHex(header.substr(53, 2));
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
  return StrCat("00-", Hex(trace.high), Hex(trace.low), "-", Hex(span_id),
                trace.sampled ? "-01" : "-00");
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
