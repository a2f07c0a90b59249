#pragma once
// The processes of the platform: the one that was started and its children.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/child_processes.h"
#include "control/process_trust.h"
#include "control/topology_plan.h"
#include "identity/authority.h"
#include "net/io_loop.h"
#include "remote/channel.h"
#include "tessera/v1/group.tessera.h"
#include "tessera/v1/succession.tessera.h"

namespace tessera {

/// One process, until it ends; another one that takes its place is another object.
struct PlatformProcess {
  std::string name;     ///< "inference-0"
  Placement placement;  ///< of a child
  std::uint32_t replica = 0;
  int pid = 0;
  std::string address;               ///< where other processes of the platform call it
  Group* group = nullptr;            ///< how the controller drives it
  Succession* succession = nullptr;  ///< of a process with the edge
  bool leaves = false;               ///< a successor is in its place: it finishes what it began
  std::int64_t started_ms = 0;
  std::uint32_t restarts = 0;
  std::atomic<bool> dead{false};
  TlsIdentity identity;  ///< as it was issued; empty when it was not

  // Of a child; kept by the supervisor.
  OwnedFd leash;  ///< the child ends when this is closed, whoever closes it
  std::shared_ptr<RemoteChannel> channel;
  std::unique_ptr<Group> remote;
  std::unique_ptr<Succession> remote_succession;
  OwnedFd handover;  ///< to a successor: where the others' descriptors are sent
};
using PlatformProcessPtr = std::shared_ptr<PlatformProcess>;

/// What a successor of this process is given by whoever has the edge.
struct SuccessorParts {
  v1::SuccessorBootstrap bootstrap;
  std::vector<OwnedFd> descriptors;
};

/// Starts and ends child processes of this program. Thread-safe.
class Supervisor {
 public:
  struct Options {
    std::string data;
    std::string run_folder;  ///< for their sockets; only the platform's user can enter it
    std::string config;      ///< the configuration's text
    std::string config_name;
    int lock_fd = -1;  ///< of the data folder: the children hold the lock too, until they end
    const ProcessTrust* trust = nullptr;        ///< of this process
    CertificateAuthority* authority = nullptr;  ///< null: processes get their identities elsewhere
    IdentityConfig identity;
    int program = -1;  ///< the platform's own program as a descriptor; -1: the one that runs here
    std::function<Result<SuccessorParts>()> successor;
  };
  /// `ended` is told of every child that ends, on a thread of the supervisor.
  Supervisor(Options options, IoLoops& loops, std::function<void(PlatformProcessPtr)> ended);
  ~Supervisor();

  /// Returns when it answers. DEADLINE_EXCEEDED: it does not in time, and is killed.
  Task<Result<PlatformProcessPtr>> Start(Ctx ctx, Placement placement, std::uint32_t replica);
  /// Asks it to end and waits; kills it when ctx ends first.
  Task<Status> Stop(Ctx ctx, PlatformProcessPtr process);

  /// What `successor` needs to watch the others, and to keep them alive. The leash of a process
  /// stays here too, until Release().
  Status PassOn(const PlatformProcess& successor);
  /// Nothing is ended here any more, and nobody ends with this process.
  void Release();
  /// A process that the predecessor had, by what PassOn sent; without a handle it has ended.
  PlatformProcessPtr Adopt(const v1::ProcessState& state, OwnedFd handle, OwnedFd leash);
  /// It is watched and ended by itself from now on: a predecessor.
  Task<Status> LetGo(PlatformProcessPtr process);
  std::uint64_t next_socket();
  void set_next_socket(std::uint64_t next);

  void Kill(const PlatformProcess& process);
  /// Gives a process another identity when the one it has is half over.
  Task<Status> RenewIdentity(Ctx ctx, PlatformProcessPtr process);

 private:
  Result<TlsIdentity> Issue(const PlatformProcess& process);
  Result<PlatformProcessPtr> Spawn(const Placement& placement, std::uint32_t replica);
  Result<v1::GroupBootstrap> Tell(PlatformProcess& process);
  void Connect(PlatformProcess& process);
  void Ended(int pid, const std::string& how);

  const Options options_;
  IoLoops& loops_;
  const std::function<void(PlatformProcessPtr)> ended_;
  std::mutex mutex_;
  std::vector<PlatformProcessPtr> running_;
  std::uint64_t next_socket_ = 0;
  ChildProcesses children_;
};

}  // namespace tessera
