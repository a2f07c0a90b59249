#include "telemetry/exposition.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace tessera {
namespace {

constexpr std::string_view kTotal = "_total";
constexpr std::array<std::pair<std::string_view, MetricKind>, 4> kKinds = {{
    {"untyped", MetricKind::kUntyped},
    {"counter", MetricKind::kCounter},
    {"gauge", MetricKind::kGauge},
    {"histogram", MetricKind::kHistogram},
}};

MetricKind KindNamed(std::string_view name) {
  for (const auto& [text, kind] : kKinds) {
    if (text == name) return kind;
  }
  return MetricKind::kUntyped;
}

std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view TakeWord(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}

// Where the quoted value that begins at `at` (after its quote) ends.
std::size_t EndOfQuoted(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at;
}

std::string Unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      plain.push_back(text[i]);
    } else {
      ++i;
      plain.push_back(text[i] == 'n' ? '\n' : text[i]);
    }
  }
  return plain;
}

// Calls visit(name, value as written) for each until it gives true.
template <class Visit>
void EachLabel(std::string_view labels, Visit visit) {
  std::size_t at = 0;
  while (at < labels.size()) {
    const std::size_t equals = labels.find('=', at);
    if (equals == std::string_view::npos || equals + 1 >= labels.size()) return;
    const std::size_t end = EndOfQuoted(labels, equals + 2);
    if (end >= labels.size()) return;
    if (visit(labels.substr(at, equals - at), labels.substr(equals + 2, end - equals - 2))) return;
    at = end + 1;
    if (at < labels.size() && labels[at] == ',') ++at;
  }
}

// False when the line is no sample.
bool ReadSample(std::string_view line, MetricSample& sample) {
  const std::size_t name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos || name_end == 0) return false;
  sample.name = line.substr(0, name_end);
  std::size_t value = name_end;
  if (line[name_end] == '{') {
    std::size_t at = name_end + 1;
    while (at < line.size() && line[at] != '}')
      at = line[at] == '"' ? EndOfQuoted(line, at + 1) + 1 : at + 1;
    if (at >= line.size()) return false;
    sample.labels = line.substr(name_end + 1, at - name_end - 1);
    value = at + 1;
  }
  while (value < line.size() && line[value] == ' ') ++value;
  sample.value = line.substr(value);
  constexpr std::string_view kExemplar = " # ";
  if (const std::size_t exemplar = sample.value.find(kExemplar); exemplar != line.npos) {
    sample.exemplar = sample.value.substr(exemplar + kExemplar.size());
    sample.value = sample.value.substr(0, exemplar);
  }
  return !sample.value.empty();
}

// Is that a series of the family: its name, or a histogram's?
bool Belongs(std::string_view sample, const MetricFamily& family) {
  if (!sample.starts_with(family.name)) return false;
  const std::string_view rest = sample.substr(family.name.size());
  return rest.empty() || (family.kind == MetricKind::kHistogram &&
                          (rest == "_bucket" || rest == "_sum" || rest == "_count"));
}

}  // namespace

std::string_view MetricKindName(MetricKind kind) {
  for (const auto& [text, known] : kKinds) {
    if (known == kind) return text;
  }
  return "untyped";
}

double MetricSample::Value() const {
  const std::string_view number = value.substr(0, value.find(' '));
  if (number == "+Inf") return std::numeric_limits<double>::infinity();
  if (number == "-Inf") return -std::numeric_limits<double>::infinity();
  double parsed = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), parsed);
  if (error != std::errc() || end != number.data() + number.size())
    return std::numeric_limits<double>::quiet_NaN();
  return parsed;
}

std::vector<MetricFamily> ReadExposition(std::string_view text) {
  std::vector<MetricFamily> families;
  const auto family_of = [&families](std::string_view name) -> MetricFamily& {
    if (families.empty() || families.back().name != name) families.push_back({.name = name});
    return families.back();
  };
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    if (line.starts_with("# HELP ")) {
      line.remove_prefix(7);
      MetricFamily& family = family_of(TakeWord(line));
      family.help = line;
    } else if (line.starts_with("# TYPE ")) {
      line.remove_prefix(7);
      MetricFamily& family = family_of(TakeWord(line));
      family.kind = KindNamed(line);
    } else if (!line.empty() && line[0] != '#') {
      MetricSample sample;
      if (!ReadSample(line, sample)) continue;
      if (families.empty() || !Belongs(sample.name, families.back()))
        families.push_back({.name = sample.name});
      families.back().samples.push_back(sample);
    }
  }
  return families;
}

std::string LabelOf(std::string_view labels, std::string_view name) {
  std::string found;
  EachLabel(labels, [&](std::string_view label, std::string_view value) {
    if (label != name) return false;
    found = Unescape(value);
    return true;
  });
  return found;
}

Labels LabelsOf(std::string_view labels) {
  Labels all;
  EachLabel(labels, [&](std::string_view label, std::string_view value) {
    all.emplace_back(label, Unescape(value));
    return false;
  });
  return all;
}

void ExpositionMerge::Add(std::string_view text, const Labels& process) {
  std::string own = PrometheusLabels(process);
  if (!own.empty()) own = own.substr(1, own.size() - 2);
  const bool exemplars = format_ != ExpositionFormat::kPrometheus;
  for (const MetricFamily& family : ReadExposition(text)) {
    Family& merged =
        families_.try_emplace(family.name, Family{family.help, family.kind, ""}).first->second;
    for (const MetricSample& sample : family.samples) {
      const bool both = !own.empty() && !sample.labels.empty();
      const bool any = !own.empty() || !sample.labels.empty();
      StrAppend(&merged.lines, sample.name, any ? "{" : "", own, both ? "," : "", sample.labels,
                any ? "} " : " ", sample.value);
      if (exemplars && !sample.exemplar.empty()) StrAppend(&merged.lines, " # ", sample.exemplar);
      merged.lines.push_back('\n');
    }
  }
}

std::string ExpositionMerge::Text() const {
  const bool open_metrics = format_ == ExpositionFormat::kOpenMetrics;
  std::string out;
  std::size_t size = 0;
  for (const auto& [name, family] : families_) size += family.lines.size() + 200;
  out.reserve(size);
  for (const auto& [name, family] : families_) {
    std::string_view shown = name;
    std::string_view kind = MetricKindName(family.kind);
    if (open_metrics) {
      // There a counter's family is called as its samples are, without "_total".
      const bool counts = family.kind == MetricKind::kCounter && name.ends_with(kTotal);
      if (counts) shown.remove_suffix(kTotal.size());
      if (family.kind == MetricKind::kUntyped || (family.kind == MetricKind::kCounter && !counts))
        kind = "unknown";
    }
    if (!family.help.empty()) {
      StrAppend(&out, "# HELP ", shown, " ");
      for (const char c : family.help) {
        if (open_metrics && c == '"') out.push_back('\\');
        out.push_back(c);
      }
      out.push_back('\n');
    }
    StrAppend(&out, "# TYPE ", shown, " ", kind, "\n", family.lines);
  }
  if (open_metrics) out += "# EOF\n";
  return out;
}

std::string_view ContentTypeOf(ExpositionFormat format) {
  return format == ExpositionFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace tessera
