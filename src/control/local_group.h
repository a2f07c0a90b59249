#pragma once
// The Group contract in this process: its instances and its routes, as the controller sets them.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/contract_door.h"
#include "remote/cluster.h"
#include "rpc/route.h"
#include "runtime/handover.h"
#include "tessera/v1/group.tessera.h"

namespace tessera {

/// An instance as it was started.
struct HostedService {
  InstancePtr instance;
  Handover* handover = nullptr;  ///< of a service with state of its own; lives as long as instance
  /// Ends its background work, when no call is inside it any more.
  std::function<Task<Status>(Ctx)> stop;
};

/// How calls of this process to a service can be served now.
struct ServiceWay {
  std::string service;
  std::uint32_t instances = 0;  ///< that calls are led to
  std::uint32_t working = 0;    ///< of them: neither down, unhealthy, ejected nor broken
};

/// The calls of one service of this process to another.
struct CallerRoute {
  std::string from;
  std::string service;
  const CallRoute* route = nullptr;
};

/// Thread-safe.
class LocalGroup final : public Group {
 public:
  struct Parts {
    std::vector<std::unique_ptr<ContractDoor>> doors;
    RouteTable* routes = nullptr;  ///< what calls of this process follow
    RouteTable* served = nullptr;  ///< the instances of this process, for calls from outside
    /// Starts an instance; may block for seconds. INVALID_ARGUMENT: no such service.
    std::function<Result<HostedService>(const v1::StartServiceRequest& request)> start;
    /// A way to the endpoints of a cluster, none of them yet.
    std::function<std::shared_ptr<Cluster>(const ContractInfo& contract, const std::string& group)>
        connect;
    /// Who must be at an endpoint of a group; empty: anybody.
    std::function<std::string(const std::string& group)> peer_of;
    std::function<void(const v1::SetRoutesRequest& rules)> set_rules;
    std::function<Status(const v1::ProcessIdentity& identity)> set_identity;
    Executor* blocking = nullptr;
    std::function<v1::TakeSpansReply(const v1::TakeSpansRequest& request)> take_spans;
    std::vector<CallerRoute> callers;  ///< whose figures the status shows
    std::string version;               ///< of this program
  };
  explicit LocalGroup(Parts parts);
  ~LocalGroup() override;

  /// What a server of this process serves to others: the contracts of its services.
  std::vector<MethodBinding> ServedContracts();
  /// One for each service that calls of this process follow routes to, by name.
  std::vector<ServiceWay> Ways() const;
  /// Ends every instance, the last started first, and every way to others. Comes last.
  Task<Status> Stop(Ctx ctx);

  Task<Result<v1::ServiceInstance>> StartService(Ctx ctx, v1::StartServiceRequest request) override;
  Task<Result<v1::ServiceInstance>> ActivateService(Ctx ctx, v1::InstanceRequest request) override;
  Task<Result<v1::ServiceInstance>> YieldService(Ctx ctx, v1::InstanceRequest request) override;
  Task<Result<v1::ServiceInstance>> ForwardService(Ctx ctx, v1::InstanceRequest request) override;
  Task<Result<v1::StopServiceReply>> StopService(Ctx ctx, v1::StopServiceRequest request) override;
  Task<Result<v1::SetRoutesReply>> SetRoutes(Ctx ctx, v1::SetRoutesRequest request) override;
  Task<Result<v1::SetFlagsReply>> SetFlags(Ctx ctx, v1::SetFlagsRequest request) override;
  Task<Result<v1::DrainClusterReply>> DrainCluster(Ctx ctx,
                                                   v1::DrainClusterRequest request) override;
  Task<Result<v1::SetIdentityReply>> SetIdentity(Ctx ctx, v1::SetIdentityRequest request) override;
  Task<Result<v1::TakeSpansReply>> TakeSpans(Ctx ctx, v1::TakeSpansRequest request) override;
  Task<Result<v1::ProcessFigures>> GetFigures(Ctx ctx, v1::GetFiguresRequest request) override;
  Task<Result<v1::GroupStatus>> GetGroupStatus(Ctx ctx, v1::GetGroupStatusRequest request) override;

 private:
  struct Hosted {
    std::uint64_t order = 0;
    v1::ServiceInstance status;
    HostedService service;
  };
  struct Target {
    v1::RouteCluster spec;
    std::string service;
    InstancePtr instance;           // what calls of this process enter
    std::shared_ptr<Cluster> peer;  // null: it is an instance of this process
    bool routed = false;
  };
  using StepOfHandover = Task<Status> (Handover::*)(Ctx);

  Result<ContractDoor*> FindDoor(const std::string& service);
  Result<std::shared_ptr<Hosted>> FindHosted(const std::string& instance);
  v1::ServiceInstance StatusOf(const Hosted& hosted) const;
  void ServeToOthers(const Hosted& hosted);
  void NoLongerServed(const Hosted& hosted);
  std::vector<InstancePtr> EntriesOf(const Hosted& hosted) const;
  std::vector<InstancePtr> LockedEntriesOf(const Hosted& hosted) const;
  Task<Status> WaitUntilEmpty(Ctx ctx, std::vector<InstancePtr> entries);
  Task<Status> End(std::shared_ptr<Hosted> hosted, Ctx ctx);
  Task<Result<v1::ServiceInstance>> HandOver(Ctx ctx, std::string instance, StepOfHandover step,
                                             v1::InstanceState then);
  std::vector<MeshEndpoint> EndpointsOf(
      const google::protobuf::RepeatedPtrField<v1::RouteEndpoint>& listed) const;
  Result<Target*> FindOrMakeTarget(const ContractDoor& door, const v1::RouteCluster& spec);
  v1::ClusterFigures FiguresOf(const Target& target) const;
  v1::CallerFigures FiguresOf(const CallerRoute& caller) const;

  const Parts parts_;
  mutable std::mutex mutex_;  // for all below
  std::uint64_t next_order_ = 0;
  std::uint64_t routes_version_ = 0;
  std::map<std::string, std::shared_ptr<Hosted>> hosted_;  // by instance
  std::map<std::string, Target> targets_;                  // by the cluster's name
};

}  // namespace tessera
