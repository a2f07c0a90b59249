#include "control/local_group.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/fault.h"
#include "base/str.h"
#include "flags/flags.h"
#include "runtime/thread_pool.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

template <class Figures>
void AddMethod(const MethodInfo& method, const CallMetrics& metrics, Figures& to) {
  const Histogram::Snapshot seconds = metrics.seconds();
  if (seconds.count == 0) return;
  v1::MethodFigures& row = *to.add_methods();
  row.set_method(std::string(method.name));
  row.set_calls(seconds.count);
  for (const std::uint64_t bucket : seconds.buckets) row.add_buckets(bucket);
  std::uint64_t faults = 0;
  for (std::size_t code = 0; code < CallMetrics::kCodes; ++code) {
    const auto as_code = static_cast<absl::StatusCode>(code);
    if (IsFault(as_code)) faults += metrics.errors(as_code);
  }
  row.set_faults(faults);
}

}  // namespace

LocalGroup::LocalGroup(Parts parts) : parts_(std::move(parts)) {}
LocalGroup::~LocalGroup() = default;

std::vector<MethodBinding> LocalGroup::ServedContracts() {
  std::vector<MethodBinding> all;
  for (const auto& door : parts_.doors) {
    for (MethodBinding& binding : door->Bindings()) all.push_back(std::move(binding));
  }
  return all;
}

// In the order of their needs, backwards: a service may call those below it until its own end.
Task<Status> LocalGroup::Stop(Ctx ctx) {
  std::vector<std::shared_ptr<Hosted>> instances;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, hosted] : hosted_) instances.push_back(hosted);
  }
  std::sort(instances.begin(), instances.end(),
            [](const auto& a, const auto& b) { return a->order > b->order; });
  Status first;
  for (const auto& hosted : instances) {
    Status stopped = co_await hosted->service.stop(ctx);
    const ContractDoor* const door = *FindDoor(hosted->status.service());
    parts_.routes->Set(parts_.routes->Find(door->info().full_name), {});
    if (stopped.ok()) stopped = co_await End(hosted, ctx);
    if (first.ok()) first = stopped;
  }
  std::map<std::string, Target> targets;
  {
    std::lock_guard lock(mutex_);
    targets.swap(targets_);
  }
  for (const auto& door : parts_.doors)
    parts_.routes->Set(parts_.routes->Find(door->info().full_name), {});
  for (auto& [name, target] : targets) {
    if (target.peer) CO_TRY(co_await target.peer->Close());
    CO_TRY(co_await target.instance->in_flight().WaitUntilEmpty(ctx));
  }
  co_return first;
}

Result<ContractDoor*> LocalGroup::FindDoor(const std::string& service) {
  for (const auto& door : parts_.doors) {
    if (door->service() == service) return door.get();
  }
  return absl::InvalidArgumentError(StrCat("there is no service called \"", service, "\""));
}

Result<std::shared_ptr<LocalGroup::Hosted>> LocalGroup::FindHosted(const std::string& instance) {
  std::lock_guard lock(mutex_);
  const auto found = hosted_.find(instance);
  if (found == hosted_.end())
    return absl::NotFoundError(StrCat("this process has no instance called ", instance));
  if (found->second->status.state() == v1::INSTANCE_STATE_STARTING)
    return absl::FailedPreconditionError(StrCat(instance, " is still starting"));
  return found->second;
}

// With mutex_ held.
v1::ServiceInstance LocalGroup::StatusOf(const Hosted& hosted) const {
  v1::ServiceInstance status = hosted.status;
  std::int64_t in_flight = 0;
  if (hosted.service.instance) {
    for (const InstancePtr& entry : EntriesOf(hosted)) in_flight += entry->in_flight().count();
  }
  status.set_in_flight(in_flight);
  return status;
}

