#include "control/deployment.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/str.h"
#include "control/control_state.h"
#include "runtime/when_all.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr auto kPushTimeout = std::chrono::seconds(20);
constexpr auto kEndTimeout = std::chrono::seconds(20);
constexpr auto kLeaveSlack = std::chrono::seconds(5);
constexpr std::uint64_t kVersionsSkipped = 1000;

int LastService(const PlatformProcess& process) {
  const auto& order = ServicesInOrder();
  int last = -1;
  for (const std::string& service : process.placement.spec.services) {
    const auto at = std::find(order.begin(), order.end(), service);
    last = std::max(last, static_cast<int>(at - order.begin()));
  }
  return last;
}

google::protobuf::RepeatedPtrField<v1::RouteEndpoint> EndpointsOf(const DeployedCluster& cluster) {
  google::protobuf::RepeatedPtrField<v1::RouteEndpoint> endpoints;
  for (const DeployedInstance& instance : cluster.instances) {
    v1::RouteEndpoint& endpoint = *endpoints.Add();
    endpoint.set_instance(instance.name);
    endpoint.set_address(instance.process->address);
    endpoint.set_group(cluster.placement.in_root ? std::string(kRootGroup)
                                                 : cluster.placement.group);
  }
  return endpoints;
}

}  // namespace

RoutedClusters Deployment::Routed(const std::string& service) const {
  const auto found = routes_.find(service);
  return found == routes_.end() ? RoutedClusters() : found->second;
}

Task<Result<PlatformProcessPtr>> Deployment::EnsureProcess(Ctx ctx, Placement placement,
                                                           std::uint32_t replica) {
  if (placement.in_root && root_->placement.SameProcessesAs(placement)) co_return root_;
  if (placement.in_root && successor_) co_return successor_;
  for (const PlatformProcessPtr& process : processes_) {
    if (process != root_ && !process->dead && process->replica == replica &&
        process->placement.SameProcessesAs(placement))
      co_return process;
  }
  CO_TRY(PlatformProcessPtr process, co_await supervisor_.Start(ctx, placement, replica));
  processes_.push_back(process);
  const Status told = co_await PushFlags(process);
  if (!told.ok()) supervisor_.Kill(*process);
  if (!told.ok()) co_return told;
  co_await PushRoutesToAll();  // the others let its calls in
  co_return process;
}

Task<Status> Deployment::StartSuccessor(Ctx ctx, Placement placement) {
  CO_TRY(successor_, co_await EnsureProcess(std::move(ctx), std::move(placement), 0));
  co_return absl::OkStatus();
}

Task<void> Deployment::DismissSuccessor(Ctx ctx, std::chrono::milliseconds limit) {
  const PlatformProcessPtr successor = std::exchange(successor_, nullptr);
  if (!successor) co_return;
  if (!successor->dead) {
    v1::LeaveEdgeRequest leave;
    leave.set_timeout_ms(static_cast<std::uint32_t>(limit.count()));
    const auto left = co_await successor->succession->LeaveEdge(
        ctx.WithTimeout(limit + kLeaveSlack), std::move(leave));
    if (!left.ok() && !successor->dead)
      Log(LogLevel::kWarning, "the edge of a successor that is not wanted did not end well",
          {{"process", successor->name}, {"reason", left.status().ToString()}});
  }
  Remove(successor);
  const Status stopped = co_await supervisor_.Stop(ctx.WithTimeout(kEndTimeout), successor);
}

Task<Result<DeployedClusterPtr>> Deployment::Start(Ctx ctx, std::string service,
                                                   Placement placement, DeployedClusterPtr reuse) {
  std::string name = StrCat(service, "/", ++next_cluster_);
  return StartNamed(std::move(ctx), std::move(name), std::move(service), std::move(placement),
                    std::move(reuse));
}

Task<Result<DeployedClusterPtr>> Deployment::Mend(Ctx ctx, DeployedClusterPtr broken) {
  return StartNamed(std::move(ctx), broken->name, broken->service, broken->placement, broken);
}

