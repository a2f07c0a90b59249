#pragma once
// How fast an error budget goes, and when that is worth an alert:
// https://sre.google/workbook/alerting-on-slos/, "Multiwindow, Multi-Burn-Rate Alerts".

#include <array>
#include <cstdint>
#include <string>

#include "monitoring/sli_history.h"

namespace tessera {

enum class AlertSeverity : std::uint8_t {
  kPage,   ///< somebody must look now
  kTicket  ///< somebody must look in the next days
};
std::string_view Name(AlertSeverity severity);

/// Both windows burn at least at that rate: the long one has cost a part of the budget, the short
/// one says that it goes on.
struct BurnRule {
  AlertSeverity severity;
  std::int64_t long_ms;
  std::int64_t short_ms;
  double rate;
};

/// Those of the workbook for a window of 30 days (14.4 over 1 h and 5 min, 6 over 6 h and 30 min;
/// 3 over 1 d and 2 h, 1 over 3 d and 6 h); for another one, their windows in proportion, at least
/// one minute and ten seconds.
std::array<BurnRule, 4> BurnRulesFor(std::int64_t window_ms);

struct BurnState {
  BurnRule rule;
  double long_rate = 0;  ///< 1 would use up the budget in exactly the objective's window
  double short_rate = 0;
  SliSum over_long;
  bool enough_data = false;
  bool burns = false;
};

/// Time that was not watched counts as time without failures: so a rule holds once the part of the
/// budget that it stands for is gone, on a young platform too. `allowed` is the share that may
/// fail.
BurnState JudgeBurn(const BurnRule& rule, const SliHistory& history, std::int64_t now_ms,
                    double allowed, double failures_min);

struct BudgetState {
  SliSum over;
  double left = 1;  ///< of 1; below 0: more than the budget is used up
  /// False as long as one failure would be more than the whole budget.
  bool enough_data = false;
};
BudgetState JudgeBudget(const SliHistory& history, std::int64_t now_ms, std::int64_t window_ms,
                        double allowed);

}  // namespace tessera
