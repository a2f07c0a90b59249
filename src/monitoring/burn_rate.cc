#include "monitoring/burn_rate.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kDayMs = 24 * kHourMs;
constexpr std::int64_t kWorkbookWindowMs = 30 * kDayMs;
constexpr std::int64_t kLongMinMs = kMinuteMs;
constexpr std::int64_t kShortMinMs = 10'000;

constexpr std::array<BurnRule, 4> kWorkbook = {
    {{AlertSeverity::kPage, kHourMs, 5 * kMinuteMs, 14.4},
     {AlertSeverity::kPage, 6 * kHourMs, 30 * kMinuteMs, 6},
     {AlertSeverity::kTicket, kDayMs, 2 * kHourMs, 3},
     {AlertSeverity::kTicket, 3 * kDayMs, 6 * kHourMs, 1}}};

double Rate(const SliSum& sum, std::int64_t length_ms, double allowed) {
  if (sum.total <= 0) return 0;
  const double seen = static_cast<double>(sum.seen_ms) / static_cast<double>(length_ms);
  return sum.failed() / sum.total / allowed * seen;
}

}  // namespace

std::string_view Name(AlertSeverity severity) {
  return severity == AlertSeverity::kPage ? "page" : "ticket";
}

std::array<BurnRule, 4> BurnRulesFor(std::int64_t window_ms) {
  std::array<BurnRule, 4> rules = kWorkbook;
  const double scale = static_cast<double>(window_ms) / static_cast<double>(kWorkbookWindowMs);
  const auto scaled = [scale](std::int64_t length) {
    return static_cast<std::int64_t>(static_cast<double>(length) * scale);
  };
  for (BurnRule& rule : rules) {
    rule.long_ms = std::max(scaled(rule.long_ms), kLongMinMs);
    rule.short_ms = std::max(scaled(rule.short_ms), kShortMinMs);
  }
  return rules;
}

BurnState JudgeBurn(const BurnRule& rule, const SliHistory& history, std::int64_t now_ms,
                    double allowed, double failures_min) {
  BurnState state{.rule = rule, .over_long = history.Over(now_ms, rule.long_ms)};
  const SliSum over_short = history.Over(now_ms, rule.short_ms);
  state.long_rate = Rate(state.over_long, rule.long_ms, allowed);
  state.short_rate = Rate(over_short, rule.short_ms, allowed);
  state.enough_data = state.over_long.total > 0 && state.over_long.seen_ms >= rule.short_ms;
  state.burns = state.long_rate >= rule.rate && state.short_rate >= rule.rate &&
                state.over_long.failed() >= failures_min;
  return state;
}

BudgetState JudgeBudget(const SliHistory& history, std::int64_t now_ms, std::int64_t window_ms,
                        double allowed) {
  BudgetState state{.over = history.Over(now_ms, window_ms)};
  const double budget = state.over.total * allowed;
  // A little less than one: 0.005 has no exact double.
  state.enough_data = budget >= 0.999;
  if (budget > 0) state.left = 1 - state.over.failed() / budget;
  return state;
}

}  // namespace tessera
