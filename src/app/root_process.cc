#include "app/root_process.h"

#include <chrono>
#include <utility>

#include <unistd.h>

#include "app/departing_topology.h"
#include "app/platform.h"
#include "base/not_owned.h"
#include "base/str.h"
#include "base/task.h"
#include "remote/channel.h"
#include "runtime/timer.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "telemetry/process_name.h"
#include "tessera/v1/flags_remote.tessera.h"
#include "tessera/v1/group_rpc.tessera.h"
#include "tessera/v1/profiles_rpc.tessera.h"
#include "tessera/v1/succession_rpc.tessera.h"
#include "tessera/v1/topology_remote.tessera.h"

namespace tessera {
namespace {

constexpr auto kStopTimeout = std::chrono::seconds(60);
constexpr Duration kPassTimeout = std::chrono::seconds(5);
constexpr Duration kFolderPatience = std::chrono::seconds(2);
constexpr Duration kFolderLook = std::chrono::milliseconds(10);

// The children of a first process that was killed hold the lock for a moment longer.
Result<DataFolder> OpenFolder(const std::string& data) {
  const SteadyTime end = Now() + kFolderPatience;
  while (true) {
    Result<DataFolder> folder = DataFolder::Open(data);
    if (folder.ok() || !absl::IsFailedPrecondition(folder.status()) || Now() > end) return folder;
    const Status ignored = SyncWait(SleepFor(Ctx(), kFolderLook));
  }
}

void Warn(const Status& status) {
  if (!status.ok())
    Log(LogLevel::kWarning, "the platform did not stop well", {{"reason", status.ToString()}});
}

}  // namespace

Result<std::unique_ptr<RootProcess>> RootProcess::Start(const ConfigDocument& config,
                                                        const std::string& data,
                                                        std::optional<TopologySpec> wanted,
                                                        Lineage& lineage) {
  TRY(DataFolder folder, OpenFolder(data));
  TRY(RunFolder run, RunFolder::Make(folder.path()));
  TRY(TopologyStore store, TopologyStore::Open(folder.path()));
  std::unique_ptr<RootProcess> root(
      new RootProcess(config, std::move(folder), std::move(run), lineage));
  TRY(root->StartAll(std::move(store), std::move(wanted)));
  return root;
}

Result<std::unique_ptr<RootProcess>> RootProcess::Succeed(const ConfigDocument& config,
                                                          const v1::GroupBootstrap& bootstrap,
                                                          Lineage& lineage) {
  TRY(DataFolder folder, DataFolder::Join(bootstrap.data()));
  // Before it has taken over, the folder is not its own to remove.
  std::unique_ptr<RootProcess> root(
      new RootProcess(config, std::move(folder), RunFolder::None(), lineage));
  PlatformProcess& self = *root->self_;
  root->lock_ = OwnedFd(kLockFd);
  self.name = bootstrap.process();
  self.address = bootstrap.address();
  self.identity = FromMessage(bootstrap.identity());
  TRY(root->StartServing(kListeningFd));
  RemoteChannelConfig there{.address = bootstrap.successor().predecessor()};
  root->trust_->Protect(there, kRootGroup);
  root->predecessor_ = std::make_shared<RemoteChannel>(there, root->host_->loops());
  root->run_path_ = bootstrap.successor().run_folder();
  root->ControlIsThere(root->predecessor_);
  return root;
}

RootProcess::RootProcess(const ConfigDocument& config, DataFolder folder, RunFolder run,
                         Lineage& lineage)
    : config_(config),
      folder_(std::move(folder)),
      run_(std::move(run)),
      run_path_(run_.path()),
      lineage_(lineage),
      identity_(config_.snapshot.Get<IdentityConfig>("identity")),
      self_(std::make_shared<PlatformProcess>()),
      gateway_({.take_over =
                    [this](Ctx ctx, v1::ControlState state) {
                      return TakeOver(std::move(ctx), std::move(state));
                    },
                .left = [this] { lineage_.Left(); },
                .blocking = &disk_}) {
  self_->placement.in_root = true;
  self_->pid = ::getpid();
  self_->started_ms = WallMillis();
  self_->succession = &gateway_;
}

RootProcess::~RootProcess() {
  const Ctx ctx = SystemCtx().WithTimeout(kStopTimeout);
  if (topology_) Warn(SyncWait(topology_->Stop(ctx)));
  if (host_) Warn(SyncWait(host_->Stop(ctx)));
  if (trust_) trust_->CutAt(nullptr);
  if (server_) Warn(SyncWait(server_->Drain(ctx)));
  if (predecessor_) Warn(SyncWait(predecessor_->Close()));
  if (trust_) Warn(SyncWait(trust_->Stop()));
}

// Other gateways drive this process while one takes the place of the other.
Status RootProcess::StartServing(int listening) {
  const bool first = listening < 0;
  audit_ = std::make_shared<AuditLog>(folder_.Path("audit.jsonl"), disk_, 8 << 20,
                                      first ? std::string() : self_->name);
  TRY(trust_, ProcessTrust::Make(identity_, ToMessage(self_->identity), audit_, disk_));
  host_ = std::make_unique<ServiceHost>(config_.snapshot, folder_, *trust_);
  own_profiles_ = std::make_unique<OwnProfiles>(host_->blocking());
  self_->group = &host_->group();
  RemoteServerConfig serving;
  serving.listeners = {RemoteListener{.address = self_->address, .adopted_socket = listening}};
  trust_->Protect(serving);
  server_ = std::make_unique<RemoteServer>(serving, host_->loops(), host_->cpu());
  server_->Serve(host_->group().ServedContracts());
  server_->Serve(Bind(host_->group()));
  server_->Serve(Bind(gateway_));
  server_->Serve(Bind(*own_profiles_));
  server_->Serve(Bind(topology_router_));
  server_->Serve(Bind(flags_router_));
  TRY(server_->Start());
  trust_->CutAt(server_.get());
  return absl::OkStatus();
}

// Before the topology starts: the first instance reads them already.
Status RootProcess::StartFlags() {
  const bool goes_on = predecessor_ != nullptr;
  TRY(flags_, LocalFlags::Open(config_.snapshot.Get<LocalFlags::Config>("flags"), folder_.path(),
                               host_->blocking(), goes_on));
  TRY(SyncWait(topology_->SetFlags(SystemCtx(), flags_->All())));
  flags_->SetPublish([this](Ctx ctx, v1::SetFlagsRequest all) {
    return topology_->SetFlags(std::move(ctx), std::move(all));
  });
  return absl::OkStatus();
}

Supervisor::Options RootProcess::SupervisorOptions() {
  return {.data = folder_.path(),
          .run_folder = run_path_,
          .config = config_.text,
          .config_name = config_.name,
          .lock_fd = lock_ ? lock_.get() : folder_.lock_fd(),
          .trust = trust_.get(),
          .authority = authority_.get(),
          .identity = identity_,
          .program = lineage_.program(),
          .successor = [this] { return PartsOfSuccessor(); }};
}

void RootProcess::MakeTopology(TopologyStore store) {
  topology_ =
      std::make_unique<LocalTopology>(SupervisorOptions(), host_->loops(), std::move(store), self_);
  topology_->SetHanding(
      {.hold = [this] { return flags_->Hold(); },
       .settled = [this](const PlatformProcessPtr& successor) { Settled(successor); },
       .cut_loose = [this] { lineage_.CutLoose(); },
       .follower = follower_});
}

Status RootProcess::StartAll(TopologyStore store, std::optional<TopologySpec> wanted) {
  self_->name = "root";
  self_->address = StrCat("unix:", run_.path(), "/root.sock");
  if (identity_.mode == IdentityMode::kBuiltin) {
    TRY(authority_,
        CertificateAuthority::Open(folder_.Path("ca"), {.trust_domain = identity_.trust_domain,
                                                        .lifetime = identity_.lifetime}));
    TRY(self_->identity,
        authority_->Issue(SpiffeIdOf(identity_, kRootGroup, {std::string(kGateway)})));
  }
  TRY(StartServing(-1));
  MakeTopology(std::move(store));
  TRY(StartFlags());
  TRY(SyncWait(topology_->Start(SystemCtx(), std::move(wanted))));
  ControlIsHere();
  return SyncWait(MakeDefaultCollection(host_->callers().contracts()));
}

Status RootProcess::PrepareToTakeOver(std::vector<PassedDescriptors>* passed) {
  while (true) {
    TRY(PassedDescriptors next, ReceiveDescriptors(kHandoverFd, kPassTimeout));
    if (next.text == "end") break;
    passed->push_back(std::move(next));
  }
  if (identity_.mode == IdentityMode::kBuiltin) {
    TRY(authority_,
        CertificateAuthority::Open(folder_.Path("ca"), {.trust_domain = identity_.trust_domain,
                                                        .lifetime = identity_.lifetime}));
  }
  TRY(TopologyStore store, TopologyStore::Open(folder_.path()));
  MakeTopology(std::move(store));
  return StartFlags();
}

Task<Status> RootProcess::TakeOver(Ctx ctx, v1::ControlState state) {
  if (!predecessor_ || topology_)
    co_return absl::FailedPreconditionError("this process has the control already");
  std::vector<PassedDescriptors> passed;
  const auto prepare = [this, &passed] { return PrepareToTakeOver(&passed); };
  CO_TRY(co_await RunOn(host_->blocking(), prepare));
  CO_TRY(co_await topology_->TakeOver(ctx, std::move(state), std::move(passed)));
  run_.Take(run_path_);
  ControlIsHere();
  lineage_.Announce();
  co_return absl::OkStatus();
}

Task<std::vector<v1::TakeSpansReply>> RootProcess::TakeSpans(Ctx ctx,
                                                             v1::TakeSpansRequest request) {
  if (!has_control()) co_return std::vector<v1::TakeSpansReply>();
  co_return co_await topology_->TakeSpans(std::move(ctx), std::move(request));
}

Task<std::vector<FiguresOfProcess>> RootProcess::AskFigures(Ctx ctx) {
  if (has_control()) co_return co_await topology_->AskFigures(std::move(ctx));
  co_return std::vector<FiguresOfProcess>{{.group = CurrentProcessName().group,
                                           .process = "leaving",
                                           .text = Metrics::Process().Text()}};
}

Task<std::vector<TakenLogs>> RootProcess::TakeLogs(Ctx ctx, TakeLogsQuestion question) {
  if (!has_control()) co_return std::vector<TakenLogs>();
  co_return co_await topology_->TakeLogs(std::move(ctx), std::move(question));
}

void RootProcess::ControlIsHere() {
  has_control_ = true;
  control_.Set(control_.Find(Topology::kContract.full_name),
               {{MakeInstance<Topology>("here", NotOwned<Topology>(*topology_))}});
  control_.Set(control_.Find(Flags::kContract.full_name),
               {{MakeInstance<Flags>("here", NotOwned<Flags>(*flags_))}});
}

namespace {

/// A contract in another process, and the way there.
template <class Contract, class Remote>
std::shared_ptr<Contract> There(const std::shared_ptr<RemoteChannel>& channel) {
  struct Held {
    explicit Held(std::shared_ptr<RemoteChannel> with)
        : channel(std::move(with)), remote(*channel) {}
    const std::shared_ptr<RemoteChannel> channel;
    Remote remote;
  };
  auto held = std::make_shared<Held>(channel);
  Contract* const target = &held->remote;
  return std::shared_ptr<Contract>(held, target);
}

}  // namespace

void RootProcess::ControlIsThere(std::shared_ptr<RemoteChannel> channel) {
  std::shared_ptr<Topology> topology = There<Topology, TopologyRemote>(channel);
  if (topology_)  // it was here
    topology = std::make_shared<DepartingTopology>(std::move(topology),
                                                   [this] { return gateway_.leaving(); });
  control_.Set(control_.Find(Topology::kContract.full_name),
               {{MakeInstance<Topology>("there", std::move(topology))}});
  control_.Set(control_.Find(Flags::kContract.full_name),
               {{MakeInstance<Flags>("there", There<Flags, FlagsRemote>(channel))}});
}

void RootProcess::Settled(const PlatformProcessPtr& successor) {
  if (!successor) {
    flags_->GoOn(nullptr);
    return;
  }
  has_control_ = false;
  run_.Release();
  ControlIsThere(successor->channel);
  flags_there_ = std::make_unique<FlagsRemote>(*successor->channel);
  flags_->GoOn(flags_there_.get());
  lineage_.HandedOver(successor->pid);
}

namespace {

Task<Status> Reach(TopologyFollower* follower, TopologySpec spec) {
  co_await follower->Reached(std::move(spec), false);
  co_return absl::OkStatus();
}

}  // namespace

Status RootProcess::SetFollower(TopologyFollower* follower) {
  follower_ = follower;
  if (topology_) return SyncWait(topology_->SetFollower(follower));
  if (follower == nullptr) return absl::OkStatus();
  // The predecessor's holds until this process takes over.
  TRY(const TopologyStore store, TopologyStore::Open(folder_.path()));
  TRY(const std::optional<TopologyStore::Revision> current, store.Current());
  if (!current) return absl::OkStatus();
  TRY(follower->Check(current->spec));
  return SyncWait(Reach(follower, current->spec));
}

void RootProcess::SetSuccessorParts(std::function<Result<SuccessorParts>()> parts) {
  std::lock_guard lock(mutex_);
  successor_parts_ = std::move(parts);
}

Result<SuccessorParts> RootProcess::PartsOfSuccessor() {
  std::function<Result<SuccessorParts>()> edge_parts;
  {
    std::lock_guard lock(mutex_);
    edge_parts = successor_parts_;
  }
  if (!edge_parts) return absl::UnavailableError("the gateway does not serve yet");
  TRY(SuccessorParts parts, edge_parts());
  parts.bootstrap.set_predecessor(self_->address);
  parts.bootstrap.set_run_folder(run_path_);
  parts.bootstrap.set_has_program(lineage_.program() >= 0);
  TRY(std::vector<OwnedFd> descriptors, lineage_.ForSuccessor());
  for (OwnedFd& fd : parts.descriptors) descriptors.push_back(std::move(fd));
  parts.descriptors = std::move(descriptors);
  return parts;
}

Task<Status> RootProcess::AwaitPredecessor(Ctx ctx) {
  if (!topology_) co_return absl::OkStatus();
  co_return co_await topology_->AwaitPredecessor(std::move(ctx));
}

}  // namespace tessera
