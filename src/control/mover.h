#pragma once
// A move: start, warm, shift, watch, drain, stop; or back.

#include <functional>
#include <map>
#include <vector>

#include "control/deployment.h"
#include "control/move_record.h"
#include "control/routed_cluster.h"

namespace tessera {

/// On the controller's executor.
class Mover {
 public:
  /// `commit` makes the wanted topology the one that a restart comes back to.
  Mover(Deployment& deployment, TopologySpec wanted, MoveRecordPtr record,
        std::function<Task<Status>()> commit)
      : deployment_(deployment),
        wanted_(std::move(wanted)),
        record_(std::move(record)),
        commit_(std::move(commit)) {}

  /// OK: the wanted topology serves. Else the reason, and the old one serves as before. `ctx`
  /// cancels it.
  Task<Status> GoOver(Ctx ctx);
  /// After GoOver: waits for what began on the side that was left, and ends that side.
  Task<void> RetireOthers(Ctx ctx);

  /// What is to be retired, for the process that goes on with the move.
  void Save(v1::ControlState& state) const;
  /// In that process, instead of GoOver: the new side has all calls from the return on.
  Task<void> GoOn(v1::ControlState state, std::map<std::string, DeployedClusterPtr> clusters);

 private:
  struct Shift {
    std::string service;
    RoutedClusters from, to;  // `from` is empty while the platform starts
    bool yielded = false;
  };
  using FiguresByCluster = std::map<DeployedClusterPtr, SideFigures>;

  Task<Status> StartVersions(Ctx ctx, Shift* shift, std::vector<PlacedVersion> versions);
  Task<Status> StartAll(Ctx ctx);
  Task<Status> ShiftGateway(Ctx ctx);
  Task<Status> WatchGateway(Ctx ctx, Duration time);
  Task<Status> WatchFor(Ctx ctx, Duration time, Task<Status> (Mover::*compare)(Ctx));
  Task<Status> CompareGateways(Ctx ctx);
  Task<Status> ShiftOne(Ctx ctx, Shift* shift);
  Task<Status> ShiftState(Ctx ctx, Shift* shift);
  Task<Status> ShiftWeights(Ctx ctx, Shift* shift, RoutedClusters from);
  Task<Status> Watch(Ctx ctx, Duration time);
  Task<Status> CompareSides(Ctx ctx);
  Task<void> BeginTrial(Ctx ctx, RoutedClusters from, RoutedClusters to);
  Task<void> GoBack(Ctx ctx);
  Task<void> ReturnState(Ctx ctx, Shift* shift);
  Status AllAlive() const;

  Deployment& deployment_;
  const TopologySpec wanted_;
  const MoveRecordPtr record_;
  const std::function<Task<Status>()> commit_;
  std::vector<Shift> shifts_;
  Trial trial_;  ///< of the service that is shifted now
  FiguresByCluster trial_start_;
  SideFigures old_edge_, new_edge_;  ///< when both began to accept connections
  bool moved_ = false;
  bool edge_opened_ = false;  ///< of the successor: clients may have connections to it
};

}  // namespace tessera
