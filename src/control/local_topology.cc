#include "control/local_topology.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/str.h"
#include "control/call_views.h"
#include "control/process_memory.h"
#include "control/topology_plan.h"
#include "logs/log_message.h"
#include "runtime/timer.h"
#include "runtime/when_all.h"
#include "telemetry/log.h"
#include "telemetry/process_name.h"
#include "tessera/v1/logs_remote.tessera.h"

namespace tessera {
namespace {

constexpr std::size_t kMovesKept = 100;
constexpr std::size_t kDeathsMax = 4096;
constexpr auto kTakeOverTimeout = std::chrono::seconds(30);
constexpr auto kAskTimeout = std::chrono::seconds(5);
constexpr Duration kFiguresLimit = std::chrono::seconds(2);
constexpr Duration kLook = std::chrono::milliseconds(20);
constexpr Duration kIdentityLook = std::chrono::seconds(5);
constexpr Duration kFirstPause = std::chrono::milliseconds(50);
constexpr Duration kLongestPause = std::chrono::seconds(10);
constexpr std::int64_t kSteadyMs = 10'000;  // who lived that long did not die of its start

}  // namespace

LocalTopology::LocalTopology(Supervisor::Options options, IoLoops& loops, TopologyStore store,
                             PlatformProcessPtr root)
    : home_("control", 1),
      store_(std::move(store)),
      deaths_(kDeathsMax),
      supervisor_(std::move(options), loops,
                  [this](PlatformProcessPtr process) { deaths_.TrySend(process); }),
      deployment_(std::move(root), supervisor_) {}

LocalTopology::~LocalTopology() = default;

Task<Status> LocalTopology::Start(Ctx ctx, std::optional<TopologySpec> wanted) {
  co_await SwitchTo(home_);
  CO_TRY(const std::optional<TopologyStore::Revision> current, store_.Current());
  if (current) revision_ = current->number;
  spec_ = wanted ? *std::move(wanted) : current ? current->spec : OneProcess();
  NameThisProcess();
  deployment_.root().placement = PlacementOf(spec_, std::string(kGateway));
  auto record = std::make_shared<MoveRecord>("start", std::vector<v1::PlanStep>());
  const bool known = current && WriteTopology(current->spec) == WriteTopology(spec_);
  Mover mover(deployment_, spec_, record, [this, known] { return CommitStart(known); });
  CO_TRY(co_await mover.GoOver(ctx));
  deployment_.Settled();
  co_await deployment_.Revoke(spec_.revoked);
  const bool spawned =
      scope_.Spawn(home_, HealAsNeeded()) && scope_.Spawn(home_, KeepIdentitiesFresh());
  co_return spawned ? absl::OkStatus() : absl::CancelledError("the platform stops");
}

Task<Status> LocalTopology::SetFlags(Ctx, v1::SetFlagsRequest flags) {
  Executor* const caller = Executor::Current();
  co_await SwitchTo(home_);
  co_await deployment_.SetFlags(std::move(flags));
  if (caller != nullptr) co_await SwitchTo(*caller);
  co_return absl::OkStatus();
}

Task<std::vector<v1::TakeSpansReply>> LocalTopology::TakeSpans(Ctx ctx,
                                                               v1::TakeSpansRequest request) {
  co_await SwitchTo(home_);
  std::vector<PlatformProcessPtr> asked;
  std::vector<Task<Result<v1::TakeSpansReply>>> asks;
  for (const PlatformProcessPtr& process : deployment_.processes()) {
    if (process.get() == &deployment_.root() || process->dead) continue;
    asked.push_back(process);
    asks.push_back(process->group->TakeSpans(ctx, request));
  }
  std::vector<v1::TakeSpansReply> replies;
  for (Result<v1::TakeSpansReply>& reply : co_await WhenAll(std::move(asks))) {
    if (reply.ok()) replies.push_back(*std::move(reply));
  }
  co_return replies;
}

Task<std::vector<FiguresOfProcess>> LocalTopology::AskFigures(Ctx ctx) {
  co_await SwitchTo(home_);
  std::vector<FiguresOfProcess> asked;
  std::vector<Task<Result<v1::ProcessFigures>>> asks;
  for (const PlatformProcessPtr& process : deployment_.processes()) {
    if (process->dead) continue;
    const bool root = process->placement.in_root;
    const std::string& group = root ? spec_.GroupOf(kGateway) : process->placement.group;
    asked.push_back({.group = group, .process = root ? group : process->name, .text = ""});
    asks.push_back(process->group->GetFigures(ctx.WithTimeout(kFiguresLimit), {}));
  }
  std::vector<Result<v1::ProcessFigures>> told = co_await WhenAll(std::move(asks));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (told[i].ok()) asked[i].text = std::move(*told[i]->mutable_text());
  }
  std::erase_if(asked, [](const FiguresOfProcess& one) { return one.text.empty(); });
  co_return asked;
}

