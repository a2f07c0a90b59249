#include "control/mover.h"

#include <algorithm>

#include "base/str.h"
#include "control/topology_plan.h"
#include "runtime/timer.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(50);
constexpr Duration kEdgeTimeout = std::chrono::seconds(5);

Task<Status> Accept(Ctx ctx, Succession* gateway, bool accepts) {
  v1::AcceptConnectionsRequest request;
  request.set_accepts(accepts);
  const auto done =
      co_await gateway->AcceptConnections(ctx.WithTimeout(kEdgeTimeout), std::move(request));
  co_return done.status();
}

Task<Result<SideFigures>> EdgeFigures(Ctx ctx, Succession* gateway) {
  v1::ClusterFigures figures;
  CO_TRY(*figures.add_methods(), co_await gateway->GetEdgeFigures(ctx.WithTimeout(kEdgeTimeout),
                                                                  v1::GetEdgeFiguresRequest()));
  SideFigures side;
  AddFigures(figures, side);
  co_return side;
}

bool IsWhole(const DeployedClusterPtr& cluster, const Placement& placement) {
  return !cluster->AnyDead() &&
         (placement.in_root || cluster->instances.size() == placement.spec.replicas);
}

// Whether calls go where they are to go already.
bool IsAsWanted(const RoutedClusters& now, const std::vector<PlacedVersion>& wanted) {
  if (now.size() != wanted.size()) return false;
  for (const PlacedVersion& version : wanted) {
    const DeployedClusterPtr same = FindSame(now, version.placement);
    if (!same || !IsWhole(same, version.placement) || WeightIn(now, same) != version.weight)
      return false;
  }
  return true;
}

std::string Text(const RoutedClusters& clusters) {
  std::string text;
  for (const auto& [cluster, weight] : clusters)
    StrAppend(&text, text.empty() ? "" : ", ", weight, " % to ", cluster->name);
  return text;
}

}  // namespace

Status Mover::AllAlive() const {
  for (const PlatformProcessPtr& process : deployment_.processes()) {
    if (process->dead)
      return absl::AbortedError(StrCat("the process ", process->name, " ended during the move"));
  }
  return absl::OkStatus();
}

Task<Status> Mover::GoOver(Ctx ctx) {
  Status status = co_await StartAll(ctx);
  if (status.ok()) record_->Enter(v1::MOVE_STATE_SHIFTING);
  for (Shift& shift : shifts_) {
    if (!status.ok()) break;
    status = co_await ShiftOne(ctx, &shift);
    if (status.ok()) record_->StepDone();
  }
  if (status.ok()) status = co_await ShiftGateway(ctx);
  if (status.ok()) status = AllAlive();
  if (status.ok()) status = co_await commit_();
  if (!status.ok()) {
    record_->Enter(v1::MOVE_STATE_ROLLING_BACK);
    record_->Say(StrCat("rolling back: ", status.message()));
    co_await GoBack(SystemCtx());
    co_return status;
  }
  moved_ = true;
  for (Shift& shift : shifts_) co_await deployment_.Route(shift.service, shift.to);
  co_return status;
}

// The listening sockets are shared, so a connection that comes at any moment is taken by one of
// the two; those that stand stay where they are.
Task<Status> Mover::ShiftGateway(Ctx ctx) {
  const PlatformProcessPtr successor = deployment_.successor();
  if (!successor) co_return absl::OkStatus();
  Succession* const old_side = deployment_.root().succession;
  CO_TRY(old_edge_, co_await EdgeFigures(ctx, old_side));
  CO_TRY(new_edge_, co_await EdgeFigures(ctx, successor->succession));
  record_->Say("both gateways accept connections");
  edge_opened_ = true;
  CO_TRY(co_await Accept(ctx, successor->succession, true));
  CO_TRY(co_await WatchGateway(ctx, wanted_.move.step_time));
  record_->Say("the new gateway accepts all connections");
  CO_TRY(co_await Accept(ctx, old_side, false));
  CO_TRY(co_await WatchGateway(ctx, wanted_.move.step_time));
  record_->StepDone();
  record_->Say("handing over the control of the platform");
  co_return absl::OkStatus();
}

