#pragma once
// Uploads of the facades: a form on disk, and an ingest that is waited for.

#include <string>
#include <vector>

#include "edge/facades/facades.h"
#include "net/multipart.h"

namespace tessera {

/// The form of a multipart request, its files in the place's spool folder.
Task<Result<Form>> ReadUpload(Ctx ctx, UploadPlace place, HttpRequest request);

/// Hands the files of `form` whose field is one of `fields` to the ingest; other files are refused.
Status AddSources(const Form& form, std::initializer_list<std::string_view> fields,
                  v1::IngestRequest* ingest);

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

/// The settings of an upload route.
void TakesForm(Route& route, const UploadPlace& place);

}  // namespace tessera
