#include "app/serve.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/components.h"
#include "app/service_host.h"
#include "app/telemetry.h"
#include "base/str.h"
#include "base/task.h"
#include "control/child_processes.h"
#include "remote/server.h"
#include "telemetry/log.h"
#include "tessera/v1/group_rpc.tessera.h"

namespace tessera {
namespace {

constexpr int kBootstrapFd = 3;
constexpr int kLeashFd = 4;
constexpr int kListeningFd = 5;
constexpr int kLockFd = 6;
constexpr std::size_t kBootstrapMax = 16 << 20;
constexpr auto kDrainTimeout = std::chrono::seconds(10);
constexpr auto kStopTimeout = std::chrono::seconds(15);

/// While it lives, this process ends with the first one, however that ends: nobody would route
/// calls here any more.
class Leash {
 public:
  Leash() : done_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { Watch(); }) {}
  ~Leash() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(done_.get(), &one, sizeof one);
    thread_.join();
  }
  Leash(const Leash&) = delete;

 private:
  void Watch() {
    pollfd waits[] = {{.fd = kLeashFd, .events = POLLIN, .revents = 0},
                      {.fd = done_.get(), .events = POLLIN, .revents = 0}};
    while (::poll(waits, 2, -1) <= 0) {
    }
    if (waits[1].revents == 0) ::_exit(static_cast<int>(ExitCode::kFailed));
  }

  const OwnedFd done_;
  std::thread thread_;
};

// Processes of one machine begin at different processors.
void UseProcessors(std::uint32_t count) {
  cpu_set_t allowed;
  if (count == 0 || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  std::vector<int> all;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) all.push_back(i);
  }
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  const std::size_t first = static_cast<std::size_t>(::getpid()) % all.size();
  for (std::size_t i = 0; i < std::min<std::size_t>(count, all.size()); ++i)
    CPU_SET(all[(first + i) % all.size()], &chosen);
  ::sched_setaffinity(0, sizeof chosen, &chosen);
}

Result<v1::GroupBootstrap> ReadBootstrap() {
  v1::GroupBootstrap bootstrap;
  const Result<std::string> bytes = ReadWhole(kBootstrapFd, kBootstrapMax);
  if (!bytes.ok() || !bootstrap.ParseFromString(*bytes) || bootstrap.data().empty())
    return absl::InvalidArgumentError(
        "\"tessera serve\" is started by \"tessera up\", for the groups of a topology; to start "
        "the platform, say \"tessera up\"");
  ::close(kBootstrapFd);
  for (const int fd : {kLeashFd, kListeningFd, kLockFd}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return bootstrap;
}

// What drives the process is spared: the first rule that matches decides.
Result<std::shared_ptr<FaultRules>> FaultsOnPurpose(const v1::GroupBootstrap& bootstrap) {
  if (bootstrap.faults().empty()) return std::shared_ptr<FaultRules>();
  std::vector<FaultRule> rules = {{.method = "tessera.v1.Group."}, {.method = "grpc."}};
  for (const v1::FaultOnPurpose& fault : bootstrap.faults()) {
    rules.push_back(FaultRule{.method = fault.method(),
                              .header = fault.header(),
                              .header_value = fault.header_value(),
                              .delay_percent = fault.delay_percent(),
                              .delay = std::chrono::microseconds(fault.delay_us()),
                              .abort_percent = fault.abort_percent(),
                              .abort_code = fault.abort_code()});
  }
  auto faults = std::make_shared<FaultRules>();
  TRY(faults->Set(std::move(rules)));
  return faults;
}

Status Serve(const sigset_t& signals) {
  TRY(const v1::GroupBootstrap bootstrap, ReadBootstrap());
  const Leash leash;
  UseProcessors(bootstrap.cpus());
  TRY(const ConfigSnapshot config, AppSchema().Parse(bootstrap.config(), bootstrap.config_name()));
  TRY(const DataFolder folder, DataFolder::Join(bootstrap.data()));
  ThreadPool disk("identity", 1);
  const auto audit =
      std::make_shared<AuditLog>(folder.Path("audit.jsonl"), disk, 8 << 20, bootstrap.process());
  TRY(const std::unique_ptr<ProcessTrust> trust,
      ProcessTrust::Make(config.Get<IdentityConfig>("identity"), bootstrap.identity(), audit,
                         disk));
  RecordRequests(config, bootstrap.group(), bootstrap.process());
  ServiceHost host(config, folder, *trust);
  RemoteServerConfig serving;
  serving.listeners = {
      RemoteListener{.address = bootstrap.address(), .adopted_socket = kListeningFd}};
  trust->Protect(serving);
  TRY(serving.faults, FaultsOnPurpose(bootstrap));
  RemoteServer server(serving, host.loops(), host.cpu());
  server.Serve(Bind(host.group()));
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
