#include "app/serve.h"

#include <chrono>
#include <csignal>
#include <utility>

#include "app/child_process.h"
#include "app/components.h"
#include "app/logging.h"
#include "app/service_host.h"
#include "app/telemetry.h"
#include "base/task.h"
#include "control/control_state.h"
#include "profiling/own_profiles.h"
#include "remote/server.h"
#include "telemetry/log.h"
#include "telemetry/process_name.h"
#include "tessera/v1/group_rpc.tessera.h"
#include "tessera/v1/logs_rpc.tessera.h"
#include "tessera/v1/profiles_rpc.tessera.h"

namespace tessera {
namespace {

constexpr auto kDrainTimeout = std::chrono::seconds(10);
constexpr auto kStopTimeout = std::chrono::seconds(15);

// What drives the process is spared: the first rule that matches decides.
Result<std::shared_ptr<FaultRules>> FaultsOnPurpose(const v1::GroupBootstrap& bootstrap) {
  if (bootstrap.faults().empty()) return std::shared_ptr<FaultRules>();
  std::vector<FaultRule> rules = {{.method = "tessera.v1.Group."}, {.method = "grpc."}};
  for (const v1::FaultOnPurpose& fault : bootstrap.faults()) rules.push_back(FromMessage(fault));
  auto faults = std::make_shared<FaultRules>();
  TRY(faults->Set(std::move(rules)));
  return faults;
}

Status Serve(const sigset_t& signals) {
  TRY(const v1::GroupBootstrap bootstrap, ReadBootstrap());
  const Leash leash(kLeashFd);
  UseProcessors(bootstrap.cpus());
  TRY(const ConfigSnapshot config, AppSchema().Parse(bootstrap.config(), bootstrap.config_name()));
  SetProcessName({.group = bootstrap.group(), .process = bootstrap.process()});
  const std::unique_ptr<LogRun> log = BeginLog(config, &bootstrap);
  TRY(const DataFolder folder, DataFolder::Join(bootstrap.data()));
  ThreadPool disk("identity", 1);
  const auto audit =
      std::make_shared<AuditLog>(folder.Path("audit.jsonl"), disk, 8 << 20, bootstrap.process());
  TRY(const std::unique_ptr<ProcessTrust> trust,
      ProcessTrust::Make(config.Get<IdentityConfig>("identity"), bootstrap.identity(), audit,
                         disk));
  RecordRequests(config);
  ServiceHost host(config, folder, *trust);
  RemoteServerConfig serving;
  serving.listeners = {
      RemoteListener{.address = bootstrap.address(), .adopted_socket = kListeningFd}};
  trust->Protect(serving);
  TRY(serving.faults, FaultsOnPurpose(bootstrap));
  OwnLogs own_logs;
  OwnProfiles own_profiles(host.blocking());
  RemoteServer server(serving, host.loops(), host.cpu());
  server.Serve(Bind(host.group()));
  server.Serve(Bind(own_logs));
  server.Serve(Bind(own_profiles));
  server.Serve(host.group().ServedContracts());
  Status status = server.Start();
  trust->CutAt(&server);
  if (status.ok()) {
    int signal = 0;
    ::sigwait(&signals, &signal);
  }
  const Status stopped = SyncWait(host.Stop(SystemCtx().WithTimeout(kStopTimeout)));
  if (!stopped.ok())
    Log(LogLevel::kWarning, "a service did not stop well", {{"reason", stopped.ToString()}});
  trust->CutAt(nullptr);
  const Status drained = SyncWait(server.Drain(SystemCtx().WithTimeout(kDrainTimeout)));
  TRY(SyncWait(trust->Stop()));
  return status.ok() ? drained : status;
}

}  // namespace

ExitCode RunServe() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const Status status = Serve(signals);
  return status.ok() ? ExitCode::kOk : Fail(status);
}

}  // namespace tessera
