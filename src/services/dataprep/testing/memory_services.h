#pragma once
// Retrieval and Inference in memory, for tests of ingest: what was committed, and an embedder that
// can be held.

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/waiter.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// Keeps documents in maps; unfinished ones survive as long as the object, as they would a restart.
class MemoryRetrieval final : public UnimplementedRetrieval {
 public:
  struct Stored {
    v1::Document document;
    std::vector<v1::Chunk> chunks;
    std::string resume_key;
    bool committed = false;
  };

  Task<Result<v1::Collection>> CreateCollection(Ctx, v1::CreateCollectionRequest request) override;
  Task<Result<v1::Collection>> GetCollection(Ctx, v1::GetCollectionRequest request) override;
  Task<Result<v1::DeleteCollectionReply>> DeleteCollection(
      Ctx, v1::DeleteCollectionRequest request) override;
  Task<Result<v1::BeginDocumentReply>> BeginDocument(Ctx,
                                                     v1::BeginDocumentRequest request) override;
  Task<Result<v1::AppendChunksReply>> AppendChunks(Ctx, v1::AppendChunksRequest request) override;
  Task<Result<v1::Document>> CommitDocument(Ctx, v1::CommitDocumentRequest request) override;
  Task<Result<v1::AbortDocumentReply>> AbortDocument(Ctx,
                                                     v1::AbortDocumentRequest request) override;
  Task<Result<v1::Document>> GetDocument(Ctx, v1::GetDocumentRequest request) override;
  Task<Result<v1::ListDocumentsReply>> ListDocuments(Ctx,
                                                     v1::ListDocumentsRequest request) override;

  std::map<std::string, Stored> documents() const;
  /// The committed document of that name; an empty one when there is none.
  Stored Find(const std::string& name) const;
  /// How often each name was committed.
  std::map<std::string, int> commits() const;
  /// Every AppendChunks fails with this from now on; OK: they work.
  void FailAppends(Status status);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, v1::Collection> collections_;
  std::map<std::string, Stored> documents_;
  std::map<std::string, int> commits_;
  Status append_status_;
};

/// An embedder of 4 dimensions.
class MemoryInference final : public UnimplementedInference {
 public:
  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override;
  Task<Result<v1::CountTokensReply>> CountTokens(Ctx, v1::CountTokensRequest request) override;
  Task<Result<v1::ListModelsReply>> ListModels(Ctx, v1::ListModelsRequest) override;

  /// Texts embedded so far.
  std::uint64_t texts() const { return texts_; }
  std::uint64_t calls() const { return calls_; }
  std::vector<std::string> seen() const;
  /// After so many texts more, calls wait until Release() or their Ctx ends.
  void HoldAfter(std::uint64_t texts) { hold_at_ = texts_ + texts; }
  void Release();
  /// Waits until a call is held.
  void AwaitHeld();
  /// The next `calls` calls are refused as overload.
  void RefuseNext(int calls) { refuse_ = calls; }

 private:
  std::atomic<std::uint64_t> texts_{0};
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> hold_at_{~0ull};
  std::atomic<int> refuse_{0};
  mutable std::mutex mutex_;
  std::condition_variable held_;
  int held_count_ = 0;
  std::vector<WaiterHandle> waiting_;
  std::vector<std::string> seen_;
};

}  // namespace tessera
