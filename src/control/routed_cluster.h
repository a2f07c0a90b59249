#pragma once
// A cluster's part of a service's calls, and how parts change step by step.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control/supervisor.h"

namespace tessera {

/// An instance and the process that it is in.
struct DeployedInstance {
  std::string name;
  PlatformProcessPtr process;
};

/// Instances of one service that share its calls. Another set of instances is another cluster,
/// unless one takes the place of one that died.
struct DeployedCluster {
  std::string name;
  std::string service;
  Placement placement;
  bool has_state = false;
  std::vector<DeployedInstance> instances;

  bool AnyDead() const;
  bool AllDead() const;
  bool Has(const std::string& instance) const;
  /// Null: it has none there.
  const DeployedInstance* In(const PlatformProcess& process) const;
};
using DeployedClusterPtr = std::shared_ptr<const DeployedCluster>;

/// A cluster and its part of the calls, in percent.
using RoutedCluster = std::pair<DeployedClusterPtr, std::uint32_t>;
using RoutedClusters = std::vector<RoutedCluster>;

/// 0 of one that is not there.
std::uint32_t WeightIn(const RoutedClusters& clusters, const DeployedClusterPtr& cluster);
bool IsIn(const RoutedClusters& clusters, const DeployedClusterPtr& cluster);
/// Null: none of them runs in processes of this kind.
DeployedClusterPtr FindSame(const RoutedClusters& clusters, const Placement& placement);
/// The one that has most of the calls; null when there is none.
DeployedClusterPtr Heaviest(const RoutedClusters& clusters);

/// So many percent of the way from `from` to `to`: all clusters of both, 100 percent in all.
RoutedClusters Between(const RoutedClusters& from, const RoutedClusters& to, std::uint32_t percent);

/// What a move compares. On trial are those that get more calls and had less than half of them
/// before; `before` are those that get less.
struct Trial {
  std::vector<DeployedClusterPtr> on_trial, before;
};
Trial TrialOf(const RoutedClusters& from, const RoutedClusters& to);

}  // namespace tessera
