#pragma once
// The way from one topology to another, one step a service.

#include <string>
#include <vector>

#include "control/topology_spec.h"
#include "tessera/v1/topology.pb.h"

namespace tessera {

/// Where a service runs: in which processes.
struct Placement {
  bool in_root = false;  ///< the process with the edge
  std::string group;
  GroupSpec spec;

  /// Processes of one kind serve both: nothing moves, though their number may change.
  bool SameProcessesAs(const Placement& other) const;
  /// "2 processes of the group inference"
  std::string ToString() const;
};

/// One version of a service, and its part of the calls.
struct PlacedVersion {
  Placement placement;
  std::uint32_t weight = 100;  ///< percent
};

/// Of a service with one version; of others, the first.
Placement PlacementOf(const TopologySpec& spec, const std::string& service);
/// The versions of a service, by the names of their groups.
std::vector<PlacedVersion> VersionsOf(const TopologySpec& spec, const std::string& service);

/// Empty when nothing would change.
Result<std::vector<v1::PlanStep>> PlanChange(const TopologySpec& now, const TopologySpec& wanted);

}  // namespace tessera