Task<Result<DeployedClusterPtr>> Deployment::StartNamed(Ctx ctx, std::string name,
                                                        std::string service, Placement placement,
                                                        DeployedClusterPtr reuse) {
  auto cluster = std::make_shared<DeployedCluster>();
  cluster->name = name;
  cluster->service = service;
  cluster->placement = placement;
  auto touched = std::make_shared<std::vector<PlatformProcessPtr>>();
  const Status started = co_await StartInto(ctx, cluster, reuse, touched);
  if (started.ok()) co_return cluster;
  const Ctx cleaning = SystemCtx().WithTimeout(kEndTimeout);
  for (const DeployedInstance& instance : cluster->instances) {
    if (!reuse || !reuse->Has(instance.name))
      co_await StopInstance(cleaning, instance, kEndTimeout / 2);
  }
  co_await StopIdle(cleaning, *touched);
  co_return started;
}

Task<Status> Deployment::StartInto(Ctx ctx, std::shared_ptr<DeployedCluster> cluster,
                                   DeployedClusterPtr reuse,
                                   std::shared_ptr<std::vector<PlatformProcessPtr>> touched) {
  const Placement& placement = cluster->placement;
  const std::uint32_t replicas = placement.in_root ? 1 : placement.spec.replicas;
  for (std::uint32_t replica = 0; replica < replicas; ++replica) {
    CO_TRY(const PlatformProcessPtr process, co_await EnsureProcess(ctx, placement, replica));
    touched->push_back(process);
    const DeployedInstance* kept = reuse ? reuse->In(*process) : nullptr;
    if (kept != nullptr) {
      cluster->has_state = reuse->has_state;
      cluster->instances.push_back(*kept);
      continue;
    }
    v1::StartServiceRequest start;
    start.set_service(cluster->service);
    start.set_instance(StrCat(cluster->service, "-", ++next_instance_));
    start.set_first(first_);
    const auto started = co_await process->group->StartService(ctx, start);
    if (process->dead)
      co_return absl::UnavailableError(StrCat("the process ", process->name, " ended while ",
                                              cluster->service, " started in it"));
    if (!started.ok()) co_return started.status();
    instances_.emplace(process.get(), StartedInstance{cluster->service, start.instance()});
    cluster->has_state = started->has_state();
    cluster->instances.push_back({.name = start.instance(), .process = process});
  }
  co_return absl::OkStatus();
}

Task<void> Deployment::StopIdle(Ctx ctx, std::vector<PlatformProcessPtr> processes) {
  for (const PlatformProcessPtr& process : processes) {
    // Who has the edge does not end with its services.
    if (process->placement.in_root || instances_.contains(process.get())) continue;
    Remove(process);
    const Status stopped = co_await supervisor_.Stop(ctx, process);
  }
}

Task<Status> Deployment::Each(Ctx ctx, DeployedClusterPtr cluster, InstanceVerb verb) {
  for (const DeployedInstance& instance : cluster->instances) {
    v1::InstanceRequest request;
    request.set_instance(instance.name);
    const auto done = co_await (instance.process->group->*verb)(ctx, std::move(request));
    if (!done.ok()) co_return done.status();
  }
  co_return absl::OkStatus();
}

Task<Status> Deployment::Activate(Ctx ctx, DeployedClusterPtr cluster) {
  return Each(std::move(ctx), std::move(cluster), &Group::ActivateService);
}
Task<Status> Deployment::Yield(Ctx ctx, DeployedClusterPtr cluster) {
  return Each(std::move(ctx), std::move(cluster), &Group::YieldService);
}
Task<Status> Deployment::Forward(Ctx ctx, DeployedClusterPtr cluster) {
  return Each(std::move(ctx), std::move(cluster), &Group::ForwardService);
}

v1::SetRoutesRequest Deployment::RoutesMessage() const {
  v1::SetRoutesRequest request;
  request.set_version(routes_version_);
  for (const auto& [service, clusters] : routes_) {
    v1::ServiceRoute& route = *request.add_routes();
    route.set_service(service);
    FillRoute(clusters, route);
  }
  FillRules(request);
  return request;
}