// The newest instance that serves takes the calls that come from other processes.
void LocalGroup::ServeToOthers(const Hosted& hosted) {
  for (const auto& door : parts_.doors) {
    if (door->service() != hosted.status.service()) continue;
    parts_.served->Set(parts_.served->Find(door->info().full_name),
                       {WeightedInstance{hosted.service.instance, 1}});
  }
}

Task<Result<v1::ServiceInstance>> LocalGroup::StartService(Ctx, v1::StartServiceRequest request) {
  CO_TRY([[maybe_unused]] ContractDoor * door, FindDoor(request.service()));
  auto hosted = std::make_shared<Hosted>();
  hosted->status.set_service(request.service());
  hosted->status.set_instance(request.instance());
  hosted->status.set_state(v1::INSTANCE_STATE_STARTING);
  {
    std::lock_guard lock(mutex_);
    hosted->order = next_order_++;
    const auto [at, is_new] = hosted_.try_emplace(request.instance(), hosted);
    if (!is_new) {
      if (at->second->status.state() == v1::INSTANCE_STATE_STARTING)
        co_return absl::FailedPreconditionError(StrCat(request.instance(), " is still starting"));
      co_return StatusOf(*at->second);
    }
  }
  Result<HostedService> started =
      co_await RunOn(*parts_.blocking, [this, &request] { return parts_.start(request); });
  std::lock_guard lock(mutex_);
  if (!started.ok()) {
    hosted_.erase(request.instance());
    co_return started.status();
  }
  hosted->service = *std::move(started);
  const bool has_state = hosted->service.handover != nullptr;
  hosted->status.set_has_state(has_state);
  hosted->status.set_state(has_state ? v1::INSTANCE_STATE_STANDBY : v1::INSTANCE_STATE_SERVING);
  if (!has_state) ServeToOthers(*hosted);
  co_return StatusOf(*hosted);
}

Task<Result<v1::ServiceInstance>> LocalGroup::HandOver(Ctx ctx, std::string instance,
                                                       StepOfHandover step,
                                                       v1::InstanceState then) {
  CO_TRY(const std::shared_ptr<Hosted> hosted, FindHosted(instance));
  if (hosted->service.handover != nullptr) {
    CO_TRY(co_await (hosted->service.handover->*step)(std::move(ctx)));
    std::lock_guard lock(mutex_);
    hosted->status.set_state(then);
    if (then == v1::INSTANCE_STATE_SERVING) ServeToOthers(*hosted);
  }
  std::lock_guard lock(mutex_);
  co_return StatusOf(*hosted);
}

Task<Result<v1::ServiceInstance>> LocalGroup::ActivateService(Ctx ctx,
                                                              v1::InstanceRequest request) {
  return HandOver(std::move(ctx), request.instance(), &Handover::Activate,
                  v1::INSTANCE_STATE_SERVING);
}
Task<Result<v1::ServiceInstance>> LocalGroup::YieldService(Ctx ctx, v1::InstanceRequest request) {
  return HandOver(std::move(ctx), request.instance(), &Handover::Yield, v1::INSTANCE_STATE_YIELDED);
}
Task<Result<v1::ServiceInstance>> LocalGroup::ForwardService(Ctx ctx, v1::InstanceRequest request) {
  return HandOver(std::move(ctx), request.instance(), &Handover::Forward,
                  v1::INSTANCE_STATE_DRAINING);
}

// The counts of calls inside an instance: those from outside, and those of this process. With
// mutex_ held.
std::vector<InstancePtr> LocalGroup::EntriesOf(const Hosted& hosted) const {
  std::vector<InstancePtr> entries = {hosted.service.instance};
  for (const auto& [name, target] : targets_) {
    if (target.peer) continue;
    for (const v1::RouteEndpoint& endpoint : target.spec.endpoints()) {
      if (endpoint.instance() == hosted.status.instance()) entries.push_back(target.instance);
    }
  }
  return entries;
}

std::vector<InstancePtr> LocalGroup::LockedEntriesOf(const Hosted& hosted) const {
  std::lock_guard lock(mutex_);
  return EntriesOf(hosted);
}

