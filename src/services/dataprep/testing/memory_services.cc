#include "services/dataprep/testing/memory_services.h"

#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/str.h"
#include "services/dataprep/hash.h"
#include "services/dataprep/token_estimate.h"

namespace tessera {
Task<Result<v1::Collection>> MemoryRetrieval::CreateCollection(
    Ctx, v1::CreateCollectionRequest request) {
  std::lock_guard lock(mutex_);
  v1::Collection& collection = collections_[request.name()];
  collection.set_name(request.name());
  *collection.mutable_embedder() = request.embedder();
  co_return collection;
}

Task<Result<v1::Collection>> MemoryRetrieval::GetCollection(Ctx, v1::GetCollectionRequest request) {
  std::lock_guard lock(mutex_);
  const auto found = collections_.find(request.name());
  if (found == collections_.end()) co_return absl::NotFoundError("no such collection");
  co_return found->second;
}

Task<Result<v1::BeginDocumentReply>> MemoryRetrieval::BeginDocument(
    Ctx, v1::BeginDocumentRequest request) {
  std::lock_guard lock(mutex_);
  v1::BeginDocumentReply reply;
  for (const auto& [id, stored] : documents_) {
    const bool same = stored.document.name() == request.document().name() &&
                      stored.document.collection() == request.document().collection();
    if (stored.committed && same && stored.document.sha256() == request.document().sha256()) {
      reply.set_id(id);
      reply.set_next_ordinal(stored.document.chunks());
      reply.set_unchanged(true);
      co_return reply;
    }
    if (!stored.committed && stored.resume_key == request.resume_key()) {
      reply.set_id(id);
      reply.set_next_ordinal(static_cast<std::uint32_t>(stored.chunks.size()));
      co_return reply;
    }
  }
  reply.set_id(NewId("file-"));
  Stored& stored = documents_[reply.id()];
  stored.document = std::move(*request.mutable_document());
  stored.document.set_id(reply.id());
  stored.resume_key = request.resume_key();
  co_return reply;
}

Task<Result<v1::AppendChunksReply>> MemoryRetrieval::AppendChunks(Ctx,
                                                                  v1::AppendChunksRequest request) {
  std::lock_guard lock(mutex_);
  if (!append_status_.ok()) co_return append_status_;
  const auto found = documents_.find(request.id());
  if (found == documents_.end()) co_return absl::NotFoundError("no such document");
  std::vector<v1::Chunk>& chunks = found->second.chunks;
  for (v1::Chunk& chunk : *request.mutable_chunks()) {
    if (chunk.ordinal() < chunks.size()) continue;
    if (chunk.ordinal() > chunks.size())
      co_return absl::InvalidArgumentError(StrCat("a gap before chunk ", chunk.ordinal()));
    if (chunk.vector_size() != 4) co_return absl::InvalidArgumentError("a chunk without a vector");
    chunks.push_back(std::move(chunk));
  }
  v1::AppendChunksReply reply;
  reply.set_next_ordinal(static_cast<std::uint32_t>(chunks.size()));
  co_return reply;
}

Task<Result<v1::Document>> MemoryRetrieval::CommitDocument(Ctx, v1::CommitDocumentRequest request) {
  std::lock_guard lock(mutex_);
  const auto found = documents_.find(request.id());
  if (found == documents_.end()) co_return absl::NotFoundError("no such document");
  v1::Document& document = found->second.document;
  if (found->second.committed) co_return document;
  std::erase_if(documents_, [&document](const auto& entry) {
    return entry.second.committed && entry.second.document.name() == document.name() &&
           entry.second.document.collection() == document.collection();
  });
  document.set_title(request.title());
  document.set_pages(request.pages());
  *document.mutable_metadata() = request.metadata();
  document.set_chunks(static_cast<std::uint32_t>(found->second.chunks.size()));
  document.set_created_ms(WallMillis());
  found->second.committed = true;
  ++commits_[document.name()];
  co_return document;
}

Task<Result<v1::Document>> MemoryRetrieval::GetDocument(Ctx, v1::GetDocumentRequest request) {
  std::lock_guard lock(mutex_);
  const auto found = documents_.find(request.id());
  if (found == documents_.end() || !found->second.committed)
    co_return absl::NotFoundError("no such document");
  co_return found->second.document;
}

Task<Result<v1::AbortDocumentReply>> MemoryRetrieval::AbortDocument(
    Ctx, v1::AbortDocumentRequest request) {
  std::lock_guard lock(mutex_);
  documents_.erase(request.id());
  co_return v1::AbortDocumentReply();
}

Task<Result<v1::ListDocumentsReply>> MemoryRetrieval::ListDocuments(
    Ctx, v1::ListDocumentsRequest request) {
  std::lock_guard lock(mutex_);
  v1::ListDocumentsReply reply;
  for (const auto& [id, stored] : documents_)
    if (stored.committed && stored.document.collection() == request.collection() &&
        (request.name().empty() || stored.document.name() == request.name()))
      *reply.add_documents() = stored.document;
  co_return reply;
}

Task<Result<v1::DeleteCollectionReply>> MemoryRetrieval::DeleteCollection(
    Ctx, v1::DeleteCollectionRequest request) {
  std::lock_guard lock(mutex_);
  collections_.erase(request.name());
  co_return v1::DeleteCollectionReply();
}

std::map<std::string, MemoryRetrieval::Stored> MemoryRetrieval::documents() const {
  std::lock_guard lock(mutex_);
  return documents_;
}

MemoryRetrieval::Stored MemoryRetrieval::Find(const std::string& name) const {
  std::lock_guard lock(mutex_);
  for (const auto& [id, stored] : documents_)
    if (stored.committed && stored.document.name() == name) return stored;
  return {};
}

std::map<std::string, int> MemoryRetrieval::commits() const {
  std::lock_guard lock(mutex_);
  return commits_;
}

void MemoryRetrieval::FailAppends(Status status) {
  std::lock_guard lock(mutex_);
  append_status_ = std::move(status);
}

Task<Result<v1::EmbedReply>> MemoryInference::Embed(Ctx ctx, v1::EmbedRequest request) {
  ++calls_;
  if (refuse_.load() > 0) {
    --refuse_;
    co_return absl::ResourceExhaustedError("the embedder's queue is full");
  }
  if (texts_ + static_cast<std::uint64_t>(request.texts_size()) > hold_at_) {
    Waiter released(ctx);
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(released.handle());
      ++held_count_;
    }
    held_.notify_all();
    CO_TRY(co_await released);
  }
  v1::EmbedReply reply;
  reply.set_model("memory");
  reply.set_digest("d1");
  reply.set_dimension(4);
  for (const std::string& text : request.texts()) {
    v1::Vector& vector = *reply.add_vectors();
    const std::uint64_t hash = HashBytes(text);
    for (int i = 0; i < 4; ++i) vector.add_values(static_cast<float>((hash >> (i * 16)) & 0xffff));
  }
  texts_ += static_cast<std::uint64_t>(request.texts_size());
  std::lock_guard lock(mutex_);
  if (seen_.size() < 100'000)
    seen_.insert(seen_.end(), request.texts().begin(), request.texts().end());
  co_return reply;
}

Task<Result<v1::CountTokensReply>> MemoryInference::CountTokens(Ctx,
                                                                v1::CountTokensRequest request) {
  v1::CountTokensReply reply;
  for (const std::string& text : request.texts())
    reply.add_counts(static_cast<std::uint32_t>(EstimateTokens(text)));
  co_return reply;
}

Task<Result<v1::ListModelsReply>> MemoryInference::ListModels(Ctx, v1::ListModelsRequest) {
  v1::ListModelsReply reply;
  v1::Model& model = *reply.add_models();
  model.set_name("memory");
  model.set_kind(v1::MODEL_KIND_EMBEDDER);
  model.set_digest("d1");
  model.set_dimension(4);
  model.set_context_tokens(256);
  model.set_is_default(true);
  co_return reply;
}

std::vector<std::string> MemoryInference::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

void MemoryInference::Release() {
  hold_at_ = ~0ull;
  std::vector<WaiterHandle> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting = std::exchange(waiting_, {});
    held_count_ = 0;
  }
  for (const WaiterHandle& handle : waiting) handle.Complete(absl::OkStatus());
}

void MemoryInference::AwaitHeld() {
  std::unique_lock lock(mutex_);
  held_.wait(lock, [this] { return held_count_ > 0; });
}

}  // namespace tessera