Task<std::vector<NamedProcess>> LocalTopology::Processes() {
  Executor* const caller = Executor::Current();
  co_await SwitchTo(home_);
  std::vector<NamedProcess> all;
  for (const PlatformProcessPtr& process : deployment_.processes()) {
    if (process->dead) continue;
    const bool root = process->placement.in_root;
    const std::string& group = root ? spec_.GroupOf(kGateway) : process->placement.group;
    all.push_back({root ? group : process->name, group, process});
  }
  if (caller != nullptr) co_await SwitchTo(*caller);
  co_return all;
}

Task<std::vector<TakenLogs>> LocalTopology::TakeLogs(Ctx ctx, TakeLogsQuestion question) {
  co_await SwitchTo(home_);
  std::vector<PlatformProcessPtr> asked;
  std::vector<std::unique_ptr<ProcessLogsRemote>> remotes;
  std::vector<Task<Result<v1::TakeLogsReply>>> asks;
  for (const PlatformProcessPtr& process : deployment_.processes()) {
    if (process->placement.in_root || process->dead) continue;
    if (!process->channel) continue;
    asked.push_back(process);
    remotes.push_back(std::make_unique<ProcessLogsRemote>(*process->channel));
    asks.push_back(remotes.back()->TakeLogs(ctx, question(process->pid)));
  }
  std::vector<Result<v1::TakeLogsReply>> replies = co_await WhenAll(std::move(asks));
  std::vector<TakenLogs> taken;
  for (std::size_t i = 0; i < replies.size(); ++i) {
    if (!replies[i].ok()) continue;
    taken.push_back(TakenLogs{asked[i]->name, asked[i]->placement.group, asked[i]->pid,
                              *std::move(replies[i])});
  }
  co_return taken;
}

Task<Status> LocalTopology::Stop(Ctx ctx) {
  co_await SwitchTo(home_);
  if (cancel_move_) cancel_move_->Cancel(absl::CancelledError("the platform stops"));
  deaths_.Close();
  CO_TRY(co_await scope_.Stop(ctx));
  co_await SwitchTo(home_);
  co_await deployment_.StopChildren(ctx);
  co_return absl::OkStatus();
}

Task<Status> LocalTopology::CommitStart(bool known) {
  if (known) co_return absl::OkStatus();
  const TopologySpec spec = spec_;
  co_return Commit(spec);
}

void LocalTopology::NameThisProcess() const {
  const std::string& group = spec_.GroupOf(kGateway);
  SetProcessName({.group = group, .process = group});
}

Status LocalTopology::Commit(const TopologySpec& spec) {
  TRY(revision_, store_.Commit(spec));
  spec_ = spec;
  NameThisProcess();
  reached_anew_ = true;
  return absl::OkStatus();
}

Task<void> LocalTopology::Follow() {
  if (follower_ != nullptr) co_await follower_->Reached(spec_, std::exchange(reached_anew_, false));
}

Task<Status> LocalTopology::SetFollower(TopologyFollower* follower) {
  Executor* const caller = Executor::Current();
  co_await SwitchTo(home_);
  follower_ = follower;
  Status status;
  if (follower_ != nullptr) status = follower_->Check(spec_);
  if (status.ok()) co_await Follow();
  if (caller != nullptr) co_await SwitchTo(*caller);
  co_return status;
}

