#include "traces/critical_path.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/str.h"
#include "traces/fragment.h"

namespace tessera {
namespace {

constexpr std::size_t kDepthMax = 64;
constexpr std::string_view kContracts = "tessera.v1.";

// In microseconds since 1970, as spans of several processes can be compared.
struct Interval {
  double begin = 0;
  double end = 0;
};

Interval Of(const v1::Span& span) {
  const auto begin = static_cast<double>(span.start_us());
  return {begin, begin + static_cast<double>(span.duration_ns()) / 1000};
}

// "tessera.v1.Retrieval/Search" is "retrieval".
std::string ServiceOf(std::string_view name) {
  name.remove_prefix(kContracts.size());
  std::string service(name.substr(0, name.find('/')));
  for (char& c : service) c = ToLower(c);
  return service;
}

std::string NameOf(const v1::Span& span, bool is_root) {
  const std::string_view name = span.name();
  const bool leaves = span.kind() == v1::SPAN_KIND_CLIENT;
  if (is_root) return name.find(" /") != name.npos ? "edge" : std::string(name);
  if (name.starts_with(kContracts)) return StrCat(leaves ? "call " : "", ServiceOf(name));
  if (name == "POST" && leaves) return "upstream";
  return std::string(name);
}

class Path {
 public:
  explicit Path(const google::protobuf::RepeatedPtrField<v1::Span>& spans) {
    for (const v1::Span& span : spans)
      if (!span.parent_id().empty()) children_[span.parent_id()].push_back(&span);
    for (auto& [parent, below] : children_)
      std::ranges::sort(
          below, [](const v1::Span* a, const v1::Span* b) { return Of(*a).end > Of(*b).end; });
  }

  // From the end backwards: whatever ended last before `until` was waited for.
  void Walk(const v1::Span& span, Interval within, bool is_root, std::size_t depth) {
    double until = within.end;
    const auto below = children_.find(span.id());
    if (below != children_.end() && depth < kDepthMax) {
      for (const v1::Span* child : below->second) {
        const Interval whole = Of(*child);
        const Interval part{std::max(whole.begin, within.begin), std::min(whole.end, until)};
        if (part.end <= part.begin) continue;
        Own(span, {part.end, until}, is_root);
        Walk(*child, part, false, depth + 1);
        until = part.begin;
      }
    }
    Own(span, {within.begin, until}, is_root);
  }

  std::vector<PathPart> Parts() const {
    std::vector<PathPart> parts;
    for (const auto& [name, us] : sums_) parts.push_back({name, us / 1000});
    std::ranges::stable_sort(parts,
                             [](const PathPart& a, const PathPart& b) { return a.ms > b.ms; });
    return parts;
  }

 private:
  void Own(const v1::Span& span, Interval part, bool is_root) {
    if (part.end <= part.begin) return;
    const v1::SpanAttribute* const first = FindAttribute(span, "gen_ai.server.time_to_first_token");
    if (span.name() != "chat" && first == nullptr) {
      sums_[NameOf(span, is_root)] += part.end - part.begin;
      return;
    }
    const double begins = first == nullptr ? part.end : Of(span).begin + first->number() * 1e6;
    const double split = std::clamp(begins, part.begin, part.end);
    if (split > part.begin) sums_["model first token"] += split - part.begin;
    if (part.end > split) sums_["model decode"] += part.end - split;
  }

  std::unordered_map<std::string, std::vector<const v1::Span*>> children_;
  std::map<std::string, double> sums_;
};

}  // namespace

std::vector<PathPart> CriticalPath(const google::protobuf::RepeatedPtrField<v1::Span>& spans,
                                   const v1::Span& root) {
  Path path(spans);
  path.Walk(root, Of(root), true, 0);
  return path.Parts();
}

}  // namespace tessera