Task<Status> Mover::WatchGateway(Ctx ctx, Duration time) {
  return WatchFor(std::move(ctx), time, &Mover::CompareGateways);
}

Task<Status> Mover::CompareGateways(Ctx ctx) {
  const PlatformProcessPtr successor = deployment_.successor();
  CO_TRY(SideFigures from, co_await EdgeFigures(ctx, deployment_.root().succession));
  CO_TRY(SideFigures to, co_await EdgeFigures(ctx, successor->succession));
  co_return CheckNewSide(Since(old_edge_, from), Since(new_edge_, to), wanted_.move);
}

// Once at least, and at the end of `time`.
Task<Status> Mover::WatchFor(Ctx ctx, Duration time, Task<Status> (Mover::*compare)(Ctx)) {
  const SteadyTime end = Now() + time;
  while (true) {
    const Duration left = end - Now();
    if (left > Duration::zero()) CO_TRY(co_await SleepFor(ctx, std::min(left, kLook)));
    CO_TRY(ctx.Check());
    CO_TRY(AllAlive());
    CO_TRY(co_await (this->*compare)(ctx));
    if (left <= Duration::zero()) co_return absl::OkStatus();
  }
}

Task<Status> Mover::StartAll(Ctx ctx) {
  const Placement gateway = PlacementOf(wanted_, std::string(kGateway));
  if (!deployment_.root().placement.SameProcessesAs(gateway)) {
    record_->Say(StrCat("starting the gateway in ", gateway.ToString()));
    CO_TRY(
        co_await deployment_.StartSuccessor(ctx.WithTimeout(wanted_.move.start_timeout), gateway));
  }
  for (const std::string& service : ServicesInOrder()) {
    if (service == kGateway) continue;
    std::vector<PlacedVersion> versions = VersionsOf(wanted_, service);
    RoutedClusters from = deployment_.Routed(service);
    if (IsAsWanted(from, versions)) continue;
    shifts_.push_back({.service = service, .from = std::move(from), .to = {}});
    CO_TRY(co_await StartVersions(ctx, &shifts_.back(), std::move(versions)));
  }
  co_return absl::OkStatus();
}

// Those that are there stay.
Task<Status> Mover::StartVersions(Ctx ctx, Shift* shift, std::vector<PlacedVersion> versions) {
  for (const PlacedVersion& version : versions) {
    const Placement& placement = version.placement;
    DeployedClusterPtr same = FindSame(shift->from, placement);
    if (!same || !IsWhole(same, placement)) {
      record_->Say(StrCat("starting ", shift->service, " in ", placement.ToString()));
      CO_TRY(same, co_await deployment_.Start(ctx.WithTimeout(wanted_.move.start_timeout),
                                              shift->service, placement, same));
    }
    shift->to.emplace_back(std::move(same), version.weight);
    CO_TRY(AllAlive());
  }
  if (!shift->from.empty()) co_return absl::OkStatus();
  // The platform starts: those that call it come after it.
  for (const auto& [cluster, weight] : shift->to)
    CO_TRY(co_await deployment_.Activate(ctx, cluster));
  co_await deployment_.Route(shift->service, shift->to);
  co_return AllAlive();
}