Task<Status> LocalGroup::WaitUntilEmpty(Ctx ctx, std::vector<InstancePtr> entries) {
  for (const InstancePtr& entry : entries) CO_TRY(co_await entry->in_flight().WaitUntilEmpty(ctx));
  co_return absl::OkStatus();
}

// No route of this process leads to it, and its background work has ended.
Task<Status> LocalGroup::End(std::shared_ptr<Hosted> hosted, Ctx ctx) {
  NoLongerServed(*hosted);
  CO_TRY(co_await WaitUntilEmpty(std::move(ctx), LockedEntriesOf(*hosted)));
  co_await RunOn(*parts_.blocking, [&hosted] { hosted->service.instance->Stop(); });
  std::lock_guard lock(mutex_);
  hosted_.erase(hosted->status.instance());
  co_return absl::OkStatus();
}

void LocalGroup::NoLongerServed(const Hosted& hosted) {
  const ContractDoor* const door = *FindDoor(hosted.status.service());
  const RouteTable::RouteId route = parts_.served->Find(door->info().full_name);
  std::vector<WeightedInstance> served = parts_.served->Get(route);
  const auto removed = std::erase_if(
      served, [&](const WeightedInstance& one) { return one.instance == hosted.service.instance; });
  if (removed > 0) parts_.served->Set(route, std::move(served));
}

Task<Result<v1::StopServiceReply>> LocalGroup::StopService(Ctx ctx,
                                                           v1::StopServiceRequest request) {
  std::shared_ptr<Hosted> hosted;
  {
    std::lock_guard lock(mutex_);
    const auto found = hosted_.find(request.instance());
    if (found == hosted_.end()) co_return v1::StopServiceReply();  // it has ended already
    hosted = found->second;
    if (hosted->status.state() == v1::INSTANCE_STATE_STARTING)
      co_return absl::FailedPreconditionError(StrCat(request.instance(), " is still starting"));
    for (const auto& [name, target] : targets_) {
      if (target.peer || !target.routed || target.service != hosted->status.service()) continue;
      for (const v1::RouteEndpoint& endpoint : target.spec.endpoints()) {
        if (endpoint.instance() == request.instance())
          co_return absl::FailedPreconditionError(
              StrCat("routes still lead to ", request.instance(), ", in the cluster ", name));
      }
    }
    hosted->status.set_state(v1::INSTANCE_STATE_DRAINING);
  }
  NoLongerServed(*hosted);
  const Ctx limit = ctx.WithTimeout(std::chrono::milliseconds(request.timeout_ms()));
  const Status empty = co_await WaitUntilEmpty(limit, LockedEntriesOf(*hosted));
  if (!empty.ok())
    Log(LogLevel::kWarning, "calls inside an instance are cut", {{"instance", request.instance()}});
  CO_TRY(co_await hosted->service.stop(ctx));
  CO_TRY(co_await End(hosted, ctx));
  co_return v1::StopServiceReply();
}

// Those of a cluster that is gone may be of another group.
std::vector<MeshEndpoint> LocalGroup::EndpointsOf(
    const google::protobuf::RepeatedPtrField<v1::RouteEndpoint>& listed) const {
  std::vector<MeshEndpoint> endpoints;
  for (const v1::RouteEndpoint& endpoint : listed)
    endpoints.push_back({.address = endpoint.address(), .peer = parts_.peer_of(endpoint.group())});
  return endpoints;
}

