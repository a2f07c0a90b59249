#include "services/dataprep/patient_retrieval.h"

#include <utility>

#include "services/dataprep/patience.h"

namespace tessera {

Task<Result<v1::Collection>> PatientRetrieval::CreateCollection(
    Ctx ctx, v1::CreateCollectionRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::CreateCollection,
                      std::move(request));
}

Task<Result<v1::Collection>> PatientRetrieval::GetCollection(Ctx ctx,
                                                             v1::GetCollectionRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::GetCollection, std::move(request));
}

Task<Result<v1::BeginDocumentReply>> PatientRetrieval::BeginDocument(
    Ctx ctx, v1::BeginDocumentRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::BeginDocument, std::move(request));
}

Task<Result<v1::AppendChunksReply>> PatientRetrieval::AppendChunks(
    Ctx ctx, v1::AppendChunksRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::AppendChunks, std::move(request));
}

Task<Result<v1::Document>> PatientRetrieval::CommitDocument(Ctx ctx,
                                                            v1::CommitDocumentRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::CommitDocument, std::move(request));
}

Task<Result<v1::ListDocumentsReply>> PatientRetrieval::ListDocuments(
    Ctx ctx, v1::ListDocumentsRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::ListDocuments, std::move(request));
}

Task<Result<v1::Document>> PatientRetrieval::GetDocument(Ctx ctx, v1::GetDocumentRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::GetDocument, std::move(request));
}

Task<Result<v1::BeginReembedReply>> PatientRetrieval::BeginReembed(
    Ctx ctx, v1::BeginReembedRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::BeginReembed, std::move(request));
}

Task<Result<v1::ListUnembeddedReply>> PatientRetrieval::ListUnembedded(
    Ctx ctx, v1::ListUnembeddedRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::ListUnembedded, std::move(request));
}

Task<Result<v1::StoreVectorsReply>> PatientRetrieval::StoreVectors(
    Ctx ctx, v1::StoreVectorsRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::StoreVectors, std::move(request));
}

Task<Result<v1::FinishReembedReply>> PatientRetrieval::FinishReembed(
    Ctx ctx, v1::FinishReembedRequest request) {
  return AskPatiently(std::move(ctx), &retrieval_, &Retrieval::FinishReembed, std::move(request));
}

Task<Result<v1::AbortDocumentReply>> PatientRetrieval::AbortDocument(
    Ctx ctx, v1::AbortDocumentRequest request) {
  return retrieval_.AbortDocument(std::move(ctx), std::move(request));
}

}  // namespace tessera
