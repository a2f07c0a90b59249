#pragma once
// The first process of a platform: its own services, and the controller of all processes.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/config_file.h"
#include "app/gateway_process.h"
#include "app/lineage.h"
#include "app/run_folder.h"
#include "app/service_host.h"
#include "control/local_topology.h"
#include "flags/local_flags.h"
#include "profiling/own_profiles.h"
#include "remote/server.h"
#include "tessera/v1/flags_rpc.tessera.h"
#include "tessera/v1/topology_rpc.tessera.h"

namespace tessera {

/// Thread-safe once started. Destroying it ends the children, unless a successor has them, then its
/// own services.
class RootProcess {
 public:
  /// Takes the data folder and brings up `wanted`, or the topology that was reached last. Returns
  /// when all of it serves. FAILED_PRECONDITION when another platform has the folder.
  static Result<std::unique_ptr<RootProcess>> Start(const ConfigDocument& config,
                                                    const std::string& data,
                                                    std::optional<TopologySpec> wanted,
                                                    Lineage& lineage);
  /// In a process that is to take the place of another one, which goes on meanwhile.
  static Result<std::unique_ptr<RootProcess>> Succeed(const ConfigDocument& config,
                                                      const v1::GroupBootstrap& bootstrap,
                                                      Lineage& lineage);
  ~RootProcess();
  RootProcess(const RootProcess&) = delete;

  ServiceHost& host() { return *host_; }
  /// Wherever the controller is now.
  Topology& topology() { return topology_router_; }
  Flags& flags() { return flags_router_; }
  GatewayProcess& gateway() { return gateway_; }
  const DataFolder& folder() const { return folder_; }
  /// Where has_control().
  LocalTopology& topology_here() { return *topology_; }
  ProcessProfiles& own_profiles() { return *own_profiles_; }
  AuditLog& audit() { return *audit_; }

  /// What the other processes have recorded; nothing where the controller is another process.
  Task<std::vector<v1::TakeSpansReply>> TakeSpans(Ctx ctx, v1::TakeSpansRequest request);
  /// What each process says of itself now; this one alone where the controller is another process.
  Task<std::vector<FiguresOfProcess>> AskFigures(Ctx ctx);
  /// The controller is in this process.
  bool has_control() const { return has_control_.load(); }

  /// Who follows the topology, wherever the controller is; null: nobody any more. Error: the
  /// present one cannot be followed.
  Status SetFollower(TopologyFollower* follower);
  /// What a successor is given by whoever has the edge.
  void SetSuccessorParts(std::function<Result<SuccessorParts>()> parts);
  /// The predecessor has finished what it began, or ctx has ended.
  Task<Status> AwaitPredecessor(Ctx ctx);
  /// What the other processes have said; nothing where the controller is another process.
  Task<std::vector<TakenLogs>> TakeLogs(Ctx ctx, TakeLogsQuestion question);

 private:
  RootProcess(const ConfigDocument& config, DataFolder folder, RunFolder run, Lineage& lineage);
  Status StartAll(TopologyStore store, std::optional<TopologySpec> wanted);
  Status StartFlags();
  Status StartServing(int listening);
  void MakeTopology(TopologyStore store);
  Supervisor::Options SupervisorOptions();
  Task<Status> TakeOver(Ctx ctx, v1::ControlState state);
  Status PrepareToTakeOver(std::vector<PassedDescriptors>* passed);
  void ControlIsHere();
  void ControlIsThere(std::shared_ptr<RemoteChannel> channel);
  void Settled(const PlatformProcessPtr& successor);
  Result<SuccessorParts> PartsOfSuccessor();

  const ConfigDocument config_;
  const DataFolder folder_;
  RunFolder run_;
  std::string run_path_;
  Lineage& lineage_;
  OwnedFd lock_;  ///< of a successor: the folder's
  const IdentityConfig identity_;
  RouteTable control_;
  TopologyRouter topology_router_{control_};
  FlagsRouter flags_router_{control_};
  std::shared_ptr<PlatformProcess> self_;
  std::mutex mutex_;
  std::function<Result<SuccessorParts>()> successor_parts_;  // under mutex_
  std::atomic<bool> has_control_{false};
  TopologyFollower* follower_ = nullptr;
  std::shared_ptr<RemoteChannel> predecessor_;  ///< null: there is none
  ThreadPool disk_{"identity", 1};
  std::shared_ptr<AuditLog> audit_;
  std::unique_ptr<CertificateAuthority> authority_;  // null: identities come from elsewhere
  std::unique_ptr<ProcessTrust> trust_;
  std::unique_ptr<ServiceHost> host_;
  std::unique_ptr<OwnProfiles> own_profiles_;
  GatewayProcess gateway_;
  std::unique_ptr<RemoteServer> server_;
  std::unique_ptr<LocalTopology> topology_;  // null in a successor until it takes over
  std::unique_ptr<LocalFlags> flags_;
  std::unique_ptr<Flags> flags_there_;
};

}  // namespace tessera
