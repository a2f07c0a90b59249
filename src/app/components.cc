#include "app/components.h"

#include "edge/edge.h"
#include "edge/proxy/proxy_config.h"
#include "edge/proxy/stand_ins.h"
#include "flags/local_flags.h"
#include "identity/identity_config.h"
#include "logs/logs_config.h"
#include "monitoring/slo_config.h"
#include "remote/mesh_config.h"
#include "services/dataprep/local_dataprep.h"
#include "services/inference/local_inference.h"
#include "services/orchestration/local_orchestration.h"
#include "services/orchestration/recording_store.h"
#include "services/retrieval/local_retrieval.h"
#include "telemetry/telemetry_config.h"

namespace tessera {

ConfigSchema AppSchema() {
  ConfigSchema schema;
  schema.Add<EdgeConfig>("server", "Where the server listens, keys, limits.");
  schema.Add<StandInConfig>("contracts",
                            "HTTP endpoints that stand in for methods of our contracts "
                            "(docs/facades.md).");
  schema.Add<ProxyConfig>("facades",
                          "Public routes that other methods or HTTP endpoints answer "
                          "(docs/facades.md).");
  schema.Add<LocalFlags::Config>("flags", "Feature flags (docs/flags.md).");
  schema.Add<LocalDataprep::Config>("services.dataprep",
                                    "Turns files into searchable passages: jobs, chunks, links.");
  schema.Add<LocalInference::Config>(
      "services.inference", "Runs language models and embedders, or calls those of others.");
  schema.Add<LocalOrchestration::Config>("services.orchestration",
                                         "Runs graphs of steps: chatqna, docsum and your own.");
  schema.Add<LocalRetrieval::Config>("services.retrieval",
                                     "Keeps collections of documents and searches them.");
  schema.Add<IdentityConfig>("identity",
                             "How the platform's processes prove to one another who they are.");
  schema.Add<TelemetryConfig>("telemetry",
                              "Traces of requests, and where they go (docs/observability.md).");
  schema.Add<LogsConfig>(
      "logs", "What the platform's processes say, how much and where to (docs/logs.md).");
  schema.Add<SloConfig>("slos",
                        "What the platform promises, and who is told when it does not hold "
                        "(docs/observability.md).");
  schema.Add<RecordingConfig>("recordings",
                              "Answers that are kept whole, to be given again by another model "
                              "(docs/observability.md). Off by default.");
  schema.Add<MeshConfig>("mesh", "How calls to other processes are spread, retried and given up.");
  return schema;
}

}  // namespace tessera