// Where nobody of a version lives, its calls, also those that wait for it, go to the one that has
// most of them.
void Deployment::FillRoute(const RoutedClusters& clusters, v1::ServiceRoute& route) const {
  const DeployedCluster* stand_in = nullptr;
  std::uint32_t most = 0;
  for (const auto& [cluster, weight] : clusters) {
    if (cluster->AllDead() || weight <= most) continue;
    stand_in = cluster.get();
    most = weight;
  }
  for (const auto& [cluster, weight] : clusters) {
    const bool gone = stand_in != nullptr && cluster->AllDead();
    v1::RouteCluster& row = *route.add_clusters();
    row.set_name(cluster->name);
    row.set_weight(gone ? 0 : weight);
    *row.mutable_endpoints() = EndpointsOf(gone ? *stand_in : *cluster);
    // They are another's instances: no process is to enter one of its own under this name.
    for (v1::RouteEndpoint& endpoint : *row.mutable_endpoints()) {
      if (gone) endpoint.clear_instance();
    }
  }
}

// Who is in a process decides what its group may call; its own contract for what it passes on to a
// successor.
void Deployment::FillRules(v1::SetRoutesRequest& request) const {
  static const std::map<std::string, std::vector<std::string>> kCalls = {
      {"retrieval", {"tessera.v1.Retrieval"}},
      {"inference", {"tessera.v1.Inference"}},
      {"orchestration", {"tessera.v1.Inference", "tessera.v1.Retrieval"}},
      {"dataprep", {"tessera.v1.Dataprep", "tessera.v1.Inference", "tessera.v1.Retrieval"}}};
  std::map<std::string, std::set<std::string>> rules;
  for (const PlatformProcessPtr& process : processes_) {
    if (process->placement.in_root) continue;
    // What it was started for, and what came to it later.
    std::vector<std::string> services = process->placement.spec.services;
    const auto [begin, end] = instances_.equal_range(process.get());
    for (auto one = begin; one != end; ++one) services.push_back(one->second.service);
    for (const std::string& service : services) {
      const auto calls = kCalls.find(service);
      if (calls == kCalls.end()) continue;
      rules[process->placement.group].insert(calls->second.begin(), calls->second.end());
    }
  }
  for (const std::string& group : revoked_.groups) request.add_denied_groups(group);
  for (const std::string& serial : revoked_.certificates) request.add_denied_serials(serial);
  for (const auto& [group, contracts] : rules) {
    v1::CallRule& rule = *request.add_rules();
    rule.set_group(group);
    for (const std::string& contract : contracts) rule.add_contracts(contract);
  }
}

Task<Status> Deployment::PushRoutes(PlatformProcessPtr process) {
  const auto set =
      co_await process->group->SetRoutes(SystemCtx().WithTimeout(kPushTimeout), RoutesMessage());
  co_return set.status();
}

Task<Status> Deployment::PushFlags(PlatformProcessPtr process) {
  const auto set = co_await process->group->SetFlags(SystemCtx().WithTimeout(kPushTimeout), flags_);
  co_return set.status();
}

Task<void> Deployment::PushRoutesToAll() {
  ++routes_version_;
  return PushToAll(&Deployment::PushRoutes, "routes");
}

Task<void> Deployment::PushToAll(Push push, std::string_view what) {
  if (left_) co_return;
  const std::vector<PlatformProcessPtr> processes = processes_;
  std::vector<Task<Status>> pushes;
  // Not with the end of a move that is cancelled: who were told only half of it would be killed.
  for (const PlatformProcessPtr& process : processes) pushes.push_back((this->*push)(process));
  const std::vector<Status> pushed = co_await WhenAll(std::move(pushes));
  for (std::size_t i = 0; i < pushed.size(); ++i) {
    if (pushed[i].ok() || processes[i]->dead || processes[i] == root_ || processes[i]->leaves)
      continue;
    Log(LogLevel::kError, "a process does not take what it is told and is killed",
        {{"process", processes[i]->name}, {"told", what}, {"reason", pushed[i].ToString()}});
    supervisor_.Kill(*processes[i]);
  }
}