Result<v1::TopologyMove> LocalTopology::Begin(TopologySpec wanted) {
  if (move_ && !move_->ended())
    return absl::FailedPreconditionError(StrCat("the move ", move_->Get().id(),
                                                " is still under way (", move_->Get().step(),
                                                "); wait until it has ended, or cancel it"));
  TRY(std::vector<v1::PlanStep> plan, PlanChange(spec_, wanted));
  if (follower_ != nullptr) TRY(follower_->Check(wanted));
  const std::string id = StrCat(++next_move_);
  move_ = std::make_shared<MoveRecord>(id, std::move(plan));
  moves_[id] = move_;
  if (moves_.size() > kMovesKept) {
    const auto oldest = moves_.find(StrCat(next_move_ - kMovesKept));
    if (oldest != moves_.end()) moves_.erase(oldest);
  }
  cancel_move_ = std::make_unique<CancelSource>();
  if (!scope_.Spawn(home_, RunMove(std::move(wanted), move_)))
    return absl::CancelledError("the platform stops");
  return move_->Get();
}

Task<void> LocalTopology::RunMove(TopologySpec wanted, MoveRecordPtr record) {
  const Ctx ctx = SystemCtx(cancel_move_->token());
  while (changing_) const Status ignored = co_await SleepFor(Ctx(), kLook);
  changing_ = true;
  const Mover* at_work = nullptr;
  Mover mover(deployment_, wanted, record,
              [this, &wanted, &at_work] { return CommitMove(&wanted, at_work); });
  at_work = &mover;
  const Status moved = co_await mover.GoOver(ctx);
  if (handed_over_.load()) {
    record->GoElsewhere();
    co_return;
  }
  changing_ = false;
  if (moved.ok()) {
    co_await Follow();
    record->Enter(v1::MOVE_STATE_DRAINING);
    co_await deployment_.Revoke(spec_.revoked);
  }
  co_await mover.RetireOthers(SystemCtx(scope_.token()));
  record->End(moved.ok() ? v1::MOVE_STATE_MOVED : v1::MOVE_STATE_ROLLED_BACK,
              std::string(moved.message()));
}

Task<Status> LocalTopology::CommitMove(const TopologySpec* wanted, const Mover* mover) {
  if (deployment_.successor()) co_return co_await HandOver(wanted, mover);
  co_return Commit(*wanted);
}

v1::ControlState LocalTopology::Save(const TopologySpec& wanted, const Mover& mover) {
  v1::ControlState state;
  state.set_yaml(WriteTopology(wanted));
  deployment_.Save(state);
  mover.Save(state);
  for (const auto& [name, restarts] : restarts_) {
    v1::RestartsState& row = (*state.mutable_restarts())[name];
    row.set_count(restarts.count);
    row.set_in_a_row(restarts.in_a_row);
  }
  state.set_next_socket(supervisor_.next_socket());
  state.set_next_move(next_move_);
  for (const auto& [id, record] : moves_) {
    if (record != move_) *state.add_moves() = record->Get();
  }
  if (move_) *state.mutable_move() = move_->Get();
  *state.mutable_log_levels() = ToMessage(CurrentLogLevels());
  return state;
}

// The successor commits, as the first thing that it does as the controller. Until it has said so,
// this process can go back: it still has all that it passes on.
Task<Status> LocalTopology::HandOver(const TopologySpec* wanted, const Mover* mover) {
  const PlatformProcessPtr successor = deployment_.successor();
  co_await handing_.hold();
  const Status passed = supervisor_.PassOn(*successor);
  if (!passed.ok()) co_return co_await CallOff(successor, passed);
  const auto taken = co_await successor->succession->TakeOver(
      SystemCtx().WithTimeout(kTakeOverTimeout), Save(*wanted, *mover));
  if (!taken.ok()) co_return co_await CallOff(successor, taken.status());
  handed_over_ = true;
  supervisor_.Release();
  deployment_.Leave();
  deaths_.Close();
  handing_.settled(successor);
  Log(LogLevel::kInfo, "another process has the control of the platform",
      {{"pid", successor->pid}});
  co_return absl::OkStatus();
}

