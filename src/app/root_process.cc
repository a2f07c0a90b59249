#include "app/root_process.h"

#include <chrono>
#include <utility>

#include <unistd.h>

#include "app/platform.h"
#include "base/str.h"
#include "base/task.h"
#include "runtime/timer.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr auto kStopTimeout = std::chrono::seconds(60);
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
                                                        std::optional<TopologySpec> wanted) {
  TRY(DataFolder folder, OpenFolder(data));
  TRY(RunFolder run, RunFolder::Make(folder.path()));
  TRY(TopologyStore store, TopologyStore::Open(folder.path()));
  std::unique_ptr<RootProcess> root(new RootProcess(config, std::move(folder), std::move(run)));
  TRY(root->StartAll(std::move(store), std::move(wanted)));
  return root;
}

RootProcess::RootProcess(const ConfigDocument& config, DataFolder folder, RunFolder run)
    : config_(config),
      folder_(std::move(folder)),
      run_(std::move(run)),
      identity_(config_.snapshot.Get<IdentityConfig>("identity")) {}

RootProcess::~RootProcess() {
  const Ctx ctx = SystemCtx().WithTimeout(kStopTimeout);
  if (topology_) Warn(SyncWait(topology_->Stop(ctx)));
  if (host_) Warn(SyncWait(host_->Stop(ctx)));
  if (trust_) trust_->CutAt(nullptr);
  if (server_) Warn(SyncWait(server_->Drain(ctx)));
  if (trust_) Warn(SyncWait(trust_->Stop()));
}

Status RootProcess::StartServing(PlatformProcess& self) {
  if (identity_.mode == IdentityMode::kBuiltin) {
    TRY(authority_,
        CertificateAuthority::Open(folder_.Path("ca"), {.trust_domain = identity_.trust_domain,
                                                        .lifetime = identity_.lifetime}));
    TRY(self.identity,
        authority_->Issue(SpiffeIdOf(identity_, kRootGroup, {std::string(kGateway)})));
  }
  const auto audit = std::make_shared<AuditLog>(folder_.Path("audit.jsonl"), disk_);
  TRY(trust_, ProcessTrust::Make(identity_, ToMessage(self.identity), audit, disk_));
  host_ = std::make_unique<ServiceHost>(config_.snapshot, folder_, *trust_);
  RemoteServerConfig serving;
  serving.listeners = {RemoteListener{.address = self.address}};
  trust_->Protect(serving);
  server_ = std::make_unique<RemoteServer>(serving, host_->loops(), host_->cpu());
  server_->Serve(host_->group().ServedContracts());
  TRY(server_->Start());
  trust_->CutAt(server_.get());
  return absl::OkStatus();
}

// Before the topology starts: the first instance reads them already.
Status RootProcess::StartFlags() {
  TRY(flags_, LocalFlags::Open(config_.snapshot.Get<LocalFlags::Config>("flags"), folder_.path(),
                               host_->blocking()));
  TRY(SyncWait(topology_->SetFlags(SystemCtx(), flags_->All())));
  flags_->SetPublish([this](Ctx ctx, v1::SetFlagsRequest all) {
    return topology_->SetFlags(std::move(ctx), std::move(all));
  });
  return absl::OkStatus();
}

Status RootProcess::StartAll(TopologyStore store, std::optional<TopologySpec> wanted) {
  auto self = std::make_shared<PlatformProcess>();
  self->name = "root";
  self->placement.in_root = true;
  self->pid = ::getpid();
  self->address = StrCat("unix:", run_.path(), "/root.sock");
  self->started_ms = WallMillis();
  TRY(StartServing(*self));
  self->group = &host_->group();

  Supervisor::Options options{.data = folder_.path(),
                              .run_folder = run_.path(),
                              .config = config_.text,
                              .config_name = config_.name,
                              .lock_fd = folder_.lock_fd(),
                              .trust = trust_.get(),
                              .authority = authority_.get(),
                              .identity = identity_};
  topology_ = std::make_unique<LocalTopology>(std::move(options), host_->loops(), std::move(store),
                                              std::move(self));
  TRY(StartFlags());
  TRY(SyncWait(topology_->Start(SystemCtx(), std::move(wanted))));
  return SyncWait(MakeDefaultCollection(host_->callers().contracts()));
}

}  // namespace tessera
