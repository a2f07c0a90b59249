#include "control/routed_cluster.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr std::uint32_t kWhole = 100;
constexpr std::uint32_t kHalf = 50;

}  // namespace

bool DeployedCluster::AnyDead() const {
  return std::any_of(instances.begin(), instances.end(),
                     [](const DeployedInstance& one) { return one.process->dead.load(); });
}

bool DeployedCluster::AllDead() const {
  return std::all_of(instances.begin(), instances.end(),
                     [](const DeployedInstance& one) { return one.process->dead.load(); });
}

bool DeployedCluster::Has(const std::string& instance) const {
  return std::any_of(instances.begin(), instances.end(),
                     [&](const DeployedInstance& one) { return one.name == instance; });
}

const DeployedInstance* DeployedCluster::In(const PlatformProcess& process) const {
  for (const DeployedInstance& one : instances) {
    if (one.process.get() == &process) return &one;
  }
  return nullptr;
}

std::uint32_t WeightIn(const RoutedClusters& clusters, const DeployedClusterPtr& cluster) {
  for (const auto& [one, weight] : clusters) {
    if (one == cluster) return weight;
  }
  return 0;
}

bool IsIn(const RoutedClusters& clusters, const DeployedClusterPtr& cluster) {
  return std::any_of(clusters.begin(), clusters.end(),
                     [&](const RoutedCluster& one) { return one.first == cluster; });
}

DeployedClusterPtr FindSame(const RoutedClusters& clusters, const Placement& placement) {
  for (const auto& [cluster, weight] : clusters) {
    if (cluster->placement.SameProcessesAs(placement)) return cluster;
  }
  return nullptr;
}

DeployedClusterPtr Heaviest(const RoutedClusters& clusters) {
  const auto found = std::max_element(
      clusters.begin(), clusters.end(),
      [](const RoutedCluster& a, const RoutedCluster& b) { return a.second < b.second; });
  return found == clusters.end() ? nullptr : found->first;
}

// What rounding leaves over goes to the heaviest.
RoutedClusters Between(const RoutedClusters& from, const RoutedClusters& to,
                       std::uint32_t percent) {
  RoutedClusters mixed = from;
  for (const RoutedCluster& one : to) {
    if (!IsIn(from, one.first)) mixed.emplace_back(one.first, 0);
  }
  std::uint32_t sum = 0;
  for (auto& [cluster, weight] : mixed) {
    weight =
        (WeightIn(from, cluster) * (kWhole - percent) + WeightIn(to, cluster) * percent) / kWhole;
    sum += weight;
  }
  const DeployedClusterPtr heaviest = Heaviest(mixed);
  for (auto& [cluster, weight] : mixed) {
    if (cluster == heaviest) weight += kWhole - sum;
  }
  return mixed;
}

Trial TrialOf(const RoutedClusters& from, const RoutedClusters& to) {
  Trial trial;
  for (const auto& [cluster, weight] : Between(from, to, kWhole)) {
    const std::uint32_t before = WeightIn(from, cluster);
    if (weight > before && before < kHalf) trial.on_trial.push_back(cluster);
    if (weight < before) trial.before.push_back(cluster);
  }
  return trial;
}

}  // namespace tessera