// It may have committed and not said so: nobody goes on with that once it is dead.
Task<Status> LocalTopology::CallOff(PlatformProcessPtr successor, Status why) {
  supervisor_.Kill(*successor);
  while (!successor->dead) const Status ignored = co_await SleepFor(Ctx(), kLook);
  deployment_.SkipVersions();
  handing_.settled(nullptr);
  CO_TRY(const std::optional<TopologyStore::Revision> current, store_.Current());
  if (current && current->number != revision_) {
    const TopologySpec back = spec_;
    const Status committed = Commit(back);
    if (!committed.ok())
      Log(LogLevel::kError, "a restart would come to a topology that was rolled back",
          {{"reason", committed.ToString()}});
  }
  co_return absl::AbortedError(
      StrCat("the new gateway did not take over: ", StdView(why.message())));
}

namespace {

struct PassedProcess {
  OwnedFd handle, leash;
};

Result<std::map<int, PassedProcess>> Sort(std::vector<PassedDescriptors> passed) {
  std::map<int, PassedProcess> sorted;
  for (PassedDescriptors& message : passed) {
    const std::vector<std::string> words =
        absl::StrSplit(message.text, ' ', absl::SkipWhitespace());
    std::size_t next = 0;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
      int pid = 0;
      if (!absl::SimpleAtoi(words[i], &pid) || next >= message.descriptors.size())
        return absl::InvalidArgumentError("descriptors without a process");
      PassedProcess& process = sorted[pid];
      process.handle = std::move(message.descriptors[next++]);
      if (words[i + 1] == "2" && next < message.descriptors.size())
        process.leash = std::move(message.descriptors[next++]);
    }
  }
  return sorted;
}

}  // namespace

Task<Status> LocalTopology::TakeOver(Ctx ctx, v1::ControlState state,
                                     std::vector<PassedDescriptors> passed) {
  co_await SwitchTo(home_);
  CO_TRY(TopologySpec wanted, ReadTopology(state.yaml(), "topology"));
  follower_ = handing_.follower;
  if (follower_ != nullptr) CO_TRY(follower_->Check(wanted));
  CO_TRY(auto sorted, Sort(std::move(passed)));
  supervisor_.set_next_socket(state.next_socket());
  std::vector<PlatformProcessPtr> processes;
  for (const v1::ProcessState& row : state.processes()) {
    PassedProcess& process = sorted[row.pid()];
    processes.push_back(
        supervisor_.Adopt(row, std::move(process.handle), std::move(process.leash)));
  }
  CO_TRY(auto clusters, deployment_.Restore(state, std::move(processes)));
  deployment_.root().placement = PlacementOf(wanted, std::string(kGateway));
  for (const auto& [name, row] : state.restarts())
    restarts_[name] = {.count = row.count(), .in_a_row = row.in_a_row()};
  next_move_ = state.next_move();
  for (const v1::TopologyMove& move : state.moves())
    moves_[move.id()] = std::make_shared<MoveRecord>(move);
  move_ = std::make_shared<MoveRecord>(state.move());
  moves_[state.move().id()] = move_;
  cancel_move_ = std::make_unique<CancelSource>();
  CO_TRY(co_await AskAll(ctx));
  handing_.cut_loose();
  CO_TRY(Commit(wanted));
  SetLogLevels(FromMessage(state.log_levels()));
  changing_ = true;
  finishing_ = true;
  const bool spawned = scope_.Spawn(home_, FinishMove(std::move(state), std::move(clusters))) &&
                       scope_.Spawn(home_, HealAsNeeded()) &&
                       scope_.Spawn(home_, KeepIdentitiesFresh());
  co_return spawned ? absl::OkStatus() : absl::CancelledError("the platform stops");
}

// Whoever does not answer this process cannot be driven by it.
Task<Status> LocalTopology::AskAll(Ctx ctx) {
  const std::vector<PlatformProcessPtr> processes = deployment_.processes();
  for (const PlatformProcessPtr& process : processes) {
    const auto answered = co_await process->group->GetGroupStatus(ctx.WithTimeout(kAskTimeout),
                                                                  v1::GetGroupStatusRequest());
    if (!answered.ok() && !process->dead)
      co_return absl::UnavailableError(
          StrCat("the process ", process->name,
                 " does not answer the new gateway: ", StdView(answered.status().message())));
  }
  co_return absl::OkStatus();
}

