#pragma once
// What a process of the platform is made of: threads, routes, and whichever services it is told to
// start.

#include <memory>
#include <string>

#include "config/schema.h"
#include "control/local_group.h"
#include "control/process_trust.h"
#include "edge/facades/facades.h"
#include "extract/extractor.h"
#include "net/io_loop.h"
#include "rpc/route_table.h"
#include "runtime/thread_pool.h"
#include "services/orchestration/recording_store.h"
#include "store/data_folder.h"
#include "tessera/v1/dataprep_rpc.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/orchestration_rpc.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {

/// Where runs are recorded: DATA/recordings.
std::shared_ptr<RecordingStore> Recorded(const ConfigSnapshot& config, const DataFolder& folder);

/// How one service of this process calls the others: wherever the routes lead now.
struct Callers {
  explicit Callers(RouteTable& routes)
      : inference(routes), retrieval(routes), dataprep(routes), orchestration(routes) {}
  Contracts contracts() { return {inference, retrieval, dataprep, orchestration}; }

  InferenceRouter inference;
  RetrievalRouter retrieval;
  DataprepRouter dataprep;
  OrchestrationRouter orchestration;
};

/// Thread-safe. Stop() before it is destroyed.
class ServiceHost {
 public:
  /// All given outlive it.
  ServiceHost(const ConfigSnapshot& config, const DataFolder& folder, ProcessTrust& trust);
  ServiceHost(const ServiceHost&) = delete;

  LocalGroup& group() { return group_; }
  /// Of the edge, or of whoever calls from outside the services.
  Callers& callers() { return gateway_; }
  Executor& blocking() { return blocking_; }
  Executor& cpu() { return cpu_; }
  IoLoops& loops() { return loops_; }

  /// Ends the services, the last started first.
  Task<Status> Stop(Ctx ctx) { return group_.Stop(std::move(ctx)); }

 private:
  LocalGroup::Parts GroupParts();
  Result<HostedService> StartInstance(const v1::StartServiceRequest& request);
  Result<HostedService> StartRetrieval(const v1::StartServiceRequest& request);
  Result<HostedService> StartInference(const v1::StartServiceRequest& request);
  Result<HostedService> StartOrchestration(const v1::StartServiceRequest& request);
  Result<HostedService> StartDataprep(const v1::StartServiceRequest& request);

  const ConfigSnapshot& config_;
  const DataFolder& folder_;
  ProcessTrust& trust_;
  Extractor extractor_;
  IoLoops loops_;
  ThreadPool blocking_;
  ThreadPool starting_;
  ThreadPool cpu_;
  RouteTable routes_;
  RouteTable served_;
  Callers gateway_, retrieval_, orchestration_, dataprep_;  // one for each service that calls
  LocalGroup group_;
};

}  // namespace tessera
