#pragma once
// What is said of objectives to people.

#include <string>

#include "monitoring/burn_rate.h"
#include "monitoring/slo_config.h"
#include "tessera/v1/monitoring.pb.h"

namespace tessera {

/// "99.5", "0.25", "1,234" …: at most `digits` behind the point, none that are zero.
std::string ShortNumber(double value, int digits);
/// "1h", "30d", "10m": of a window.
std::string WindowText(std::int64_t length_ms);
/// Why an alert fires.
std::string AlertText(const SloObjective& objective, const BurnState& burn);
v1::SloState StateOf(const BudgetState& budget, bool alert);
std::string ReasonOf(const SloObjective& objective, const BudgetState& budget, v1::SloState state);

}  // namespace tessera
