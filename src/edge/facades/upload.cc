#include "edge/facades/upload.h"

#include <algorithm>
#include <utility>

#include "base/field_error.h"

namespace tessera {

Task<Result<Form>> ReadUpload(Ctx ctx, UploadPlace place, HttpRequest request) {
  CO_TRY(std::string boundary, MultipartBoundary(request.headers.Get("content-type")));
  MultipartLimits limits;
  limits.file_bytes_max = place.bytes_max;
  co_return co_await ReadForm(std::move(ctx), std::move(request.stream), std::move(boundary),
                              place.spool_folder, limits, *place.blocking);
}

Status AddSources(const Form& form, std::initializer_list<std::string_view> fields,
                  v1::IngestRequest* ingest) {
  for (const SpooledFile& file : form.files) {
    if (std::find(fields.begin(), fields.end(), file.field) == fields.end()) {
      return InvalidField(file.field.substr(0, 80),
                          StrCat("is no field for a file; send it as \"", *fields.begin(), "\""));
    }
    v1::Source* source = ingest->add_sources();
    source->set_path(file.path());
    source->set_name(file.name);
    source->set_media_type(file.media_type);
    source->set_spooled(true);
  }
  return absl::OkStatus();
}

Task<Result<v1::Job>> IngestToEnd(Ctx ctx, Contracts contracts, v1::IngestRequest ingest,
                                  Form* form) {
  CO_TRY(v1::Job job, co_await contracts.dataprep.Ingest(ctx, std::move(ingest)));
  for (SpooledFile& file : form->files) file.Release();  // the job's from now on
  v1::GetJobRequest watch;
  watch.set_id(job.id());
  CO_TRY(StreamPtr<v1::Job> changes, co_await contracts.dataprep.WatchJob(ctx, std::move(watch)));
  while (true) {
    CO_TRY(std::optional<v1::Job> change, co_await changes->Next(ctx));
    if (!change) co_return job;
    job = *std::move(change);
  }
}

Status FirstFailure(const v1::Job& job) {
  for (const v1::SourceProgress& source : job.progress()) {
    if (source.state() != v1::SOURCE_STATE_FAILED) continue;
    return absl::InvalidArgumentError(
        StrCat(source.name(), ": ", source.error_code(), ": ", source.error()));
  }
  return absl::OkStatus();
}

Task<Result<std::vector<v1::Document>>> AllDocuments(Ctx ctx, Contracts contracts,
                                                     std::string collection) {
  std::vector<v1::Document> documents;
  v1::ListDocumentsRequest list;
  list.set_collection(std::move(collection));
  list.set_limit(1000);
  while (true) {
    CO_TRY(v1::ListDocumentsReply page, co_await contracts.retrieval.ListDocuments(ctx, list));
    std::move(page.mutable_documents()->begin(), page.mutable_documents()->end(),
              std::back_inserter(documents));
    if (page.next_page_token().empty()) co_return documents;
    list.set_page_token(page.next_page_token());
  }
}

Task<Result<v1::Document>> DocumentNamed(Ctx ctx, Contracts contracts, std::string collection,
                                         std::string name) {
  v1::ListDocumentsRequest list;
  list.set_collection(collection);
  list.set_name(name);
  CO_TRY(const v1::ListDocumentsReply found,
         co_await contracts.retrieval.ListDocuments(std::move(ctx), std::move(list)));
  if (found.documents().empty()) {
    co_return absl::NotFoundError(
        StrCat("there is no document \"", name, "\" in \"", collection, "\""));
  }
  co_return found.documents(0);
}

void TakesForm(Route& route, const UploadPlace& place) {
  route.body = BodyKind::kStreamed;
  route.body_max = place.bytes_max;
  route.media_types = {"multipart/form-data"};
  route.in_flight_max = 16;
  route.doc.request_media_type = "multipart/form-data";
}

}  // namespace tessera
