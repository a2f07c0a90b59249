#pragma once
// An ingest that is waited for, and documents by name.

#include <string>
#include <vector>

#include "edge/facades/facades.h"

namespace tessera {

/// Runs the ingest to its end and answers with the job. `form` keeps its files if the ingest was
/// refused. When ctx ends first the job goes on.
Task<Result<v1::Job>> IngestToEnd(Ctx ctx, Contracts contracts, v1::IngestRequest ingest,
                                  Form* form);

/// OK, or INVALID_ARGUMENT with what is wrong with the first source that failed.
Status FirstFailure(const v1::Job& job);

/// All documents of a collection.
Task<Result<std::vector<v1::Document>>> AllDocuments(Ctx ctx, Contracts contracts,
                                                     std::string collection);

/// The document of that name in a collection; NOT_FOUND says so.
Task<Result<v1::Document>> DocumentNamed(Ctx ctx, Contracts contracts, std::string collection,
                                         std::string name);

}  // namespace tessera
