#pragma once
// What runs now: processes, instances and routes, and the verbs that change them.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/routed_cluster.h"
#include "control/side_figures.h"
#include "control/supervisor.h"

namespace tessera {

/// All of it on the controller's executor, which has one thread: between two awaits nothing
/// changes.
class Deployment {
 public:
  /// `root`: the process that was started, without a supervisor.
  /// Until Settled, instances are the first of the platform's life.
  Deployment(PlatformProcessPtr root, Supervisor& supervisor)
      : root_(std::move(root)), supervisor_(supervisor), processes_{root_} {}

  void Settled() { first_ = false; }
  /// Every process refuses and cuts them from the return on.
  Task<void> Revoke(RevokedSpec revoked);
  const std::vector<PlatformProcessPtr>& processes() const { return processes_; }
  /// The process with the edge, which this is; and the one that is to take its place, or null.
  PlatformProcess& root() { return *root_; }
  const PlatformProcessPtr& successor() const { return successor_; }
  /// Starts the process that instances of the placement, the gateway's group, will be in.
  Task<Status> StartSuccessor(Ctx ctx, Placement placement);
  /// Ends the successor when its edge has no connection any more; after `limit` they are cut.
  Task<void> DismissSuccessor(Ctx ctx, std::chrono::milliseconds limit);

  /// All that the successor has to know to go on.
  void Save(v1::ControlState& state) const;
  /// The successor is the controller: nothing is told to anybody from here any more.
  void Leave();
  /// As the predecessor saved it; `processes` are those besides this one. The clusters by name.
  Result<std::map<std::string, DeployedClusterPtr>> Restore(
      const v1::ControlState& state, std::vector<PlatformProcessPtr> processes);
  static void AddCluster(const DeployedClusterPtr& cluster, v1::ControlState& state);
  /// Versions of routes that a successor may have told already are told no more.
  void SkipVersions();
  const std::map<std::string, RoutedClusters>& routes() const { return routes_; }
  v1::SetRoutesRequest RoutesMessage() const;
  /// What the calls of a service go to: one cluster, or one for each version; empty before the
  /// first.
  RoutedClusters Routed(const std::string& service) const;

  /// Instances of `service` where `placement` says, in processes that are there or are started for
  /// it. Instances of `reuse` are taken over where their processes are the right ones.
  Task<Result<DeployedClusterPtr>> Start(Ctx ctx, std::string service, Placement placement,
                                         DeployedClusterPtr reuse);
  /// `broken`, with new instances in place of those that died: under its name, so that calls that
  /// wait in it go on once it is routed.
  Task<Result<DeployedClusterPtr>> Mend(Ctx ctx, DeployedClusterPtr broken);
  /// Makes the one that writes of a cluster with state.
  Task<Status> Activate(Ctx ctx, DeployedClusterPtr cluster);
  Task<Status> Yield(Ctx ctx, DeployedClusterPtr cluster);
  Task<Status> Forward(Ctx ctx, DeployedClusterPtr cluster);

  /// From the return on, calls that begin in any process follow the new routes. A process that
  /// cannot be told is killed, and comes back with them.
  Task<void> Route(std::string service, RoutedClusters clusters);
  /// The same with `next` instead of `last`, and its part of the calls.
  Task<void> RouteInstead(DeployedClusterPtr last, DeployedClusterPtr next);
  /// Tells the routes again: a version whose processes have all ended leaves its calls to the
  /// others until it is back.
  Task<void> PushRoutesToAll();

  /// From the return on, every process evaluates by these flags, those that start later too. A
  /// process that cannot be told is killed, and comes back with them.
  Task<void> SetFlags(v1::SetFlagsRequest flags);

  /// Waits until the calls inside `cluster` have ended, ends its instances but those that
  /// `survivor` has too, and the processes that have none left.
  Task<void> Retire(Ctx ctx, DeployedClusterPtr cluster, DeployedClusterPtr survivor,
                    std::chrono::milliseconds limit);

  /// What all callers have seen of a cluster.
  Task<SideFigures> Figures(Ctx ctx, DeployedClusterPtr cluster);

  /// Forgets a process that has ended.
  void Remove(const PlatformProcessPtr& process);
  /// Ends all children: first those whose services call others.
  Task<void> StopChildren(Ctx ctx);

 private:
  using InstanceVerb = Task<Result<v1::ServiceInstance>> (Group::*)(Ctx, v1::InstanceRequest);

  Task<Result<DeployedClusterPtr>> StartNamed(Ctx ctx, std::string name, std::string service,
                                              Placement placement, DeployedClusterPtr reuse);
  // What it has started stands in `cluster` and `touched`, also when it fails.
  Task<Status> StartInto(Ctx ctx, std::shared_ptr<DeployedCluster> cluster,
                         DeployedClusterPtr reuse,
                         std::shared_ptr<std::vector<PlatformProcessPtr>> touched);
  Task<void> StopIdle(Ctx ctx, std::vector<PlatformProcessPtr> processes);
  Task<Status> Each(Ctx ctx, DeployedClusterPtr cluster, InstanceVerb verb);
  Task<Result<PlatformProcessPtr>> EnsureProcess(Ctx ctx, Placement placement,
                                                 std::uint32_t replica);
  Task<Status> PushRoutes(PlatformProcessPtr process);
  void FillRoute(const RoutedClusters& clusters, v1::ServiceRoute& route) const;
  void FillRules(v1::SetRoutesRequest& request) const;
  Task<Status> PushFlags(PlatformProcessPtr process);
  using Push = Task<Status> (Deployment::*)(PlatformProcessPtr);
  Task<void> PushToAll(Push push, std::string_view what);
  Task<void> StopInstance(Ctx ctx, DeployedInstance instance, std::chrono::milliseconds limit);

  const PlatformProcessPtr root_;
  PlatformProcessPtr successor_;
  bool left_ = false;
  Supervisor& supervisor_;
  std::vector<PlatformProcessPtr> processes_;
  struct StartedInstance {
    std::string service, name;
  };
  std::multimap<const PlatformProcess*, StartedInstance> instances_;
  std::map<std::string, RoutedClusters> routes_;
  RevokedSpec revoked_;
  bool first_ = true;
  std::uint64_t routes_version_ = 0;
  v1::SetFlagsRequest flags_;
  std::uint64_t next_instance_ = 0;
  std::uint64_t next_cluster_ = 0;
};

}  // namespace tessera
