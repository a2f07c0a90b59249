#include "edge/facades/ingest.h"

#include <iterator>
#include <utility>

namespace tessera {

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

}  // namespace tessera
