#pragma once
// A collection's vectors made anew by another embedder.

#include "services/dataprep/job.h"
#include "services/dataprep/source_ingest.h"

namespace tessera {

/// Embeds every passage of the job's collection with the job's embedder, then lets all vectors
/// change at once. The job's one entry tells how far it is; a fault ends in it, a cancelled job
/// keeps what was made for the next one. Both outlive the task.
Task<void> ReembedCollection(Ctx ctx, const IngestTools* tools, ActiveJob* job);

/// The model of that name, or the default one where it is empty; nullptr: there is none.
const v1::Model* FindEmbedder(const v1::ListModelsReply& models, const std::string& name);

/// A model as a collection knows its embedder.
v1::Embedder EmbedderOf(const v1::Model& model);

}  // namespace tessera
