#pragma once
// Retrieval for jobs: while it is away for a moment (moved, started again), a job waits.

#include "base/task.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// What ingest calls, each of which may be asked twice; the rest is UNIMPLEMENTED. Thread-safe.
class PatientRetrieval final : public UnimplementedRetrieval {
 public:
  /// `retrieval` outlives it.
  explicit PatientRetrieval(Retrieval& retrieval) : retrieval_(retrieval) {}

  Task<Result<v1::Collection>> CreateCollection(Ctx ctx,
                                                v1::CreateCollectionRequest request) override;
  Task<Result<v1::Collection>> GetCollection(Ctx ctx, v1::GetCollectionRequest request) override;
  Task<Result<v1::BeginDocumentReply>> BeginDocument(Ctx ctx,
                                                     v1::BeginDocumentRequest request) override;
  Task<Result<v1::AppendChunksReply>> AppendChunks(Ctx ctx,
                                                   v1::AppendChunksRequest request) override;
  Task<Result<v1::Document>> CommitDocument(Ctx ctx, v1::CommitDocumentRequest request) override;
  /// Asked once: who gives up does not wait.
  Task<Result<v1::AbortDocumentReply>> AbortDocument(Ctx ctx,
                                                     v1::AbortDocumentRequest request) override;
  Task<Result<v1::ListDocumentsReply>> ListDocuments(Ctx ctx,
                                                     v1::ListDocumentsRequest request) override;
  Task<Result<v1::Document>> GetDocument(Ctx ctx, v1::GetDocumentRequest request) override;
  Task<Result<v1::BeginReembedReply>> BeginReembed(Ctx ctx,
                                                   v1::BeginReembedRequest request) override;
  Task<Result<v1::ListUnembeddedReply>> ListUnembedded(Ctx ctx,
                                                       v1::ListUnembeddedRequest request) override;
  Task<Result<v1::StoreVectorsReply>> StoreVectors(Ctx ctx,
                                                   v1::StoreVectorsRequest request) override;
  Task<Result<v1::FinishReembedReply>> FinishReembed(Ctx ctx,
                                                     v1::FinishReembedRequest request) override;

 private:
  Retrieval& retrieval_;
};

}  // namespace tessera
