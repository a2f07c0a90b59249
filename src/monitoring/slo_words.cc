#include "monitoring/slo_words.h"

#include <cstdio>

#include "base/str.h"
#include "config/units.h"

namespace tessera {
namespace {

std::string Percent(double share) { return StrCat(ShortNumber(share * 100, 2), " %"); }

std::string_view EventsOf(const SloObjective& objective) {
  if (objective.indicator == SloIndicator::kFirstToken) return "answers";
  return objective.contracts.empty() ? "requests" : "calls";
}

std::string_view FailedOf(const SloObjective& objective) {
  return objective.indicator == SloIndicator::kAvailability ? "failed" : "were too slow";
}

}  // namespace

std::string ShortNumber(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  std::string number = text;
  if (number.find('.') != std::string::npos) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
  }
  return number == "-0" ? "0" : number;
}

std::string WindowText(std::int64_t length_ms) { return FormatDuration(length_ms * 1'000'000); }

std::string AlertText(const SloObjective& objective, const BurnState& burn) {
  return StrCat(
      Percent(burn.over_long.failed() / burn.over_long.total), " of ",
      ShortNumber(burn.over_long.total, 0), " ", EventsOf(objective), " ", FailedOf(objective),
      " in ", WindowText(burn.rule.long_ms), "; ", Percent(objective.allowed()),
      " may: the error budget goes ", ShortNumber(burn.long_rate, 1), " times too fast, ",
      ShortNumber(burn.short_rate, 1), " times in the last ", WindowText(burn.rule.short_ms));
}

v1::SloState StateOf(const BudgetState& budget, bool alert) {
  if (budget.enough_data && budget.left < 0) return v1::SLO_STATE_MISSED;
  if (alert) return v1::SLO_STATE_BURNING;
  return budget.enough_data ? v1::SLO_STATE_MET : v1::SLO_STATE_NOT_ENOUGH_DATA;
}

std::string ReasonOf(const SloObjective& objective, const BudgetState& budget, v1::SloState state) {
  const std::string all = StrCat(ShortNumber(budget.over.total, 0), " ", EventsOf(objective));
  if (budget.over.total <= 0) return StrCat("no ", EventsOf(objective), " yet");
  const std::string failed =
      StrCat(ShortNumber(budget.over.failed(), 0), " of ", all, " ", FailedOf(objective));
  if (!budget.enough_data)
    return StrCat(failed, "; too few for a budget: ", Percent(objective.allowed()),
                  " of them is less than one");
  if (state == v1::SLO_STATE_MISSED)
    return StrCat(failed, ", ", ShortNumber(1 - budget.left, 1), " times what may");
  return StrCat(failed, ", ", Percent(budget.left), " of the error budget is left");
}

}  // namespace tessera
