#include "traces/trace_tree.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kDepthMax = 64;

std::string Millis(double nanoseconds) {
  char text[32];
  std::snprintf(text, sizeof text, nanoseconds < 1e7 ? "%.3f ms" : "%.1f ms", nanoseconds / 1e6);
  return text;
}

std::string ValueOf(const v1::SpanAttribute& attribute) {
  switch (attribute.value_case()) {
    case v1::SpanAttribute::kText: {
      std::string text;  // no line of ours can be forged, no terminal is driven
      for (const char c : attribute.text())
        text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
      return text;
    }
    case v1::SpanAttribute::kInteger:
      return StrCat(attribute.integer());
    case v1::SpanAttribute::kNumber:
      return StrCat(attribute.number());
    case v1::SpanAttribute::kFlag:
      return attribute.flag() ? "true" : "false";
    case v1::SpanAttribute::VALUE_NOT_SET:
      break;
  }
  return "";
}

// Said by the line itself already.
bool IsPlain(std::string_view key) {
  return key.starts_with("rpc.") || key == "http.route" || key == "http.request.method" ||
         key == "url.scheme" || key == "tessera.request_id";
}

class Tree {
 public:
  Tree(const v1::Trace& trace, bool attributes) : trace_(trace), attributes_(attributes) {
    std::set<std::string> ids;
    for (const v1::Span& span : trace.spans()) ids.insert(span.id());
    for (const v1::Span& span : trace.spans())
      children_[ids.contains(span.parent_id()) ? span.parent_id() : ""].push_back(&span);
  }

  std::string Text() {
    AddChildren("", "", 0);
    return std::move(text_);
  }

 private:
  void AddChildren(const std::string& parent, const std::string& indent, std::size_t depth) {
    const auto found = children_.find(parent);
    if (found == children_.end() || depth > kDepthMax) return;
    const auto& spans = found->second;
    for (std::size_t i = 0; i < spans.size(); ++i) {
      const bool last = i + 1 == spans.size();
      const bool top = parent.empty();
      AddSpan(*spans[i], top ? "" : indent + (last ? "└ " : "├ "));
      const std::string below = top ? "" : indent + (last ? "  " : "│ ");
      if (attributes_) AddAttributes(*spans[i], below);
      // A broken file could name a span as its own ancestor.
      if (seen_.insert(spans[i]->id()).second) AddChildren(spans[i]->id(), below, depth + 1);
    }
  }

  void AddSpan(const v1::Span& span, const std::string& lead) {
    char at[64];
    std::snprintf(
        at, sizeof at, "%10s %11s  ",
        StrCat("+", Millis(static_cast<double>(span.start_us() - trace_.start_us()) * 1e3)).c_str(),
        Millis(static_cast<double>(span.duration_ns())).c_str());
    StrAppend(&text_, at, lead, span.name());
    if (span.kind() == v1::SPAN_KIND_CLIENT) text_ += " →";
    StrAppend(&text_, "  [", span.process(), "]");
    if (!span.status().empty())
      StrAppend(&text_, "  ", span.error() ? "ERROR " : "", span.status());
    if (span.error() && span.status().empty()) text_ += "  ERROR";
    if (span.unfinished()) text_ += "  (not finished)";
    text_ += "\n";
  }

  void AddAttributes(const v1::Span& span, const std::string& below) {
    std::string line;
    for (const v1::SpanAttribute& attribute : span.attributes()) {
      if (IsPlain(attribute.key())) continue;
      StrAppend(&line, line.empty() ? "" : "  ", attribute.key(), "=", ValueOf(attribute));
    }
    if (!line.empty()) StrAppend(&text_, std::string(24, ' '), below, "    ", line, "\n");
  }

  const v1::Trace& trace_;
  const bool attributes_;
  std::map<std::string, std::vector<const v1::Span*>> children_;
  std::set<std::string> seen_;
  std::string text_;
};

}  // namespace

std::string TraceTree(const v1::Trace& trace, bool attributes) {
  char time[25];
  std::string text = StrCat("trace    ", trace.trace_id(), "\nrequest  ", trace.request_id(),
                            "\nbegan    ", Rfc3339(trace.start_us() / 1000, time), ", took ",
                            Millis(static_cast<double>(trace.duration_ns())));
  if (trace.http_status() != 0) StrAppend(&text, ", answered ", trace.http_status());
  if (trace.error()) text += ", failed";
  if (!trace.reason().empty()) StrAppend(&text, "\nkept     ", trace.reason());
  if (trace.dropped() > 0)
    StrAppend(&text, "\n", trace.dropped(), " spans and attributes were too many and left out");
  StrAppend(&text, "\n\n", Tree(trace, attributes).Text());
  return text;
}

}  // namespace tessera