// With mutex_ held.
Result<LocalGroup::Target*> LocalGroup::FindOrMakeTarget(const ContractDoor& door,
                                                         const v1::RouteCluster& spec) {
  if (spec.endpoints().empty())
    return absl::InvalidArgumentError(StrCat("the cluster ", spec.name(), " has no endpoints"));
  const auto [at, is_new] = targets_.try_emplace(spec.name());
  Target& target = at->second;
  target.spec = spec;
  if (is_new) {
    target.service = door.service();
    for (const v1::RouteEndpoint& endpoint : spec.endpoints()) {
      const auto hosted = hosted_.find(endpoint.instance());
      if (hosted == hosted_.end()) continue;
      const InstancePtr& own = hosted->second->service.instance;
      // Its own count of calls: an instance may be in two clusters, one of which drains.
      target.instance = std::make_shared<Instance>(spec.name(), own->target(), own);
      return &target;
    }
    target.peer = parts_.connect(door.info(), spec.endpoints(0).group());
    target.instance = door.Elsewhere(spec.name(), target.peer);
  }
  // An instance that died is there again at another address: calls that wait go on there.
  if (target.peer) target.peer->SetEndpoints(EndpointsOf(spec.endpoints()));
  return &target;
}

Task<Result<v1::SetRoutesReply>> LocalGroup::SetRoutes(Ctx, v1::SetRoutesRequest request) {
  std::lock_guard lock(mutex_);
  if (request.version() < routes_version_) {
    co_return absl::FailedPreconditionError(StrCat("routes of version ", request.version(),
                                                   " came after those of version ", routes_version_,
                                                   ": another controller is at work"));
  }
  routes_version_ = request.version();
  parts_.set_rules(request);
  for (const v1::ServiceRoute& route : request.routes()) {
    CO_TRY(ContractDoor * door, FindDoor(route.service()));
    for (auto& [name, target] : targets_) {
      if (target.service == route.service()) target.routed = false;
    }
    std::vector<WeightedInstance> instances;
    for (const v1::RouteCluster& spec : route.clusters()) {
      CO_TRY(Target * target, FindOrMakeTarget(*door, spec));
      target->routed = true;
      if (route.clusters_size() > 1) target->instance->Watch(door->info().methods.size());
      instances.push_back(WeightedInstance{target->instance, spec.weight()});
    }
    parts_.routes->Set(parts_.routes->Find(door->info().full_name), std::move(instances));
  }
  co_return v1::SetRoutesReply();
}

Task<Result<v1::SetFlagsReply>> LocalGroup::SetFlags(Ctx, v1::SetFlagsRequest request) {
  CO_TRY(std::shared_ptr<const FlagSet> flags, FlagSet::Make(request));
  SetCurrentFlags(std::move(flags));
  co_return v1::SetFlagsReply();
}

Task<Result<v1::TakeSpansReply>> LocalGroup::TakeSpans(Ctx, v1::TakeSpansRequest request) {
  const auto take = [this, &request] { return parts_.take_spans(request); };
  co_return co_await RunOn(*parts_.blocking, take);
}

Task<Result<v1::ProcessFigures>> LocalGroup::GetFigures(Ctx, v1::GetFiguresRequest) {
  std::vector<MethodFiguresOf> methods;
  for (const CallerRoute& caller : parts_.callers) {
    for (const auto& door : parts_.doors) {
      if (door->service() != caller.service) continue;
      const auto& infos = door->info().methods;
      for (std::size_t i = 0; i < infos.size(); ++i)
        methods.push_back({caller.from, infos[i].full_name, &caller.route->metrics(i)});
    }
  }
  v1::ProcessFigures figures;
  *figures.mutable_text() = Metrics::Process().Text();
  AppendCallFigures(*figures.mutable_text(), methods);
  co_return figures;
}