Task<void> Deployment::Route(std::string service, RoutedClusters clusters) {
  routes_[service] = std::move(clusters);
  return PushRoutesToAll();
}

Task<void> Deployment::RouteInstead(DeployedClusterPtr last, DeployedClusterPtr next) {
  for (auto& [cluster, weight] : routes_[last->service]) {
    if (cluster == last) cluster = next;
  }
  return PushRoutesToAll();
}

Task<void> Deployment::SetFlags(v1::SetFlagsRequest flags) {
  if (flags.version() >= flags_.version()) flags_ = std::move(flags);
  return PushToAll(&Deployment::PushFlags, "flags");
}

Task<void> Deployment::Revoke(RevokedSpec revoked) {
  revoked_ = std::move(revoked);
  return PushRoutesToAll();
}

Task<void> Deployment::StopInstance(Ctx ctx, DeployedInstance instance,
                                    std::chrono::milliseconds limit) {
  if (!instance.process->dead) {
    v1::StopServiceRequest request;
    request.set_instance(instance.name);
    request.set_timeout_ms(static_cast<std::uint32_t>(limit.count()));
    const auto stopped = co_await instance.process->group->StopService(ctx, std::move(request));
    if (!stopped.ok() && !instance.process->dead)
      Log(LogLevel::kWarning, "an instance did not stop well",
          {{"instance", instance.name}, {"reason", stopped.status().ToString()}});
  }
  std::erase_if(instances_, [&](const auto& one) { return one.second.name == instance.name; });
}

Task<void> Deployment::Retire(Ctx ctx, DeployedClusterPtr cluster, DeployedClusterPtr survivor,
                              std::chrono::milliseconds limit) {
  v1::DrainClusterRequest drain;
  drain.set_cluster(cluster->name);
  drain.set_timeout_ms(static_cast<std::uint32_t>(limit.count()));
  if (survivor) *drain.mutable_instead() = EndpointsOf(*survivor);
  const std::vector<PlatformProcessPtr> callers = processes_;
  std::vector<Task<Result<v1::DrainClusterReply>>> drains;
  for (const PlatformProcessPtr& process : callers) {
    if (!process->dead) drains.push_back(process->group->DrainCluster(ctx, drain));
  }
  for (const auto& drained : co_await WhenAll(std::move(drains))) {
    if (!drained.ok())
      Log(LogLevel::kWarning, "a cluster did not drain",
          {{"cluster", cluster->name}, {"reason", drained.status().ToString()}});
  }
  std::vector<PlatformProcessPtr> touched;
  for (const DeployedInstance& instance : cluster->instances) {
    touched.push_back(instance.process);
    if (!survivor || !survivor->Has(instance.name)) co_await StopInstance(ctx, instance, limit);
  }
  co_await StopIdle(ctx.WithTimeout(kEndTimeout), std::move(touched));
}

Task<SideFigures> Deployment::Figures(Ctx ctx, DeployedClusterPtr cluster) {
  const std::vector<PlatformProcessPtr> callers = processes_;
  std::vector<Task<Result<v1::GroupStatus>>> asked;
  for (const PlatformProcessPtr& process : callers) {
    if (!process->dead)
      asked.push_back(process->group->GetGroupStatus(ctx, v1::GetGroupStatusRequest()));
  }
  SideFigures sum;
  for (const auto& status : co_await WhenAll(std::move(asked))) {
    if (!status.ok()) continue;
    for (const v1::ClusterFigures& figures : status->clusters()) {
      if (figures.cluster() == cluster->name) AddFigures(figures, sum);
    }
  }
  co_return sum;
}

void Deployment::Remove(const PlatformProcessPtr& process) {
  std::erase(processes_, process);
  std::erase_if(instances_, [&](const auto& one) { return one.first == process.get(); });
}

