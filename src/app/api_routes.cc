#include "app/api_routes.h"

#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "app/version.h"
#include "edge/facades/ofrep.h"
#include "edge/jaeger_routes.h"
#include "edge/profile_routes.h"
#include "edge/prometheus_routes.h"
#include "edge/reference.h"
#include "rpc/route_table.h"
#include "runtime/thread_pool.h"
#include "tessera/v1/dataprep_rpc.tessera.h"
#include "tessera/v1/flags_rpc.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/logs_rpc.tessera.h"
#include "tessera/v1/monitoring_rpc.tessera.h"
#include "tessera/v1/orchestration_rpc.tessera.h"
#include "tessera/v1/recordings_rpc.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"
#include "tessera/v1/topology_rpc.tessera.h"
#include "tessera/v1/traces_rpc.tessera.h"

namespace tessera {
namespace {

/// A folder that is gone when this is.
class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> Make() {
    std::string path = (std::filesystem::temp_directory_path() / "tessera-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) return absl::UnavailableError("no temporary folder");
    return std::make_unique<ScratchFolder>(std::move(path));
  }
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  ScratchFolder(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace

std::vector<MethodBinding> BindingsOf(const Contracts& contracts) {
  std::vector<MethodBinding> all = Bind(contracts.dataprep);
  for (auto more :
       {Bind(contracts.inference), Bind(contracts.orchestration), Bind(contracts.retrieval)}) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
  }
  return all;
}

void AddFacades(Edge& edge, Contracts contracts) {
  HttpRoutes& routes = edge.routes();
  const UploadPlace place = edge.uploads();
  AddOpenAiChat(routes, contracts);
  AddOpenAiCompletions(routes, contracts);
  AddOpenAiEmbeddings(routes, contracts);
  AddOpenAiFiles(routes, contracts, place);
  AddOpenAiModels(routes, contracts);
  AddOpenAiVectorStores(routes, contracts);
  AddOpeaDataprep(routes, contracts, place);
  AddOpeaMegaservices(routes, contracts, place);
  AddOpeaRetrieval(routes, contracts);
  AddOpeaSystem(routes, kVersion);
  AddOfrep(routes);
}

Result<std::string> ApiReference() {
  TRY(const std::unique_ptr<ScratchFolder> folder, ScratchFolder::Make());
  RouteTable table;  // of contracts that nobody serves
  RetrievalRouter retrieval(table);
  InferenceRouter inference(table);
  OrchestrationRouter orchestration(table);
  DataprepRouter dataprep(table);
  FlagsRouter flags(table);
  TopologyRouter topology(table);
  TracesRouter traces(table);
  MonitoringRouter monitoring(table);
  LogsRouter logs(table);
  RecordingsRouter recordings(table);
  EdgeParts parts;
  parts.data_folder = folder->path();
  parts.version = kVersion;
  parts.dataprep = &dataprep;
  parts.inference = &inference;
  parts.retrieval = &retrieval;
  const Contracts contracts{inference, retrieval, dataprep, orchestration};
  parts.bindings = BindingsOf(contracts);
  for (auto more :
       {Bind(flags), Bind(topology), Bind(traces), Bind(monitoring), Bind(logs), Bind(recordings)})
    std::move(more.begin(), more.end(), std::back_inserter(parts.bindings));
  TRY(const std::unique_ptr<Edge> edge, Edge::Make(EdgeConfig(), std::move(parts)));
  AddFacades(*edge, contracts);
  AddJaegerRoutes(traces, "tessera", edge->routes());
  ThreadPool nobody("reference", 1);
  AddProfileRoutes({}, nobody, edge->routes());
  AddPrometheusRoutes(monitoring, kVersion, edge->routes());
  return ApiReferencePage(edge->routes());
}

}  // namespace tessera
