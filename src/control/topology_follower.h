#pragma once
// Who follows a topology beside its processes.

#include "base/task.h"
#include "control/topology_spec.h"

namespace tessera {

/// Sets what a topology says of public routes and feature flags. Asked and told by the topology's
/// thread, one thing at a time.
class TopologyFollower {
 public:
  virtual ~TopologyFollower() = default;
  /// Whether it could follow; a topology that cannot be followed is refused before anything moves.
  /// Must be quick.
  virtual Status Check(const TopologySpec& wanted) = 0;
  /// The topology holds. `anew`: it was reached just now; else the platform came back to it.
  virtual Task<void> Reached(TopologySpec spec, bool anew) = 0;
};

}  // namespace tessera
