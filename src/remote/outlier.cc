#include "remote/outlier.h"

#include <algorithm>
#include <cmath>

namespace tessera {

std::vector<std::size_t> SuccessRateOutliers(const std::vector<CallCounts>& counts,
                                             const OutlierConfig& config) {
  std::vector<std::size_t> outliers;
  if (config.deviation <= 0) return outliers;
  std::vector<double> rates(counts.size(), -1);
  double sum = 0;
  double squares = 0;
  double compared = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::uint64_t calls = counts[i].good + counts[i].bad;
    if (calls < config.calls_min) continue;
    rates[i] = static_cast<double>(counts[i].good) / static_cast<double>(calls);
    sum += rates[i];
    squares += rates[i] * rates[i];
    ++compared;
  }
  if (compared < 3) return outliers;
  const double mean = sum / compared;
  const double sigma = std::sqrt(std::max(0.0, squares / compared - mean * mean));
  // Of n endpoints one alone lies at most sqrt(n - 1) deviations off: with few, ask for less.
  const double deviation = std::min(config.deviation, 0.9 * std::sqrt(compared - 1));
  // Rates that differ by little are noise.
  const double floor = mean - std::max(deviation * sigma, 0.02);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    if (rates[i] >= 0 && rates[i] < floor) outliers.push_back(i);
  }
  return outliers;
}

void Ejection::Eject(SteadyTime now, const OutlierConfig& config) {
  times_ = std::min(times_ + 1, 1'000'000);
  ++total_;
  until_ = now + std::min(config.eject_for * times_, config.eject_for_max);
}

}  // namespace tessera
