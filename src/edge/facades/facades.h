#pragma once
// Other people's HTTP interfaces over our contracts: OpenAI's and OPEA's. Views only, no business
// of their own.

#include <string>

#include "edge/upload.h"
#include "tessera/v1/dataprep.tessera.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/orchestration.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// The contracts that the facades speak to; references to routers, which live as long as the
/// process.
struct Contracts {
  Inference& inference;
  Retrieval& retrieval;
  Dataprep& dataprep;
  Orchestration& orchestration;
};

// https://platform.openai.com/docs/api-reference
void AddOpenAiChat(HttpRoutes& routes, Contracts contracts);
void AddOpenAiCompletions(HttpRoutes& routes, Contracts contracts);
void AddOpenAiEmbeddings(HttpRoutes& routes, Contracts contracts);
void AddOpenAiFiles(HttpRoutes& routes, Contracts contracts, UploadPlace place);
void AddOpenAiModels(HttpRoutes& routes, Contracts contracts);
void AddOpenAiVectorStores(HttpRoutes& routes, Contracts contracts);

// OPEA 1.5 (https://opea.dev): its megaservices and the microservices around retrieval.
void AddOpeaDataprep(HttpRoutes& routes, Contracts contracts, UploadPlace place);
void AddOpeaMegaservices(HttpRoutes& routes, Contracts contracts, UploadPlace place);
void AddOpeaSystem(HttpRoutes& routes, std::string version);
void AddOpeaRetrieval(HttpRoutes& routes, Contracts contracts);

}  // namespace tessera
