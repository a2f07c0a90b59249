#include "app/service_host.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "app/logging.h"
#include "app/version.h"
#include "base/str.h"
#include "edge/edge.h"
#include "edge/proxy/stand_ins.h"
#include "services/dataprep/local_dataprep.h"
#include "services/inference/local_inference.h"
#include "services/orchestration/local_orchestration.h"
#include "services/orchestration/recording.h"
#include "services/retrieval/local_retrieval.h"
#include "tessera/v1/dataprep_remote.tessera.h"
#include "tessera/v1/inference_remote.tessera.h"
#include "tessera/v1/orchestration_remote.tessera.h"
#include "tessera/v1/retrieval_remote.tessera.h"
#include "traces/trace_collector.h"

namespace tessera {
namespace {

constexpr int kBlockingThreads = 8;

int CpuThreads() { return std::max(2, static_cast<int>(std::thread::hardware_concurrency())); }

ExtractConfig ExtractionConfig(const DataFolder& folder) {
  ExtractConfig config;
  config.temp_dir = folder.tmp();
  return config;
}

/// `outward`: what callers see of the service, itself by default.
template <class Contract, class Service>
HostedService Hosted(const std::string& name, std::shared_ptr<Service> service,
                     std::shared_ptr<Contract> outward = nullptr) {
  HostedService hosted;
  hosted.instance = MakeInstance<Contract>(name, outward ? std::move(outward) : service);
  if constexpr (std::is_base_of_v<Handover, Service>) hosted.handover = service.get();
  if constexpr (requires { service->Stop(Ctx()); }) {
    // Not shared: the instance's end is the service's end.
    hosted.stop = [alive = service.get()](Ctx ctx) { return alive->Stop(std::move(ctx)); };
  } else {
    hosted.stop = [](Ctx) -> Task<Status> { co_return absl::OkStatus(); };
  }
  return hosted;
}

template <class Contract, class Service>
HostedService Hosted(const std::string& name, std::unique_ptr<Service> made) {
  return Hosted<Contract>(name, std::shared_ptr<Service>(std::move(made)));
}

}  // namespace

std::shared_ptr<RecordingStore> Recorded(const ConfigSnapshot& config, const DataFolder& folder) {
  return std::make_shared<RecordingStore>(
      folder.Path("recordings"), config.Get<RecordingConfig>("recordings"), RedactorOf(config));
}

ServiceHost::ServiceHost(const ConfigSnapshot& config, const DataFolder& folder,
                         ProcessTrust& trust)
    : config_(config),
      folder_(folder),
      trust_(trust),
      extractor_(ExtractionConfig(folder)),
      loops_(static_cast<int>(config.Get<EdgeConfig>("server").io_threads)),
      blocking_("blocking", kBlockingThreads),
      starting_("starting", 2),
      cpu_("cpu", CpuThreads()),
      gateway_(routes_),
      retrieval_(routes_),
      orchestration_(routes_),
      dataprep_(routes_),
      group_(GroupParts()) {}

LocalGroup::Parts ServiceHost::GroupParts() {
  LocalGroup::Parts parts;
  parts.doors.push_back(std::make_unique<DoorOf<Retrieval, RetrievalRemote>>("retrieval", served_));
  parts.doors.push_back(std::make_unique<DoorOf<Inference, InferenceRemote>>("inference", served_));
  parts.doors.push_back(
      std::make_unique<DoorOf<Orchestration, OrchestrationRemote>>("orchestration", served_));
  parts.doors.push_back(std::make_unique<DoorOf<Dataprep, DataprepRemote>>("dataprep", served_));
  parts.routes = &routes_;
  parts.served = &served_;
  parts.blocking = &starting_;
  parts.callers = {{"gateway", "orchestration", &gateway_.orchestration.route()},
                   {"gateway", "inference", &gateway_.inference.route()},
                   {"gateway", "retrieval", &gateway_.retrieval.route()},
                   {"gateway", "dataprep", &gateway_.dataprep.route()},
                   {"orchestration", "inference", &orchestration_.inference.route()},
                   {"orchestration", "retrieval", &orchestration_.retrieval.route()},
                   {"dataprep", "inference", &dataprep_.inference.route()},
                   {"dataprep", "retrieval", &dataprep_.retrieval.route()}};
  parts.take_spans = TakeOwnSpans;
  parts.version = kVersion;
  parts.start = [this](const v1::StartServiceRequest& request) { return StartInstance(request); };
  parts.set_rules = [this](const v1::SetRoutesRequest& rules) { trust_.SetRules(rules); };
  parts.set_identity = [this](const v1::ProcessIdentity& identity) {
    return trust_.SetIdentity(identity);
  };
  parts.connect = [this](const ContractInfo& contract, const std::string& group) {
    ClusterConfig config;
    config.name = contract.full_name;
    config.policy = config_.Get<MeshConfig>("mesh").For(config.name);
    trust_.Protect(config.channel, group);
    return std::make_shared<Cluster>(std::move(config), loops_);
  };
  parts.peer_of = [this](const std::string& group) { return trust_.PeerOf(group); };
  return parts;
}

Result<HostedService> ServiceHost::StartInstance(const v1::StartServiceRequest& request) {
  if (request.service() == "retrieval") return StartRetrieval(request);
  if (request.service() == "inference") return StartInference(request);
  if (request.service() == "orchestration") return StartOrchestration(request);
  if (request.service() == "dataprep") return StartDataprep(request);
  return absl::InvalidArgumentError(
      StrCat("there is no service called \"", request.service(), "\""));
}

Result<HostedService> ServiceHost::StartRetrieval(const v1::StartServiceRequest& request) {
  const auto& config = config_.Get<LocalRetrieval::Config>("services.retrieval");
  auto open = request.first() ? &LocalRetrieval::Open : &LocalRetrieval::OpenStandby;
  TRY(auto service, open(config, folder_, blocking_, &retrieval_.retrieval));
  std::shared_ptr<LocalRetrieval> local = std::move(service);
  TRY(auto outward,
      StandIn(config_.Get<StandInConfig>("contracts"), std::shared_ptr<Retrieval>(local), loops_));
  return Hosted<Retrieval>(request.instance(), std::move(local), std::move(outward));
}

Result<HostedService> ServiceHost::StartInference(const v1::StartServiceRequest& request) {
  TRY(auto service, LocalInference::Open(config_.Get<LocalInference::Config>("services.inference"),
                                         folder_.path(), cpu_, &loops_));
  std::shared_ptr<LocalInference> local = std::move(service);
  TRY(auto outward,
      StandIn(config_.Get<StandInConfig>("contracts"), std::shared_ptr<Inference>(local), loops_));
  return Hosted<Inference>(request.instance(), std::move(local), std::move(outward));
}

Result<HostedService> ServiceHost::StartOrchestration(const v1::StartServiceRequest& request) {
  const auto make = [this](Inference& inference, Retrieval& retrieval) {
    return LocalOrchestration::Make(
        config_.Get<LocalOrchestration::Config>("services.orchestration"), inference, retrieval,
        cpu_, [this]() -> Executor& { return loops_.Any(); });
  };
  const auto& recordings = config_.Get<RecordingConfig>("recordings");
  if (recordings.enabled) {
    TRY(auto recorded, RecordingOrchestration::Make(recordings, Recorded(config_, folder_),
                                                    orchestration_.inference,
                                                    orchestration_.retrieval, blocking_, make));
    return Hosted<Orchestration>(request.instance(), std::move(recorded));
  }
  TRY(auto service, make(orchestration_.inference, orchestration_.retrieval));
  return Hosted<Orchestration>(request.instance(), std::move(service));
}

Result<HostedService> ServiceHost::StartDataprep(const v1::StartServiceRequest& request) {
  TRY(auto service,
      LocalDataprep::Open(
          config_.Get<LocalDataprep::Config>("services.dataprep"), folder_, dataprep_.retrieval,
          dataprep_.inference,
          [this](const std::string& path, const std::string& name, CancelToken cancel) {
            return extractor_.Open(path, name, std::move(cancel));
          },
          &loops_, &dataprep_.dataprep));
  return Hosted<Dataprep>(request.instance(), std::move(service));
}

}  // namespace tessera