// What RunMove does after the commit, where it was not begun.
Task<void> LocalTopology::FinishMove(v1::ControlState state,
                                     std::map<std::string, DeployedClusterPtr> clusters) {
  const Ctx ctx = SystemCtx(scope_.token());
  const MoveRecordPtr record = move_;
  Mover mover(deployment_, spec_, record, nullptr);
  record->Enter(v1::MOVE_STATE_DRAINING);
  record->Say("the new gateway has the control");
  co_await mover.GoOn(std::move(state), std::move(clusters));
  changing_ = false;
  co_await Follow();
  co_await deployment_.Revoke(spec_.revoked);
  co_await mover.RetireOthers(ctx);
  const std::vector<PlatformProcessPtr> processes = deployment_.processes();
  for (const PlatformProcessPtr& process : processes) {
    if (!process->leaves || process->dead) continue;
    record->Say("connections of the old gateway finish");
    v1::LeaveEdgeRequest leave;
    leave.set_timeout_ms(static_cast<std::uint32_t>(spec_.move.drain_timeout.count()) * 1000);
    const auto left = co_await process->succession->LeaveEdge(ctx, std::move(leave));
    if (!left.ok() && !process->dead)
      Log(LogLevel::kWarning, "the old gateway did not end well",
          {{"reason", left.status().ToString()}});
    deployment_.Remove(process);
    const Status closed = co_await supervisor_.LetGo(process);
  }
  finishing_ = false;
  record->End(v1::MOVE_STATE_MOVED, "");
}

Task<Status> LocalTopology::AwaitPredecessor(Ctx ctx) {
  while (finishing_.load()) CO_TRY(co_await SleepFor(ctx, kLook));
  co_return absl::OkStatus();
}

Task<void> LocalTopology::HealAsNeeded() {
  const Ctx ctx = SystemCtx(scope_.token());
  while (true) {
    SteadyTime next = SteadyTime::max();
    for (const auto& [name, restarts] : restarts_) {
      if (restarts.next > Now()) next = std::min(next, restarts.next);
    }
    const auto dead = co_await deaths_.Receive(ctx.WithDeadline(next));
    if (ctx.cancel().cancelled() || (dead.ok() && !*dead)) co_return;
    if (dead.ok() && Serves(***dead)) {
      Bury(**dead);
      // A move that waits for something else gives way.
      if (changing_ && cancel_move_)
        cancel_move_->Cancel(
            absl::AbortedError(StrCat("the process ", (**dead)->name, " ended during the move")));
    }
    while (changing_) {
      if (!(co_await SleepFor(ctx, kLook)).ok()) co_return;
    }
    changing_ = true;
    co_await Heal();
    changing_ = false;
  }
}

Task<void> LocalTopology::KeepIdentitiesFresh() {
  const Ctx ctx = SystemCtx(scope_.token());
  while ((co_await SleepFor(ctx, kIdentityLook)).ok()) {
    if (handed_over_.load()) co_return;
    const std::vector<PlatformProcessPtr> processes = deployment_.processes();
    for (const PlatformProcessPtr& process : processes) {
      if (process->dead) continue;
      const Status renewed = co_await supervisor_.RenewIdentity(ctx, process);
      if (!renewed.ok() && !process->dead)
        Log(LogLevel::kError, "a process got no new identity",
            {{"process", process->name}, {"reason", renewed.ToString()}});
    }
  }
}

bool LocalTopology::IsWanted(const DeployedCluster& cluster) const {
  for (const PlacedVersion& version : VersionsOf(spec_, cluster.service)) {
    if (version.placement.SameProcessesAs(cluster.placement)) return true;
  }
  return false;
}

// False of one that was ended when its services had gone, and of a new one that nobody counts on.
bool LocalTopology::Serves(const PlatformProcess& process) const {
  const auto& all = ServicesInOrder();
  return std::any_of(all.begin(), all.end(), [&](const std::string& service) {
    const RoutedClusters routed = deployment_.Routed(service);
    return std::any_of(routed.begin(), routed.end(), [&](const RoutedCluster& one) {
      return IsWanted(*one.first) && one.first->In(process) != nullptr;
    });
  });
}

