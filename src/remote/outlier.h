#pragma once
// Endpoints that fail more than their peers are left out for a while.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "remote/mesh_config.h"

namespace tessera {

/// How an endpoint's calls ended within a period.
struct CallCounts {
  std::uint64_t good = 0;
  std::uint64_t bad = 0;
};

/// The places of those whose success rate lies too far below the mean of all that had enough calls.
/// None when fewer than three can be compared.
std::vector<std::size_t> SuccessRateOutliers(const std::vector<CallCounts>& counts,
                                             const OutlierConfig& config);

/// The ejections of one endpoint. Under its owner's lock.
class Ejection {
 public:
  /// Out for longer each time.
  void Eject(SteadyTime now, const OutlierConfig& config);
  bool ejected(SteadyTime now) const { return now < until_; }
  SteadyTime until() const { return until_; }
  /// After a period without an ejection.
  void Forgive() {
    if (times_ > 0) --times_;
  }
  void Clear() {
    until_ = SteadyTime::min();
    times_ = 0;
  }
  std::uint64_t total() const { return total_; }

 private:
  SteadyTime until_ = SteadyTime::min();
  int times_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace tessera
