#include "app/platform.h"

#include <chrono>
#include <utility>

#include "base/task.h"
#include "control/topology_spec.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr auto kStopTimeout = std::chrono::seconds(15);

}  // namespace

Result<std::unique_ptr<Platform>> Platform::Start(const ConfigSnapshot& config,
                                                  const std::string& data) {
  TRY(DataFolder folder, DataFolder::Open(data));
  LoopExecutor unused;
  TRY(std::unique_ptr<ProcessTrust> trust,
      ProcessTrust::Make({.mode = IdentityMode::kOff}, {}, nullptr, unused));
  std::unique_ptr<Platform> platform(new Platform(std::move(folder), config, std::move(trust)));
  TRY(SyncWait(platform->StartServices()));
  return platform;
}

Platform::Platform(DataFolder folder, const ConfigSnapshot& config,
                   std::unique_ptr<ProcessTrust> trust)
    : config_(config),
      folder_(std::move(folder)),
      trust_(std::move(trust)),
      host_(config_, folder_, *trust_) {}

Platform::~Platform() {
  const Status stopped = SyncWait(host_.Stop(SystemCtx().WithTimeout(kStopTimeout)));
  if (!stopped.ok())
    Log(LogLevel::kWarning, "a service did not stop well", {{"reason", stopped.ToString()}});
}

// In the order of their needs: a service may call those above it from its first moment.
Task<Status> Platform::StartServices() {
  const Ctx ctx = SystemCtx();
  v1::SetRoutesRequest routes;
  for (const std::string& service : ServicesInOrder()) {
    if (service == kGateway) continue;
    v1::StartServiceRequest start;
    start.set_service(service);
    start.set_instance(service);
    start.set_first(true);
    CO_TRY(co_await host_.group().StartService(ctx, start));
    v1::InstanceRequest instance;
    instance.set_instance(service);
    CO_TRY(co_await host_.group().ActivateService(ctx, instance));
    v1::ServiceRoute& route = *routes.add_routes();
    route.set_service(service);
    v1::RouteCluster& cluster = *route.add_clusters();
    cluster.set_name(service);
    cluster.set_weight(1);
    cluster.add_endpoints()->set_instance(service);
    CO_TRY(co_await host_.group().SetRoutes(ctx, routes));
  }
  co_return co_await MakeDefaultCollection(contracts());
}

Task<Status> MakeDefaultCollection(Contracts contracts) {
  const Ctx ctx = SystemCtx();
  v1::GetCollectionRequest get;
  get.set_name("default");
  const auto found = co_await contracts.retrieval.GetCollection(ctx, std::move(get));
  if (found.ok()) co_return absl::OkStatus();
  CO_TRY(const v1::ListModelsReply models,
         co_await contracts.inference.ListModels(ctx, v1::ListModelsRequest()));
  v1::CreateCollectionRequest create;
  create.set_name("default");
  for (const v1::Model& model : models.models()) {
    if (model.kind() != v1::MODEL_KIND_EMBEDDER || !model.is_default()) continue;
    create.mutable_embedder()->set_model(model.name());
    create.mutable_embedder()->set_digest(model.digest());
    create.mutable_embedder()->set_dimension(model.dimension());
  }
  CO_TRY(co_await contracts.retrieval.CreateCollection(ctx, std::move(create)));
  co_return absl::OkStatus();
}

}  // namespace tessera
