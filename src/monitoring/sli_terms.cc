#include "monitoring/sli_terms.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fault.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::string_view kStarted = "process_start_time_seconds";
constexpr std::int64_t kAgeErrorMs = 2'000;  // by which two looks at it may differ
constexpr std::int64_t kForgetAfter = 120;   // readings
constexpr std::int64_t kForgetProcessMs = 600'000;
constexpr std::int64_t kFreshMs = 60'000;  // so young a process has been watched from its start
constexpr std::size_t kKnownMax = 50'000;

// Codes that are the platform's own fault, as the mover counts them.
const std::vector<std::string>& FaultCodes() {
  static const std::vector<std::string> codes = [] {
    std::vector<std::string> all;
    for (int code = 1; code < 17; ++code) {
      const auto as_code = static_cast<absl::StatusCode>(code);
      if (IsFault(as_code)) all.push_back(absl::StatusCodeToString(as_code));
    }
    return all;
  }();
  return codes;
}

std::string ProcessOf(std::string_view labels) {
  return StrCat(LabelOf(labels, "group"), "/", LabelOf(labels, "instance"));
}

}  // namespace

void CounterGrowth::Begin(std::int64_t wall_ms, std::int64_t steady_ms,
                          const std::vector<MetricFamily>& families) {
  wall_ms_ = wall_ms;
  steady_ms_ = steady_ms;
  ++reading_;
  if (watching_since_ms_ == 0) watching_since_ms_ = wall_ms - kFreshMs;
  for (const MetricFamily& family : families) {
    if (family.name != kStarted) continue;
    for (const MetricSample& sample : family.samples) {
      const auto [at, first] = processes_.try_emplace(ProcessOf(sample.labels));
      Process& process = at->second;
      process.age_ms = wall_ms - static_cast<std::int64_t>(sample.Value() * 1000);
      process.is_new = first || process.age_ms < steady_ms - process.seen_ms - kAgeErrorMs;
      process.seen_ms = steady_ms;
    }
  }
}

// A process that is older than the last look at it is the same that was looked at.
double CounterGrowth::Of(const MetricSample& sample) {
  const double value = sample.Value();
  if (std::isnan(value)) return 0;
  const auto [at, first] = known_.try_emplace(StrCat(sample.name, "{", sample.labels));
  Known& known = at->second;
  if (!first && known.reading == reading_) return known.grown;
  const Process process = processes_[ProcessOf(sample.labels)];
  if (known.seen_ms < 0) known.seen_ms = SteadyOf(restored_ms_);
  if (!first && process.age_ms >= steady_ms_ - known.seen_ms - kAgeErrorMs) {
    known.grown = value >= known.value ? value - known.value : value;
  } else {
    const bool all = !process.is_new || process.age_ms <= wall_ms_ - watching_since_ms_;
    known.grown = all ? value : 0;
  }
  known.changed = known.changed || first || known.value != value;
  known.value = value;
  known.seen_ms = steady_ms_;
  known.reading = reading_;
  return known.grown;
}

void CounterGrowth::End() {
  std::erase_if(known_, [this](const auto& one) {
    const bool gone = one.second.reading < reading_ - kForgetAfter || known_.size() > kKnownMax;
    if (gone) forgotten_.push_back(one.first);
    return gone;
  });
  std::erase_if(processes_, [this](const auto& one) {
    return one.second.seen_ms < steady_ms_ - kForgetProcessMs;
  });
}

void CounterGrowth::Restore(std::int64_t watching_since_ms, std::int64_t last_ms,
                            std::unordered_map<std::string, double> values) {
  known_.clear();
  processes_.clear();
  watching_since_ms_ = watching_since_ms;
  restored_ms_ = last_ms;
  for (const auto& [key, value] : values)
    known_.emplace(key, Known{.value = value, .seen_ms = -1, .reading = reading_});
}

std::vector<std::pair<std::string, double>> CounterGrowth::TakeChanged() {
  std::vector<std::pair<std::string, double>> changed;
  for (std::string& key : std::exchange(forgotten_, {}))
    changed.emplace_back(std::move(key), std::nan(""));
  for (auto& [key, known] : known_) {
    if (std::exchange(known.changed, false)) changed.emplace_back(key, known.value);
  }
  return changed;
}

void SliTerms::AddRatio(Term all, Term good) {
  all.total = 1;
  good.good = 1;
  terms_.push_back(std::move(all));
  terms_.push_back(std::move(good));
}

SliTerms::SliTerms(const SloObjective& objective) {
  const bool contracts = !objective.contracts.empty();
  const bool any = objective.indicator == SloIndicator::kFirstToken;
  const std::vector<std::string>& values = contracts ? objective.contracts : objective.routes;
  const std::string label = any ? "" : contracts ? "method" : "route";
  if (objective.indicator == SloIndicator::kAvailability) {
    const std::string all = contracts ? "tessera_call_seconds" : "tessera_http_requests_total";
    const std::string failed = contracts ? "tessera_call_errors_total" : all;
    terms_.push_back({.family = all,
                      .sample = contracts ? StrCat(all, "_count") : all,
                      .label = label,
                      .values = values,
                      .good = 1,
                      .total = 1});
    terms_.push_back({.family = failed,
                      .sample = failed,
                      .label = label,
                      .values = values,
                      .also = contracts ? "code" : "status",
                      .also_values = contracts ? FaultCodes() : std::vector<std::string>{"5xx"},
                      .good = -1});
  } else {
    const std::string family = any         ? "tessera_llm_first_token_seconds"
                               : contracts ? "tessera_call_seconds"
                                           : "tessera_http_seconds";
    const auto counted = CountedThreshold(objective.threshold);
    const double bound =
        counted.ok() ? static_cast<double>(counted->count()) * 1e-9 : 0;  // it was checked
    AddRatio(
        {.family = family, .sample = StrCat(family, "_count"), .label = label, .values = values},
        {.family = family,
         .sample = StrCat(family, "_bucket"),
         .label = label,
         .values = values,
         .also = "le",
         .also_values = {MetricNumber(bound)}});
  }
  for (const Term& term : terms_) {
    StrAppend(&fingerprint_, term.sample, " ", term.good, " ", term.total);
    for (const auto* list : {&term.values, &term.also_values})
      for (const std::string& value : *list) StrAppend(&fingerprint_, " ", value);
    fingerprint_ += '\n';
  }
}

bool SliTerms::Wants(std::string_view family) const {
  return std::ranges::any_of(terms_, [&](const Term& term) { return term.family == family; });
}

bool SliTerms::Fits(const Term& term, const MetricSample& sample) {
  if (sample.name != term.sample) return false;
  const auto is_one = [&sample](const std::string& label, const std::vector<std::string>& values,
                                bool or_below) {
    if (values.empty()) return true;
    const std::string value = LabelOf(sample.labels, label);
    return std::ranges::any_of(values, [&](const std::string& wanted) {
      return value == wanted || (or_below && value.starts_with(StrCat(wanted, ".")));
    });
  };
  return is_one(term.label, term.values, term.label == "method") &&
         is_one(term.also, term.also_values, false);
}

void SliTerms::Count(const MetricFamily& family, CounterGrowth& growth, SliSum& sum) const {
  for (const Term& term : terms_) {
    if (term.family != family.name) continue;
    for (const MetricSample& sample : family.samples) {
      if (!Fits(term, sample)) continue;
      const double grown = growth.Of(sample);
      sum.good += term.good * grown;
      sum.total += term.total * grown;
    }
  }
}

}  // namespace tessera