// Who died young waits the longer for its next start, the oftener that happened.
void LocalTopology::Bury(const PlatformProcessPtr& process) {
  Restarts& restarts = restarts_[process->name];
  ++restarts.count;
  const bool young = WallMillis() - process->started_ms < kSteadyMs;
  restarts.in_a_row = young ? std::min(restarts.in_a_row + 1, 10u) : 1;
  const Duration pause = young ? kFirstPause * (1 << restarts.in_a_row) / 2 : Duration::zero();
  restarts.next = Now() + std::min<Duration>(pause, kLongestPause);
}

Task<void> LocalTopology::Heal() {
  const Ctx ctx = SystemCtx(scope_.token());
  co_await deployment_.PushRoutesToAll();
  const std::vector<PlatformProcessPtr> processes = deployment_.processes();
  for (const PlatformProcessPtr& process : processes) {
    if (!process->dead) continue;
    deployment_.Remove(process);
    const Status closed = co_await supervisor_.Stop(ctx, process);
  }
  for (const std::string& service : ServicesInOrder()) {
    const RoutedClusters routed = deployment_.Routed(service);
    for (const auto& [cluster, weight] : routed) co_await HealOne(cluster);
  }
}

Task<void> LocalTopology::HealOne(DeployedClusterPtr cluster) {
  if (!cluster->AnyDead()) co_return;
  for (const DeployedInstance& one : cluster->instances) {
    if (one.process->dead && restarts_[one.process->name].next > Now()) co_return;
  }
  const Status mended = co_await Mend(cluster);
  if (mended.ok()) co_return;
  Log(LogLevel::kError, "a service could not be started again",
      {{"service", cluster->service}, {"reason", mended.ToString()}});
  for (const DeployedInstance& one : cluster->instances) {
    if (!one.process->dead) continue;
    Restarts& restarts = restarts_[one.process->name];
    restarts.in_a_row = std::min(restarts.in_a_row + 1, 10u);
    restarts.next =
        Now() + std::min<Duration>(kFirstPause * (1 << restarts.in_a_row), kLongestPause);
  }
}

Task<Status> LocalTopology::Mend(DeployedClusterPtr broken) {
  const Ctx ctx = SystemCtx(scope_.token());
  CO_TRY(const DeployedClusterPtr whole,
         co_await deployment_.Mend(ctx.WithTimeout(spec_.move.start_timeout), broken));
  CO_TRY(co_await deployment_.Activate(ctx, whole));
  co_await deployment_.RouteInstead(broken, whole);
  for (const DeployedInstance& one : whole->instances)
    one.process->restarts = restarts_[one.process->name].count;
  co_return absl::OkStatus();
}

Result<MoveRecordPtr> LocalTopology::FindMove(const std::string& id) const {
  const auto found = moves_.find(id);
  if (found == moves_.end()) return absl::NotFoundError(StrCat("there is no move ", id));
  return found->second;
}

Task<Result<v1::TopologyPlan>> LocalTopology::PlanTopology(Ctx, v1::PlanTopologyRequest request) {
  co_await SwitchTo(home_);
  CO_TRY(const TopologySpec wanted, ReadTopology(request.yaml(), "topology"));
  CO_TRY(std::vector<v1::PlanStep> steps, PlanChange(spec_, wanted));
  if (follower_ != nullptr) CO_TRY(follower_->Check(wanted));
  v1::TopologyPlan plan;
  for (v1::PlanStep& step : steps) *plan.add_steps() = std::move(step);
  plan.set_yaml(WriteTopology(wanted));
  co_return plan;
}

Task<Result<v1::TopologyMove>> LocalTopology::ApplyTopology(Ctx, v1::ApplyTopologyRequest request) {
  co_await SwitchTo(home_);
  CO_TRY(TopologySpec wanted, ReadTopology(request.yaml(), "topology"));
  co_return Begin(std::move(wanted));
}

