// Header values with a grammar, and server-sent events cut anywhere.
#include <cstdint>
#include <string>

#include "net/compress.h"
#include "net/header_values.h"
#include "net/sse.h"
#include "net/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const Weighted& item : ParseWeightedList(input)) {
    CHECK(item.weight >= 0 && item.weight <= 1000 && !item.value.empty());
  }
  Accepts(input, "application/json");
  NegotiateCoding(input);
  for (const std::uint64_t whole : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}}) {
    const RangeRequest range = ParseRange(input, whole);
    if (range.kind == RangeRequest::Kind::kPart) {
      CHECK(range.range.size > 0 && range.range.offset < whole);
      CHECK(range.range.size <= whole - range.range.offset);
    }
  }
  MatchesEtag(input, "\"a\"");
  MediaType(input);
  Parameter(input, "boundary");
  if (const auto parent = ParseTraceParent(input)) {
    CHECK(ParseTraceParent(FormatTraceParent(parent->trace, parent->span_id)));
  }
  // What is written as an event is read back, wherever the stream is cut.
  const std::string event = SseEvent(input);
  SseReader reader(1 << 24);
  std::string seen;
  int events = 0;
  for (std::size_t at = 0; at < event.size(); at += size % 7 + 1) {
    CHECK(reader.Feed(std::string_view(event).substr(at, size % 7 + 1)).ok());
    while (const auto next = reader.Next()) {
      seen = next->data;
      ++events;
    }
  }
  std::string lines;
  for (std::size_t i = 0; i < input.size(); ++i) {
    if (input[i] == '\r' && i + 1 < input.size() && input[i + 1] == '\n') continue;
    lines.push_back(input[i] == '\r' ? '\n' : input[i]);
  }
  CHECK(events == 1 && seen == lines);
  SseReader raw(1 << 24);
  CHECK(raw.Feed(input).ok());
  while (raw.Next()) {
  }
  for (const Coding coding : {Coding::kGzip, Coding::kBrotli, Coding::kZstd}) {
    const auto inflated = Decompress(coding, input, 1 << 16);
    if (inflated.ok()) CHECK(inflated->size() <= 1 << 16);
  }
  return 0;
}
