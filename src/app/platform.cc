#include "app/platform.h"

#include <thread>
#include <utility>

#include "app/components.h"
#include "base/task.h"
#include "edge/edge.h"
#include "extract/extractor.h"
#include "rpc/route_table.h"
#include "runtime/thread_pool.h"
#include "services/dataprep/local_dataprep.h"
#include "services/inference/local_inference.h"
#include "services/orchestration/local_orchestration.h"
#include "services/retrieval/local_retrieval.h"
#include "store/data_folder.h"
#include "telemetry/log.h"
#include "tessera/v1/dataprep_rpc.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/orchestration_rpc.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {
namespace {

constexpr int kBlockingThreads = 8;
constexpr auto kStopTimeout = std::chrono::seconds(15);

int CpuThreads() { return std::max(2, static_cast<int>(std::thread::hardware_concurrency())); }

/// Every contract's router in front of the one local instance of its service.
class LocalPlatform final : public Platform {
 public:
  static Result<std::unique_ptr<LocalPlatform>> Start(const ConfigSnapshot& config,
                                                      const std::string& data) {
    TRY(DataFolder folder, DataFolder::Open(data));
    auto platform = std::make_unique<LocalPlatform>(std::move(folder), config);
    TRY(platform->StartServices(config));
    return platform;
  }

  LocalPlatform(DataFolder folder, const ConfigSnapshot& config)
      : folder_(std::move(folder)),
        extractor_(ExtractionConfig(folder_)),
        loops_(static_cast<int>(config.Get<EdgeConfig>("server").io_threads)) {}

  ~LocalPlatform() override {
    const Ctx ctx = SystemCtx().WithTimeout(kStopTimeout);
    if (local_dataprep_) Warn(SyncWait(local_dataprep_->Stop(ctx)));
    local_dataprep_.reset();
    Warn(SyncWait(table_.Clear(ctx, dataprep_router_.route().id())));
    local_orchestration_.reset();
    Warn(SyncWait(table_.Clear(ctx, orchestration_router_.route().id())));
    if (local_inference_) Warn(SyncWait(local_inference_->Stop(ctx)));
    local_inference_.reset();
    Warn(SyncWait(table_.Clear(ctx, inference_router_.route().id())));
    if (local_retrieval_) Warn(SyncWait(local_retrieval_->Stop(ctx)));
    local_retrieval_.reset();
    Warn(SyncWait(table_.Clear(ctx, retrieval_router_.route().id())));
  }

  Dataprep& dataprep() override { return dataprep_router_; }
  Inference& inference() override { return inference_router_; }
  Orchestration& orchestration() override { return orchestration_router_; }
  Retrieval& retrieval() override { return retrieval_router_; }
  Executor& blocking() override { return blocking_; }
  Executor& cpu() override { return cpu_; }
  IoLoops& loops() override { return loops_; }

 private:
  static ExtractConfig ExtractionConfig(const DataFolder& folder) {
    ExtractConfig config;
    config.temp_dir = folder.tmp();
    return config;
  }

  static void Warn(const Status& status) {
    if (!status.ok()) {
      Log(LogLevel::kWarning, "a service did not stop well", {{"reason", status.ToString()}});
    }
  }

  template <class Contract, class Router, class Service>
  void Serve(Router& router, std::string name, std::shared_ptr<Service> service) {
    table_.Set(router.route().id(),
               {WeightedInstance{MakeInstance<Contract>(std::move(name), std::move(service)), 1}});
  }

  // In the order of their needs: a service may call those above it from its first moment.
  Status StartServices(const ConfigSnapshot& config) {
    TRY(local_retrieval_,
        LocalRetrieval::Open(config.Get<LocalRetrieval::Config>("services.retrieval"), folder_,
                             blocking_));
    Serve<Retrieval>(retrieval_router_, "retrieval", local_retrieval_);

    TRY(local_inference_,
        LocalInference::Open(config.Get<LocalInference::Config>("services.inference"),
                             folder_.path(), cpu_, &loops_));
    Serve<Inference>(inference_router_, "inference", local_inference_);

    TRY(local_orchestration_,
        LocalOrchestration::Make(config.Get<LocalOrchestration::Config>("services.orchestration"),
                                 inference_router_, retrieval_router_, cpu_));
    Serve<Orchestration>(orchestration_router_, "orchestration", local_orchestration_);

    TRY(local_dataprep_,
        LocalDataprep::Open(
            config.Get<LocalDataprep::Config>("services.dataprep"), folder_, retrieval_router_,
            inference_router_,
            [this](const std::string& path, const std::string& name, CancelToken cancel) {
              return extractor_.Open(path, name, std::move(cancel));
            },
            &loops_));
    Serve<Dataprep>(dataprep_router_, "dataprep", local_dataprep_);
    TRY(SyncWait(MakeDefaultCollection()));
    return local_dataprep_->Start();
  }

  // The collection "default" is there from the start, so that questions to it say "nothing found",
  // not "no collection".
  Task<Status> MakeDefaultCollection() {
    const Ctx ctx = SystemCtx();
    v1::GetCollectionRequest get;
    get.set_name("default");
    const auto found = co_await retrieval_router_.GetCollection(ctx, std::move(get));
    if (found.ok()) co_return absl::OkStatus();
    v1::ListModelsRequest list;
    CO_TRY(const v1::ListModelsReply models, co_await inference_router_.ListModels(ctx, list));
    v1::CreateCollectionRequest create;
    create.set_name("default");
    for (const v1::Model& model : models.models()) {
      if (model.kind() != v1::MODEL_KIND_EMBEDDER || !model.is_default()) continue;
      create.mutable_embedder()->set_model(model.name());
      create.mutable_embedder()->set_digest(model.digest());
      create.mutable_embedder()->set_dimension(model.dimension());
    }
    CO_TRY(co_await retrieval_router_.CreateCollection(ctx, std::move(create)));
    co_return absl::OkStatus();
  }

  const DataFolder folder_;
  Extractor extractor_;
  IoLoops loops_;
  ThreadPool blocking_{"blocking", kBlockingThreads};
  ThreadPool cpu_{"cpu", CpuThreads()};
  RouteTable table_;
  RetrievalRouter retrieval_router_{table_};
  InferenceRouter inference_router_{table_};
  OrchestrationRouter orchestration_router_{table_};
  DataprepRouter dataprep_router_{table_};
  std::shared_ptr<LocalRetrieval> local_retrieval_;
  std::shared_ptr<LocalInference> local_inference_;
  std::shared_ptr<LocalOrchestration> local_orchestration_;
  std::shared_ptr<LocalDataprep> local_dataprep_;
};

}  // namespace

Result<std::unique_ptr<Platform>> StartPlatform(const ConfigSnapshot& config,
                                                const std::string& data) {
  return LocalPlatform::Start(config, data);
}

}  // namespace tessera
