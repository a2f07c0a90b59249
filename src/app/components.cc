#include "app/components.h"

#include "app/server.h"
#include "services/dataprep/dataprep_config.h"
#include "services/orchestration/local_orchestration.h"
#include "services/retrieval/local_retrieval.h"

namespace tessera {

ConfigSchema AppSchema() {
  ConfigSchema schema;
  schema.Add<ServerConfig>("server", "The HTTP edge: where it listens and how it ends.");
  schema.Add<DataprepConfig>("services.dataprep", "Ingest: from files to searchable chunks.");
  schema.Add<LocalOrchestration::Config>("services.orchestration",
                                         "Graphs: how questions are answered.");
  schema.Add<LocalRetrieval::Config>("services.retrieval", "Collections, documents and search.");
  return schema;
}

}  // namespace tessera
