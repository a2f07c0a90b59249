#pragma once
// A Retrieval that passes calls to the instance of the moment, as a process's router does. For
// tests.

#include <memory>
#include <mutex>
#include <utility>

#include "base/task.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// Thread-safe. A call keeps its instance alive until it ends.
class RetrievalSwitch final : public Retrieval {
 public:
  void Set(std::shared_ptr<Retrieval> target) {
    std::lock_guard lock(mutex_);
    target_ = std::move(target);
  }

#define TESSERA_PASS(Method, Request, Reply)                               \
  Task<Result<v1::Reply>> Method(Ctx ctx, v1::Request request) override {  \
    const std::shared_ptr<Retrieval> target = Get();                       \
    co_return co_await target->Method(std::move(ctx), std::move(request)); \
  }
  TESSERA_PASS(CreateCollection, CreateCollectionRequest, Collection)
  TESSERA_PASS(ListCollections, ListCollectionsRequest, ListCollectionsReply)
  TESSERA_PASS(GetCollection, GetCollectionRequest, Collection)
  TESSERA_PASS(DeleteCollection, DeleteCollectionRequest, DeleteCollectionReply)
  TESSERA_PASS(BeginDocument, BeginDocumentRequest, BeginDocumentReply)
  TESSERA_PASS(AppendChunks, AppendChunksRequest, AppendChunksReply)
  TESSERA_PASS(CommitDocument, CommitDocumentRequest, Document)
  TESSERA_PASS(AbortDocument, AbortDocumentRequest, AbortDocumentReply)
  TESSERA_PASS(ListDocuments, ListDocumentsRequest, ListDocumentsReply)
  TESSERA_PASS(GetDocument, GetDocumentRequest, Document)
  TESSERA_PASS(DeleteDocument, DeleteDocumentRequest, DeleteDocumentReply)
  TESSERA_PASS(ListChunks, ListChunksRequest, ListChunksReply)
  TESSERA_PASS(Search, SearchRequest, SearchReply)
  TESSERA_PASS(Backup, BackupRequest, BackupReply)
  TESSERA_PASS(BeginReembed, BeginReembedRequest, BeginReembedReply)
  TESSERA_PASS(ListUnembedded, ListUnembeddedRequest, ListUnembeddedReply)
  TESSERA_PASS(StoreVectors, StoreVectorsRequest, StoreVectorsReply)
  TESSERA_PASS(FinishReembed, FinishReembedRequest, FinishReembedReply)
#undef TESSERA_PASS

 private:
  std::shared_ptr<Retrieval> Get() {
    std::lock_guard lock(mutex_);
    return target_;
  }
  std::mutex mutex_;
  std::shared_ptr<Retrieval> target_;
};

}  // namespace tessera
