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

std::vector<RoutedCluster> Both(const DeployedClusterPtr& from, const DeployedClusterPtr& to,
                                std::uint32_t percent) {
  return {{from, 100 - percent}, {to, percent}};
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
  for (Shift& shift : shifts_) co_await deployment_.Route(shift.service, {{shift.to, 100}});
  co_return status;
}

// The listening sockets are shared, so a connection that comes at any moment is taken by one of
// the two; those that stand stay where they are.
Task<Status> Mover::ShiftGateway(Ctx ctx) {
  const PlatformProcessPtr successor = deployment_.successor();
  if (!successor) co_return absl::OkStatus();
  Succession* const old_side = deployment_.root().succession;
  CO_TRY(from_start_, co_await EdgeFigures(ctx, old_side));
  CO_TRY(to_start_, co_await EdgeFigures(ctx, successor->succession));
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
  const PlatformProcessPtr successor = deployment_.successor();
  const SteadyTime end = Now() + time;
  while (true) {
    const Duration left = end - Now();
    if (left > Duration::zero()) CO_TRY(co_await SleepFor(ctx, std::min(left, kLook)));
    CO_TRY(ctx.Check());
    CO_TRY(AllAlive());
    CO_TRY(SideFigures from, co_await EdgeFigures(ctx, deployment_.root().succession));
    CO_TRY(SideFigures to, co_await EdgeFigures(ctx, successor->succession));
    CO_TRY(CheckNewSide(Since(from_start_, from), Since(to_start_, to), wanted_.move));
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
    const Placement placement = PlacementOf(wanted_, service);
    const DeployedClusterPtr from = deployment_.ActiveCluster(service);
    const bool same = from && from->placement.SameProcessesAs(placement);
    if (same && !from->AnyDead() &&
        (placement.in_root || from->instances.size() == placement.spec.replicas))
      continue;
    record_->Say(StrCat("starting ", service, " in ", placement.ToString()));
    Result<DeployedClusterPtr> to = co_await deployment_.Start(
        ctx.WithTimeout(wanted_.move.start_timeout), service, placement, same ? from : nullptr);
    if (!to.ok()) co_return to.status();
    if (!from) {  // the platform starts: those that call it come after it
      CO_TRY(co_await deployment_.Activate(ctx, *to));
      co_await deployment_.Route(service, {{*to, 100}});
    }
    shifts_.push_back(
        {.service = service, .from = from, .to = *std::move(to), .same_version = same});
    CO_TRY(AllAlive());
  }
  co_return absl::OkStatus();
}

Task<Status> Mover::ShiftOne(Ctx ctx, Shift* shift) {
  if (!shift->from) co_return absl::OkStatus();
  if (shift->same_version) {
    CO_TRY(co_await deployment_.Activate(ctx, shift->to));
    co_await deployment_.Route(shift->service, {{shift->to, 100}});
    co_return absl::OkStatus();
  }
  co_await deployment_.Route(shift->service, Both(shift->from, shift->to, 0));
  from_start_ = co_await deployment_.Figures(ctx, shift->from);
  to_start_ = SideFigures();
  if (shift->to->has_state) co_return co_await ShiftState(ctx, shift);
  co_return co_await ShiftWeights(ctx, shift);
}

// One writes at a time: all calls go over at once.
Task<Status> Mover::ShiftState(Ctx ctx, Shift* shift) {
  if (wanted_.move.steps.front() == 0) CO_TRY(co_await Watch(ctx, shift, wanted_.move.step_time));
  record_->Say(StrCat("handing over what ", shift->service, " has written"));
  shift->yielded = true;
  CO_TRY(co_await deployment_.Yield(ctx, shift->from));
  CO_TRY(co_await deployment_.Activate(ctx, shift->to));
  co_await deployment_.Route(shift->service, Both(shift->from, shift->to, 100));
  CO_TRY(co_await deployment_.Forward(ctx, shift->from));
  record_->Say(StrCat("watching ", shift->service));
  co_return co_await Watch(ctx, shift, wanted_.move.step_time);
}

Task<Status> Mover::ShiftWeights(Ctx ctx, Shift* shift) {
  for (const std::uint32_t percent : wanted_.move.steps) {
    record_->Say(
        StrCat(percent, " % of the calls of ", shift->service, " go to ", shift->to->name));
    co_await deployment_.Route(shift->service, Both(shift->from, shift->to, percent));
    CO_TRY(co_await Watch(ctx, shift, wanted_.move.step_time));
  }
  co_return absl::OkStatus();
}

