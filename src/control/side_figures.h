#pragma once
// What the callers saw of the two sides of a shift, and whether the new one is worse.

#include <array>
#include <map>
#include <string>
#include <vector>

#include "control/topology_spec.h"
#include "telemetry/metrics.h"
#include "tessera/v1/group.pb.h"

namespace tessera {

/// Sums over all callers.
struct MethodSide {
  std::uint64_t calls = 0;
  std::uint64_t faults = 0;
  std::array<std::uint64_t, Histogram::kBuckets> buckets{};

  /// The q-th part of the calls took at most so many seconds; interpolated within a bucket.
  double Quantile(double q) const;
};
using SideFigures = std::map<std::string, MethodSide>;  // by method

void AddFigures(const v1::ClusterFigures& figures, SideFigures& to);
void Add(const SideFigures& figures, SideFigures& to);
/// `now` without what was there at `start`.
SideFigures Since(const SideFigures& start, const SideFigures& now);

/// OK, or ABORTED with the method, the figure and the limit that it breaks.
Status CheckNewSide(const SideFigures& old_side, const SideFigures& new_side,
                    const MoveSpec& limits);

}  // namespace tessera