Task<Status> Mover::ShiftOne(Ctx ctx, Shift* shift) {
  if (shift->from.empty()) co_return absl::OkStatus();
  // More or fewer of the same take the place of what they are more or fewer of at once: there is
  // nothing to compare.
  RoutedClusters from = shift->from;
  for (auto& [cluster, weight] : from) {
    const DeployedClusterPtr same = FindSame(shift->to, cluster->placement);
    if (!same || same == cluster) continue;
    CO_TRY(co_await deployment_.Activate(ctx, same));
    cluster = same;
  }
  co_await deployment_.Route(shift->service, Between(from, shift->to, 0));
  const RoutedClusters to = Between(from, shift->to, 100);
  if (to == from) co_return absl::OkStatus();
  co_await BeginTrial(ctx, from, to);
  if (shift->to.front().first->has_state) co_return co_await ShiftState(ctx, shift);
  co_return co_await ShiftWeights(ctx, shift, std::move(from));
}

// One writes at a time: all calls go over at once.
Task<Status> Mover::ShiftState(Ctx ctx, Shift* shift) {
  const DeployedClusterPtr from = shift->from.front().first, to = shift->to.front().first;
  if (wanted_.move.steps.front() == 0) CO_TRY(co_await Watch(ctx, wanted_.move.step_time));
  record_->Say(StrCat("handing over what ", shift->service, " has written"));
  shift->yielded = true;
  CO_TRY(co_await deployment_.Yield(ctx, from));
  CO_TRY(co_await deployment_.Activate(ctx, to));
  co_await deployment_.Route(shift->service, Between(shift->from, shift->to, 100));
  CO_TRY(co_await deployment_.Forward(ctx, from));
  record_->Say(StrCat("watching ", shift->service));
  co_return co_await Watch(ctx, wanted_.move.step_time);
}

Task<Status> Mover::ShiftWeights(Ctx ctx, Shift* shift, RoutedClusters from) {
  const bool one_for_one = shift->from.size() == 1 && shift->to.size() == 1;
  for (const std::uint32_t percent : wanted_.move.steps) {
    RoutedClusters now = Between(from, shift->to, percent);
    record_->Say(one_for_one ? StrCat(percent, " % of the calls of ", shift->service, " go to ",
                                      shift->to.front().first->name)
                             : StrCat("the calls of ", shift->service, " go ", Text(now)));
    co_await deployment_.Route(shift->service, std::move(now));
    CO_TRY(co_await Watch(ctx, wanted_.move.step_time));
  }
  co_return absl::OkStatus();
}

Task<void> Mover::BeginTrial(Ctx ctx, RoutedClusters from, RoutedClusters to) {
  trial_ = TrialOf(from, to);
  trial_start_.clear();
  for (const DeployedClusterPtr& cluster : trial_.before)
    trial_start_[cluster] = co_await deployment_.Figures(ctx, cluster);
  for (const DeployedClusterPtr& cluster : trial_.on_trial)
    trial_start_[cluster] = co_await deployment_.Figures(ctx, cluster);
}

Task<Status> Mover::Watch(Ctx ctx, Duration time) {
  return WatchFor(std::move(ctx), time, &Mover::CompareSides);
}

Task<Status> Mover::CompareSides(Ctx ctx) {
  SideFigures before;
  for (const DeployedClusterPtr& cluster : trial_.before)
    Add(Since(trial_start_[cluster], co_await deployment_.Figures(ctx, cluster)), before);
  for (const DeployedClusterPtr& cluster : trial_.on_trial) {
    const SideFigures now = co_await deployment_.Figures(ctx, cluster);
    CO_TRY(CheckNewSide(before, Since(trial_start_[cluster], now), wanted_.move));
  }
  co_return absl::OkStatus();
}

Task<void> Mover::GoBack(Ctx ctx) {
  if (edge_opened_) {
    const Status accepts = co_await Accept(ctx, deployment_.root().succession, true);
    if (!accepts.ok())
      Log(LogLevel::kError, "the gateway does not accept connections again",
          {{"reason", accepts.ToString()}});
  }
  for (auto shift = shifts_.rbegin(); shift != shifts_.rend(); ++shift) {
    if (shift->from.empty()) continue;
    if (shift->yielded) {
      co_await ReturnState(ctx, &*shift);
    } else {
      co_await deployment_.Route(shift->service, shift->from);
    }
  }
}