void Deployment::AddCluster(const DeployedClusterPtr& cluster, v1::ControlState& state) {
  for (const v1::ClusterState& known : state.clusters()) {
    if (known.name() == cluster->name) return;
  }
  v1::ClusterState& row = *state.add_clusters();
  row.set_name(cluster->name);
  row.set_service(cluster->service);
  *row.mutable_placement() = ToMessage(cluster->placement);
  row.set_has_state(cluster->has_state);
  for (const DeployedInstance& instance : cluster->instances) {
    v1::ClusterState::Instance& one = *row.add_instances();
    one.set_name(instance.name);
    one.set_pid(instance.process->pid);
  }
}

void Deployment::Save(v1::ControlState& state) const {
  for (const PlatformProcessPtr& process : processes_) {
    if (process == successor_) continue;
    v1::ProcessState& row = *state.add_processes();
    row.set_pid(process->pid);
    row.set_name(process->name);
    *row.mutable_placement() = ToMessage(process->placement);
    row.set_replica(process->replica);
    row.set_address(process->address);
    row.set_started_ms(process->started_ms);
    row.set_restarts(process->restarts);
    *row.mutable_identity() = ToMessage(process->identity);
    row.set_leaves(process == root_);
  }
  for (const auto& [service, sides] : routes_) {
    v1::RouteState& route = *state.add_routes();
    route.set_service(service);
    for (const auto& [cluster, weight] : sides) {
      AddCluster(cluster, state);
      v1::RouteState::Side& side = *route.add_sides();
      side.set_cluster(cluster->name);
      side.set_weight(weight);
    }
  }
  state.set_routes_version(routes_version_);
  state.set_next_instance(next_instance_);
  state.set_next_cluster(next_cluster_);
}

void Deployment::Leave() {
  left_ = true;
  instances_.clear();
}

void Deployment::SkipVersions() { routes_version_ += kVersionsSkipped; }

Result<std::map<std::string, DeployedClusterPtr>> Deployment::Restore(
    const v1::ControlState& state, std::vector<PlatformProcessPtr> processes) {
  for (PlatformProcessPtr& process : processes) processes_.push_back(std::move(process));
  std::map<std::string, DeployedClusterPtr> clusters;
  for (const v1::ClusterState& row : state.clusters()) {
    auto cluster = std::make_shared<DeployedCluster>();
    cluster->name = row.name();
    cluster->service = row.service();
    cluster->placement = FromMessage(row.placement());
    cluster->has_state = row.has_state();
    for (const v1::ClusterState::Instance& one : row.instances()) {
      const auto process = std::find_if(processes_.begin(), processes_.end(),
                                        [&](const auto& it) { return it->pid == one.pid(); });
      if (process == processes_.end())
        return absl::InvalidArgumentError(StrCat("nobody has the instance ", one.name()));
      cluster->instances.push_back({.name = one.name(), .process = *process});
      instances_.emplace(process->get(), StartedInstance{row.service(), one.name()});
    }
    clusters[row.name()] = std::move(cluster);
  }
  for (const v1::RouteState& route : state.routes()) {
    for (const v1::RouteState::Side& side : route.sides()) {
      const auto found = clusters.find(side.cluster());
      if (found == clusters.end())
        return absl::InvalidArgumentError(StrCat("there is no cluster ", side.cluster()));
      routes_[route.service()].emplace_back(found->second, side.weight());
    }
  }
  routes_version_ = state.routes_version();
  next_instance_ = state.next_instance();
  next_cluster_ = state.next_cluster();
  first_ = false;
  return clusters;
}

Task<void> Deployment::StopChildren(Ctx ctx) {
  std::vector<PlatformProcessPtr> children = processes_;
  std::erase(children, root_);
  std::stable_sort(children.begin(), children.end(),
                   [](const auto& a, const auto& b) { return LastService(*a) > LastService(*b); });
  for (const PlatformProcessPtr& child : children) {
    Remove(child);
    if (left_ || child->leaves) {  // it is another's, or ends by itself
      const Status closed = co_await supervisor_.LetGo(child);
      continue;
    }
    const Status stopped = co_await supervisor_.Stop(ctx.WithTimeout(kEndTimeout), child);
  }
}

}  // namespace tessera
