#pragma once
// Which embedder a collection's documents are embedded with.

#include <string>

#include "services/dataprep/source_ingest.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

enum class Missing { kMake, kRefuse };

/// The embedder of the collection `name`, and how its documents are cut. One that is missing is
/// made with the default embedder, or refused with NOT_FOUND. FAILED_PRECONDITION: its embedder is
/// not configured (any more), or another version of it. What is pointed to outlives the call.
Task<Result<JobEmbedder>> EnsureCollection(Ctx ctx, Retrieval* retrieval, Inference* inference,
                                           const DataprepConfig* config, std::string name,
                                           v1::ChunkOptions chunking, Missing missing);

}  // namespace tessera