// The instance that yielded takes the writing back; where it cannot, a new one in its place.
Task<void> Mover::ReturnState(Ctx ctx, Shift* shift) {
  DeployedClusterPtr& from = shift->from.front().first;
  const DeployedClusterPtr to = shift->to.front().first;
  const bool alive = !to->AnyDead();
  if (alive) {
    const Status yielded = co_await deployment_.Yield(ctx, to);
    if (!yielded.ok())
      Log(LogLevel::kWarning, "the new instance does not yield; its lease is taken from it",
          {{"service", shift->service}, {"reason", yielded.ToString()}});
  }
  Status activated = absl::UnavailableError("the old instance has ended");
  if (!from->AnyDead()) activated = co_await deployment_.Activate(ctx, from);
  if (!activated.ok()) {
    const Result<DeployedClusterPtr> mended =
        co_await deployment_.Mend(ctx.WithTimeout(wanted_.move.start_timeout), from);
    if (mended.ok()) activated = co_await deployment_.Activate(ctx, *mended);
    if (activated.ok()) {
      from = *mended;
    } else {
      Log(LogLevel::kError, "nobody has the state of a service; it will be started again",
          {{"service", shift->service}, {"reason", activated.ToString()}});
    }
  }
  co_await deployment_.Route(shift->service, shift->from);
  if (alive) const Status ignored = co_await deployment_.Forward(ctx, to);
}

void Mover::Save(v1::ControlState& state) const {
  for (const Shift& shift : shifts_) {
    if (shift.from.empty()) continue;
    v1::ShiftState& row = *state.add_shifts();
    for (const auto& [cluster, weight] : shift.from) {
      Deployment::AddCluster(cluster, state);
      if (!IsIn(shift.to, cluster)) row.add_gone(cluster->name);
    }
    for (const auto& [cluster, weight] : shift.to) {
      Deployment::AddCluster(cluster, state);
      row.add_stays(cluster->name);
      row.add_weights(weight);
    }
  }
}

Task<void> Mover::GoOn(v1::ControlState state, std::map<std::string, DeployedClusterPtr> clusters) {
  moved_ = true;
  for (const v1::ShiftState& row : state.shifts()) {
    Shift shift;
    for (const std::string& name : row.gone()) {
      if (clusters[name]) shift.from.emplace_back(clusters[name], 0);
    }
    for (int i = 0; i < row.stays_size(); ++i) {
      // Before there were versions, one cluster had all calls.
      const std::uint32_t weight = i < row.weights_size() ? row.weights(i) : 100;
      if (clusters[row.stays(i)]) shift.to.emplace_back(clusters[row.stays(i)], weight);
    }
    if (shift.to.empty()) continue;
    shift.service = shift.to.front().first->service;
    co_await deployment_.Route(shift.service, shift.to);
    shifts_.push_back(std::move(shift));
  }
}

// What waits in a cluster that goes finds those that are like it, or those that most calls go to.
Task<void> Mover::RetireOthers(Ctx ctx) {
  for (auto shift = shifts_.rbegin(); shift != shifts_.rend(); ++shift) {
    const RoutedClusters& goes = moved_ ? shift->from : shift->to;
    const RoutedClusters& stays = moved_ ? shift->to : shift->from;
    for (const auto& [gone, weight] : goes) {
      if (IsIn(stays, gone)) continue;
      const DeployedClusterPtr same = FindSame(stays, gone->placement);
      record_->Say(StrCat("calls inside ", gone->name, " finish"));
      co_await deployment_.Retire(ctx, gone, same ? same : Heaviest(stays),
                                  wanted_.move.drain_timeout);
    }
  }
  if (moved_ || !deployment_.successor()) co_return;
  record_->Say("requests of the gateway that is not wanted finish");
  co_await deployment_.DismissSuccessor(ctx, wanted_.move.drain_timeout);
}

}  // namespace tessera