Task<Status> Mover::Watch(Ctx ctx, Shift* shift, Duration time) {
  const SteadyTime end = Now() + time;
  while (true) {
    const Duration left = end - Now();
    if (left > Duration::zero()) CO_TRY(co_await SleepFor(ctx, std::min(left, kLook)));
    CO_TRY(ctx.Check());
    CO_TRY(AllAlive());
    const SideFigures from = Since(from_start_, co_await deployment_.Figures(ctx, shift->from));
    const SideFigures to = Since(to_start_, co_await deployment_.Figures(ctx, shift->to));
    CO_TRY(CheckNewSide(from, to, wanted_.move));
    if (left <= Duration::zero()) co_return absl::OkStatus();
  }
}

Task<void> Mover::GoBack(Ctx ctx) {
  if (edge_opened_) {
    const Status accepts = co_await Accept(ctx, deployment_.root().succession, true);
    if (!accepts.ok())
      Log(LogLevel::kError, "the gateway does not accept connections again",
          {{"reason", accepts.ToString()}});
  }
  for (auto shift = shifts_.rbegin(); shift != shifts_.rend(); ++shift) {
    if (!shift->from) continue;
    if (shift->yielded) {
      co_await ReturnState(ctx, &*shift);
    } else {
      co_await deployment_.Route(shift->service, {{shift->from, 100}});
    }
  }
}

// The instance that yielded takes the writing back; where it cannot, a new one in its place.
Task<void> Mover::ReturnState(Ctx ctx, Shift* shift) {
  const bool alive = !shift->to->AnyDead();
  if (alive) {
    const Status yielded = co_await deployment_.Yield(ctx, shift->to);
    if (!yielded.ok())
      Log(LogLevel::kWarning, "the new instance does not yield; its lease is taken from it",
          {{"service", shift->service}, {"reason", yielded.ToString()}});
  }
  Status activated = absl::UnavailableError("the old instance has ended");
  if (!shift->from->AnyDead()) activated = co_await deployment_.Activate(ctx, shift->from);
  if (!activated.ok()) {
    const Result<DeployedClusterPtr> mended =
        co_await deployment_.Mend(ctx.WithTimeout(wanted_.move.start_timeout), shift->from);
    if (mended.ok()) activated = co_await deployment_.Activate(ctx, *mended);
    if (activated.ok()) {
      shift->from = *mended;
    } else {
      Log(LogLevel::kError, "nobody has the state of a service; it will be started again",
          {{"service", shift->service}, {"reason", activated.ToString()}});
    }
  }
  co_await deployment_.Route(shift->service, {{shift->from, 100}});
  if (alive) const Status ignored = co_await deployment_.Forward(ctx, shift->to);
}

void Mover::Save(v1::ControlState& state) const {
  for (const Shift& shift : shifts_) {
    if (!shift.from) continue;
    Deployment::AddCluster(shift.from, state);
    Deployment::AddCluster(shift.to, state);
    v1::ShiftState& row = *state.add_shifts();
    row.set_gone(shift.from->name);
    row.set_stays(shift.to->name);
  }
}

Task<void> Mover::GoOn(v1::ControlState state, std::map<std::string, DeployedClusterPtr> clusters) {
  moved_ = true;
  for (const v1::ShiftState& row : state.shifts()) {
    const DeployedClusterPtr from = clusters[row.gone()];
    const DeployedClusterPtr to = clusters[row.stays()];
    if (!from || !to) continue;
    shifts_.push_back({.service = to->service, .from = from, .to = to});
    co_await deployment_.Route(to->service, {{to, 100}});
  }
}

Task<void> Mover::RetireOthers(Ctx ctx) {
  for (auto shift = shifts_.rbegin(); shift != shifts_.rend(); ++shift) {
    const DeployedClusterPtr gone = moved_ ? shift->from : shift->to;
    const DeployedClusterPtr stays = moved_ ? shift->to : shift->from;
    if (!gone) continue;
    record_->Say(StrCat("calls inside ", gone->name, " finish"));
    co_await deployment_.Retire(ctx, gone, stays, wanted_.move.drain_timeout);
  }
  if (moved_ || !deployment_.successor()) co_return;
  record_->Say("requests of the gateway that is not wanted finish");
  co_await deployment_.DismissSuccessor(ctx, wanted_.move.drain_timeout);
}

}  // namespace tessera