Task<Result<v1::DrainClusterReply>> LocalGroup::DrainCluster(Ctx ctx,
                                                             v1::DrainClusterRequest request) {
  InstancePtr instance;
  std::shared_ptr<Cluster> peer;
  {
    std::lock_guard lock(mutex_);
    const auto found = targets_.find(request.cluster());
    if (found == targets_.end()) co_return v1::DrainClusterReply();
    if (found->second.routed)
      co_return absl::FailedPreconditionError(
          StrCat("the routes still lead to ", request.cluster()));
    instance = found->second.instance;
    peer = found->second.peer;
  }
  // Calls inside finish where they are; what finds nobody there any more goes elsewhere.
  if (peer && !request.instead().empty()) peer->SetEndpoints(EndpointsOf(request.instead()));
  const Ctx limit = ctx.WithTimeout(std::chrono::milliseconds(request.timeout_ms()));
  const Status empty = co_await instance->in_flight().WaitUntilEmpty(limit);
  if (!empty.ok() && !peer) co_return empty;
  // Cuts what takes longer than the limit.
  if (peer) CO_TRY(co_await peer->Close());
  if (!empty.ok()) CO_TRY(co_await instance->in_flight().WaitUntilEmpty(ctx));
  {
    std::lock_guard lock(mutex_);
    targets_.erase(request.cluster());
  }
  instance->Stop();
  co_return v1::DrainClusterReply();
}

Task<Result<v1::SetIdentityReply>> LocalGroup::SetIdentity(Ctx, v1::SetIdentityRequest request) {
  CO_TRY(parts_.set_identity(request.identity()));
  co_return v1::SetIdentityReply();
}

// With mutex_ held.
std::vector<ServiceWay> LocalGroup::Ways() const {
  std::map<std::string, ServiceWay> ways;
  std::lock_guard lock(mutex_);
  for (const auto& [name, target] : targets_) {
    if (!target.routed) continue;
    ServiceWay& way = ways[target.service];
    way.service = target.service;
    if (!target.peer) {
      ++way.instances;
      ++way.working;
      continue;
    }
    for (const ClusterSnapshot::Endpoint& endpoint : target.peer->Snapshot().endpoints) {
      ++way.instances;
      if (endpoint.takes_calls()) ++way.working;
    }
  }
  std::vector<ServiceWay> all;
  for (auto& [service, way] : ways) all.push_back(std::move(way));
  return all;
}

v1::ClusterFigures LocalGroup::FiguresOf(const Target& target) const {
  v1::ClusterFigures figures;
  figures.set_cluster(target.spec.name());
  figures.set_service(target.service);
  figures.set_weight(target.routed ? target.spec.weight() : 0);
  figures.set_in_flight(target.instance->in_flight().count());
  const InstanceFigures* const watched = target.instance->figures();
  if (watched == nullptr) return figures;
  for (const auto& door : parts_.doors) {
    if (door->service() != target.service) continue;
    for (std::size_t i = 0; i < watched->size(); ++i)
      AddMethod(door->info().methods[i], watched->of(i), figures);
  }
  // What was sent again had failed, although its caller does not know.
  const std::uint64_t retries = target.peer ? target.peer->Snapshot().retries : 0;
  if (retries > 0) {
    v1::MethodFigures& row = *figures.add_methods();
    row.set_method("(sent again)");
    row.set_faults(retries);
  }
  return figures;
}

v1::CallerFigures LocalGroup::FiguresOf(const CallerRoute& caller) const {
  v1::CallerFigures figures;
  figures.set_from(caller.from);
  figures.set_service(caller.service);
  for (const auto& door : parts_.doors) {
    if (door->service() != caller.service) continue;
    const auto& methods = door->info().methods;
    for (std::size_t i = 0; i < methods.size(); ++i)
      AddMethod(methods[i], caller.route->metrics(i), figures);
  }
  return figures;
}

Task<Result<v1::GroupStatus>> LocalGroup::GetGroupStatus(Ctx, v1::GetGroupStatusRequest) {
  v1::GroupStatus status;
  std::lock_guard lock(mutex_);
  for (const auto& [name, hosted] : hosted_) *status.add_instances() = StatusOf(*hosted);
  for (const auto& [name, target] : targets_) *status.add_clusters() = FiguresOf(target);
  for (const CallerRoute& caller : parts_.callers) *status.add_callers() = FiguresOf(caller);
  status.set_routes_version(routes_version_);
  status.set_flags_version(CurrentFlags()->version());
  status.set_version(parts_.version);
  co_return status;
}

}  // namespace tessera
