#include "control/supervisor.h"

#include <chrono>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/str.h"
#include "runtime/timer.h"
#include "telemetry/log.h"
#include "tessera/v1/group_remote.tessera.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(10);

Status Died(const PlatformProcess& process) {
  return absl::UnavailableError(
      StrCat("the process ", process.name, " ended while it started; its log says why"));
}

void AddFault(const FaultRule& rule, v1::GroupBootstrap& to) {
  v1::FaultOnPurpose& fault = *to.add_faults();
  fault.set_method(rule.method);
  fault.set_header(rule.header);
  fault.set_header_value(rule.header_value);
  fault.set_delay_percent(rule.delay_percent);
  fault.set_delay_us(std::chrono::duration_cast<std::chrono::microseconds>(rule.delay).count());
  fault.set_abort_percent(rule.abort_percent);
  fault.set_abort_code(rule.abort_code);
}

}  // namespace

Supervisor::Supervisor(Options options, IoLoops& loops,
                       std::function<void(PlatformProcessPtr)> ended)
    : options_(std::move(options)),
      loops_(loops),
      ended_(std::move(ended)),
      children_([this](int pid, const std::string& how) { Ended(pid, how); }) {}

Supervisor::~Supervisor() = default;

void Supervisor::Ended(int pid, const std::string& how) {
  PlatformProcessPtr process;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(running_, [&](const PlatformProcessPtr& one) {
      if (one->pid != pid) return false;
      process = one;
      return true;
    });
  }
  if (!process) return;
  process->dead = true;
  Log(LogLevel::kInfo, "a process ended", {{"process", process->name}, {"pid", pid}, {"how", how}});
  ended_(process);
}

Result<TlsIdentity> Supervisor::Issue(const PlatformProcess& process) {
  const bool root = process.placement.in_root;
  return options_.authority->Issue(SpiffeIdOf(
      options_.identity, root ? kRootGroup : process.placement.group,
      root ? std::vector<std::string>{std::string(kGateway)} : process.placement.spec.services));
}

Task<Status> Supervisor::RenewIdentity(Ctx ctx, PlatformProcessPtr process) {
  if (options_.authority == nullptr) co_return absl::OkStatus();
  CO_TRY(const Duration left, TimeToRenew(process->identity));
  if (left > Duration::zero()) co_return absl::OkStatus();
  CO_TRY(TlsIdentity next, Issue(*process));
  v1::SetIdentityRequest request;
  *request.mutable_identity() = ToMessage(next);
  CO_TRY(co_await process->group->SetIdentity(ctx, std::move(request)));
  process->identity = std::move(next);
  co_return absl::OkStatus();
}

Result<PlatformProcessPtr> Supervisor::Spawn(const Placement& placement, std::uint32_t replica) {
  auto process = std::make_shared<PlatformProcess>();
  process->name = StrCat(placement.group, "-", replica);
  process->placement = placement;
  process->replica = replica;
  process->started_ms = WallMillis();
  std::string path;
  {
    std::lock_guard lock(mutex_);
    path = StrCat(options_.run_folder, "/", next_socket_++, ".sock");
  }
  process->address = StrCat("unix:", path);
  TRY(const OwnedFd listening, ListenOnUnixSocket(path));
  int leash[2];
  if (::pipe2(leash, O_CLOEXEC) != 0) return absl::UnavailableError("cannot make a pipe");
  const OwnedFd leash_end(leash[0]);
  process->leash = OwnedFd(leash[1]);
  v1::GroupBootstrap bootstrap;
  bootstrap.set_process(process->name);
  bootstrap.set_group(placement.group);
  bootstrap.set_data(options_.data);
  bootstrap.set_config(options_.config);
  bootstrap.set_config_name(options_.config_name);
  bootstrap.set_address(process->address);
  bootstrap.set_cpus(placement.spec.cpus);
  for (const FaultRule& rule : placement.spec.faults) AddFault(rule, bootstrap);
  if (options_.authority != nullptr) {
    TRY(process->identity, Issue(*process));
    *bootstrap.mutable_identity() = ToMessage(process->identity);
  }
  TRY(const OwnedFd told, FileOf(bootstrap.SerializeAsString()));

  std::lock_guard lock(mutex_);  // Ended() must find it
  TRY(process->pid, children_.Start({.binary = placement.spec.binary,
                                     .args = {"serve", process->name},
                                     .descriptors = {told.get(), leash_end.get(), listening.get(),
                                                     options_.lock_fd}}));
  running_.push_back(process);
  return process;
}

Task<Result<PlatformProcessPtr>> Supervisor::Start(Ctx ctx, Placement placement,
                                                   std::uint32_t replica) {
  CO_TRY(PlatformProcessPtr process, Spawn(placement, replica));
  RemoteChannelConfig config;
  config.address = process->address;
  options_.trust->Protect(config, process->placement.group);
  process->channel = std::make_shared<RemoteChannel>(config, loops_);
  process->remote = std::make_unique<GroupRemote>(*process->channel);
  process->group = process->remote.get();
  // It listens already: the answer comes when it has started.
  while (true) {
    const auto answered = co_await process->group->GetGroupStatus(ctx, v1::GetGroupStatusRequest());
    if (answered.ok()) break;
    const bool dead = process->dead;
    if (!dead && ctx.Check().ok()) {
      const Status ignored = co_await SleepFor(ctx, kLook);
      continue;
    }
    Kill(*process);
    CO_TRY(co_await process->channel->Close());
    if (dead) co_return Died(*process);
    co_return absl::DeadlineExceededError(
        StrCat("the process ", process->name, " does not answer; it was ended"));
  }
  Log(LogLevel::kInfo, "a process started", {{"process", process->name}, {"pid", process->pid}});
  co_return process;
}

Task<Status> Supervisor::Stop(Ctx ctx, PlatformProcessPtr process) {
  children_.Signal(process->pid, SIGTERM);
  while (!process->dead) {
    if (!ctx.Check().ok()) {
      Log(LogLevel::kWarning, "a process does not end and is killed", {{"process", process->name}});
      Kill(*process);
      break;
    }
    const Status ignored = co_await SleepFor(ctx, kLook);
  }
  co_return co_await process->channel->Close();
}

void Supervisor::Kill(const PlatformProcess& process) { children_.Signal(process.pid, SIGKILL); }

}  // namespace tessera
