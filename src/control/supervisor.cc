#include "control/supervisor.h"

#include <chrono>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/str_join.h"
#include "base/str.h"
#include "control/control_state.h"
#include "control/passed_descriptors.h"
#include "logs/log_message.h"
#include "runtime/timer.h"
#include "telemetry/log.h"
#include "telemetry/process_name.h"
#include "tessera/v1/group_remote.tessera.h"
#include "tessera/v1/succession_remote.tessera.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(10);
constexpr std::size_t kProcessesPerMessage = 50;

Status Died(const PlatformProcess& process) {
  return absl::UnavailableError(
      StrCat("the process ", process.name, " ended while it started; its log says why"));
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

Result<v1::GroupBootstrap> Supervisor::Tell(PlatformProcess& process) {
  v1::GroupBootstrap bootstrap;
  bootstrap.set_process(process.name);
  bootstrap.set_group(process.placement.in_root ? CurrentProcessName().group
                                                : process.placement.group);
  bootstrap.set_data(options_.data);
  bootstrap.set_config(options_.config);
  bootstrap.set_config_name(options_.config_name);
  bootstrap.set_address(process.address);
  bootstrap.set_cpus(process.placement.spec.cpus);
  *bootstrap.mutable_log_levels() = ToMessage(CurrentLogLevels());
  for (const FaultRule& rule : process.placement.spec.faults)
    *bootstrap.add_faults() = ToMessage(rule);
  if (options_.authority != nullptr) {
    TRY(process.identity, Issue(process));
    *bootstrap.mutable_identity() = ToMessage(process.identity);
  }
  return bootstrap;
}

Result<PlatformProcessPtr> Supervisor::Spawn(const Placement& placement, std::uint32_t replica) {
  auto process = std::make_shared<PlatformProcess>();
  const bool succeeds = placement.in_root;
  process->placement = placement;
  process->replica = replica;
  process->started_ms = WallMillis();
  std::string path;
  {
    std::lock_guard lock(mutex_);
    process->name = StrCat(succeeds ? "gateway" : placement.group, "-",
                           succeeds ? next_socket_ : std::uint64_t{replica});
    path = StrCat(options_.run_folder, "/", next_socket_++, ".sock");
  }
  process->address = StrCat("unix:", path);
  TRY(const OwnedFd listening, ListenOnUnixSocket(path));
  int leash[2];
  if (::pipe2(leash, O_CLOEXEC) != 0) return absl::UnavailableError("cannot make a pipe");
  const OwnedFd leash_end(leash[0]);
  process->leash = OwnedFd(leash[1]);
  TRY(v1::GroupBootstrap bootstrap, Tell(*process));
  SuccessorParts parts;
  OwnedFd handover_end;
  if (succeeds) {
    TRY(parts, options_.successor());
    TRY(std::tie(process->handover, handover_end), MakeSocketPair());
    *bootstrap.mutable_successor() = parts.bootstrap;
  }
  TRY(const OwnedFd told, FileOf(bootstrap.SerializeAsString()));
  ChildSpec child{.binary = placement.spec.binary,
                  .program = options_.program,
                  .args = {succeeds ? "succeed" : "serve", process->name},
                  .descriptors = {told.get(), leash_end.get(), listening.get(), options_.lock_fd}};
  if (succeeds) child.descriptors.push_back(handover_end.get());
  for (const OwnedFd& fd : parts.descriptors) child.descriptors.push_back(fd.get());

  std::lock_guard lock(mutex_);  // Ended() must find it
  TRY(process->pid, children_.Start(child));
  running_.push_back(process);
  return process;
}

void Supervisor::Connect(PlatformProcess& process) {
  RemoteChannelConfig config;
  config.address = process.address;
  options_.trust->Protect(
      config, process.placement.in_root ? kRootGroup : std::string_view(process.placement.group));
  process.channel = std::make_shared<RemoteChannel>(config, loops_);
  process.remote = std::make_unique<GroupRemote>(*process.channel);
  process.group = process.remote.get();
  if (!process.placement.in_root) return;
  process.remote_succession = std::make_unique<SuccessionRemote>(*process.channel);
  process.succession = process.remote_succession.get();
}

Task<Result<PlatformProcessPtr>> Supervisor::Start(Ctx ctx, Placement placement,
                                                   std::uint32_t replica) {
  CO_TRY(PlatformProcessPtr process, Spawn(placement, replica));
  Connect(*process);
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

// "PID COUNT" of each, in the order of their descriptors: the pidfd, then the leash if it has one.
Status Supervisor::PassOn(const PlatformProcess& successor) {
  std::vector<std::pair<int, std::vector<int>>> all;
  std::vector<OwnedFd> handles;
  handles.emplace_back(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  all.push_back({::getpid(), {handles.back().get()}});
  std::lock_guard lock(mutex_);
  for (const PlatformProcessPtr& process : running_) {
    if (process.get() == &successor) continue;
    handles.push_back(children_.Handle(process->pid));
    if (!handles.back()) continue;  // it has just ended
    all.push_back({process->pid, {handles.back().get()}});
    if (process->leash) all.back().second.push_back(process->leash.get());
  }
  for (std::size_t begin = 0; begin < all.size(); begin += kProcessesPerMessage) {
    std::string text;
    std::vector<int> descriptors;
    const std::size_t end = std::min(all.size(), begin + kProcessesPerMessage);
    for (std::size_t i = begin; i < end; ++i) {
      StrAppend(&text, all[i].first, " ", all[i].second.size(), " ");
      descriptors.insert(descriptors.end(), all[i].second.begin(), all[i].second.end());
    }
    TRY(SendDescriptors(successor.handover.get(), text, descriptors));
  }
  return SendDescriptors(successor.handover.get(), "end", {});
}

void Supervisor::Release() {
  children_.Release();
  std::lock_guard lock(mutex_);
  for (const PlatformProcessPtr& process : running_) process->leash = OwnedFd();
  running_.clear();
}

PlatformProcessPtr Supervisor::Adopt(const v1::ProcessState& state, OwnedFd handle, OwnedFd leash) {
  auto process = std::make_shared<PlatformProcess>();
  process->name = state.name();
  process->placement = FromMessage(state.placement());
  process->replica = state.replica();
  process->pid = state.pid();
  process->address = state.address();
  process->started_ms = state.started_ms();
  process->restarts = state.restarts();
  process->identity = FromMessage(state.identity());
  process->leaves = state.leaves();
  process->leash = std::move(leash);
  Connect(*process);
  if (!handle) {
    process->dead = true;
    ended_(process);
    return process;
  }
  std::lock_guard lock(mutex_);
  running_.push_back(process);
  children_.Adopt(process->pid, std::move(handle));
  return process;
}

Task<Status> Supervisor::LetGo(PlatformProcessPtr process) {
  children_.Forget(process->pid);
  {
    std::lock_guard lock(mutex_);
    std::erase(running_, process);
  }
  return process->channel->Close();
}

std::uint64_t Supervisor::next_socket() {
  std::lock_guard lock(mutex_);
  return next_socket_;
}
void Supervisor::set_next_socket(std::uint64_t next) {
  std::lock_guard lock(mutex_);
  next_socket_ = next;
}

void Supervisor::Kill(const PlatformProcess& process) { children_.Signal(process.pid, SIGKILL); }

}  // namespace tessera