Task<Result<v1::TopologyMove>> LocalTopology::RollbackTopology(Ctx, v1::RollbackTopologyRequest) {
  co_await SwitchTo(home_);
  CO_TRY(const std::optional<TopologyStore::Revision> previous, store_.Previous());
  if (!previous)
    co_return absl::FailedPreconditionError("there is no topology before this one to go back to");
  co_return Begin(previous->spec);
}

Task<Result<v1::TopologyMove>> LocalTopology::CancelMove(Ctx, v1::GetMoveRequest request) {
  co_await SwitchTo(home_);
  CO_TRY(const MoveRecordPtr record, FindMove(request.id()));
  if (record == move_ && !record->ended())
    cancel_move_->Cancel(absl::CancelledError("the move was cancelled"));
  co_return record->Get();
}

Task<Result<v1::TopologyMove>> LocalTopology::GetMove(Ctx, v1::GetMoveRequest request) {
  co_await SwitchTo(home_);
  CO_TRY(const MoveRecordPtr record, FindMove(request.id()));
  co_return record->Get();
}

Task<Result<StreamPtr<v1::TopologyMove>>> LocalTopology::WatchMove(Ctx,
                                                                   v1::GetMoveRequest request) {
  co_await SwitchTo(home_);
  CO_TRY(const MoveRecordPtr record, FindMove(request.id()));
  co_return record->Watch();
}

Task<Result<v1::TopologyStatus>> LocalTopology::GetTopology(Ctx ctx, v1::GetTopologyRequest) {
  co_await SwitchTo(home_);
  v1::TopologyStatus status;
  co_await FillStatus(SystemCtx(ctx.cancel()), &status);
  co_return status;
}

namespace {

void AddVersion(const std::string& version, v1::GroupView& group) {
  const auto& known = group.versions();
  if (std::find(known.begin(), known.end(), version) == known.end()) group.add_versions(version);
}

}  // namespace

Task<void> LocalTopology::FillStatus(Ctx ctx, v1::TopologyStatus* status) {
  status->set_revision(revision_);
  status->set_yaml(WriteTopology(spec_));
  if (move_) *status->mutable_move() = move_->Get();
  const auto previous = store_.Previous();
  status->set_can_roll_back(previous.ok() && previous->has_value());
  *status->mutable_routes() = deployment_.RoutesMessage().routes();
  const std::vector<PlatformProcessPtr> processes = deployment_.processes();
  const std::string root_group = spec_.GroupOf(kGateway);
  std::vector<v1::GroupStatus> all_told;
  for (const auto& [name, group] : spec_.groups) {
    v1::GroupView& view = *status->add_groups();
    view.set_name(name);
    for (const std::string& service : group.services) view.add_services(service);
    view.set_replicas(group.replicas);
    view.set_revision(group.revision);
  }
  for (const PlatformProcessPtr& process : processes) {
    const std::string& group = process->placement.in_root ? root_group : process->placement.group;
    v1::GroupView* view = nullptr;
    for (v1::GroupView& one : *status->mutable_groups()) {
      if (one.name() == group) view = &one;
    }
    if (view == nullptr) {  // of a group that is going or coming
      view = status->add_groups();
      view->set_name(group);
    }
    v1::ProcessStatus& row = *view->add_processes();
    row.set_name(process->placement.in_root ? group : process->name);
    row.set_pid(static_cast<std::uint32_t>(process->pid));
    row.set_address(process->address);
    row.set_state(process->leaves ? "stopping" : process->dead ? "restarting" : "serving");
    row.set_restarts(process->restarts);
    row.set_started_ms(process->started_ms);
    row.set_memory_bytes(ResidentBytes(process->pid));
    const auto told = co_await process->group->GetGroupStatus(
        ctx.WithTimeout(std::chrono::seconds(2)), v1::GetGroupStatusRequest());
    if (!told.ok()) continue;
    for (const v1::ServiceInstance& instance : told->instances()) *row.add_instances() = instance;
    row.set_flags_version(told->flags_version());
    row.set_version(told->version());
    AddVersion(told->version(), *view);
    AddEdges(*told, *process, row.name(), status);
    all_told.push_back(*told);
  }
  AddClusters(deployment_, root_group, all_told, status);
}

}  // namespace tessera
