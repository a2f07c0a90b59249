#include "edge/proxy/stand_ins.h"

#include <map>
#include <mutex>

#include "base/ids.h"
#include "base/str.h"
#include "flags/flag_set.h"

namespace tessera {
namespace {

using MethodPtr = std::unique_ptr<const RestMethod>;

constexpr std::uint32_t kHitsDefault = 10;
constexpr Duration kRememberFor = std::chrono::seconds(1);
constexpr std::size_t kRememberedMax = 1000;

Result<MethodPtr> MakeMethod(std::string_view name, const std::optional<RestMethodConfig>& config,
                             IoLoops& loops) {
  if (!config) return MethodPtr();
  return RestMethod::Make(name, *config, loops);
}

class RestInference final : public Inference {
 public:
  RestInference(std::shared_ptr<Inference> local, MethodPtr embed, MethodPtr rerank)
      : local_(std::move(local)), embed_(std::move(embed)), rerank_(std::move(rerank)) {}

  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override {
    if (!embed_) return local_->Embed(std::move(ctx), std::move(request));
    return EmbedElsewhere(std::move(ctx), std::move(request));
  }
  Task<Result<v1::RerankReply>> Rerank(Ctx ctx, v1::RerankRequest request) override {
    if (!rerank_) return local_->Rerank(std::move(ctx), std::move(request));
    return RerankElsewhere(std::move(ctx), std::move(request));
  }
  Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx,
                                                      v1::GenerateRequest request) override {
    return local_->Generate(std::move(ctx), std::move(request));
  }
  Task<Result<v1::CountTokensReply>> CountTokens(Ctx ctx, v1::CountTokensRequest request) override {
    return local_->CountTokens(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListModelsReply>> ListModels(Ctx ctx, v1::ListModelsRequest request) override {
    return local_->ListModels(std::move(ctx), std::move(request));
  }

 private:
  static std::string ModelOf(const RestMethod& method, const std::string& asked) {
    return !method.config().model.empty() ? method.config().model : asked;
  }

  // Vectors of another endpoint or model never mix with these.
  Task<Result<v1::EmbedReply>> EmbedElsewhere(Ctx ctx, v1::EmbedRequest request) {
    auto message = std::make_unique<v1::EmbedRequest>(request);
    message->set_model(ModelOf(*embed_, request.model()));
    CO_TRY(v1::EmbedReply reply,
           co_await embed_->Call<v1::EmbedReply>(std::move(ctx), std::move(message)));
    if (reply.vectors_size() != request.texts_size())
      co_return absl::InternalError(StrCat(embed_->config().url, " gave ", reply.vectors_size(),
                                           " vectors for ", request.texts_size(), " texts"));
    reply.set_model(ModelOf(*embed_, request.model()));
    if (reply.digest().empty())
      reply.set_digest(Hex(StableHash(StrCat(embed_->config().url, " ", reply.model()))));
    for (const v1::Vector& vector : reply.vectors()) {
      if (vector.values_size() != reply.vectors(0).values_size() || vector.values().empty())
        co_return absl::InternalError(
            StrCat(embed_->config().url, " gave vectors of different lengths"));
    }
    if (!reply.vectors().empty())
      reply.set_dimension(static_cast<std::uint32_t>(reply.vectors(0).values_size()));
    co_return reply;
  }

  Task<Result<v1::RerankReply>> RerankElsewhere(Ctx ctx, v1::RerankRequest request) {
    auto message = std::make_unique<v1::RerankRequest>(request);
    CO_TRY(v1::RerankReply reply,
           co_await rerank_->Call<v1::RerankReply>(std::move(ctx), std::move(message)));
    if (reply.scores_size() != request.passages_size())
      co_return absl::InternalError(StrCat(rerank_->config().url, " gave ", reply.scores_size(),
                                           " scores for ", request.passages_size(), " passages"));
    reply.set_model(ModelOf(*rerank_, request.model()));
    co_return reply;
  }

  const std::shared_ptr<Inference> local_;
  const MethodPtr embed_;
  const MethodPtr rerank_;
};

class RestRetrieval final : public Retrieval {
 public:
  RestRetrieval(std::shared_ptr<Retrieval> local, MethodPtr search)
      : local_(std::move(local)), search_(std::move(search)) {}

  // Where the endpoint gives no scores its order is all there is to go by.
  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override {
    auto message = std::make_unique<v1::SearchRequest>(std::move(request));
    if (message->limit() == 0) message->set_limit(kHitsDefault);
    const auto limit = static_cast<int>(message->limit());
    CO_TRY(v1::SearchReply reply,
           co_await search_->Call<v1::SearchReply>(std::move(ctx), std::move(message)));
    while (reply.hits_size() > limit) reply.mutable_hits()->RemoveLast();
    for (int i = 0; i < reply.hits_size(); ++i) {
      v1::Hit& hit = *reply.mutable_hits(i);
      if (hit.score() == 0) hit.set_score(1.0F / static_cast<float>(i + 1));
      v1::Document& document = *hit.mutable_document();
      if (document.name().empty()) document.set_name(document.id());
    }
    co_return reply;
  }
  Task<Result<v1::Collection>> CreateCollection(Ctx ctx,
                                                v1::CreateCollectionRequest request) override {
    return local_->CreateCollection(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListCollectionsReply>> ListCollections(
      Ctx ctx, v1::ListCollectionsRequest request) override {
    return local_->ListCollections(std::move(ctx), std::move(request));
  }
  // Which embedder made the endpoint's vectors is its own business.
  Task<Result<v1::Collection>> GetCollection(Ctx ctx, v1::GetCollectionRequest request) override {
    if (std::optional<v1::Collection> remembered = Remembered(request.name())) {
      co_return *std::move(remembered);
    }
    const std::string name = request.name();
    CO_TRY(v1::Collection collection,
           co_await local_->GetCollection(std::move(ctx), std::move(request)));
    collection.clear_embedder();
    Remember(name, collection);
    co_return collection;
  }
  Task<Result<v1::DeleteCollectionReply>> DeleteCollection(
      Ctx ctx, v1::DeleteCollectionRequest request) override {
    return local_->DeleteCollection(std::move(ctx), std::move(request));
  }
  Task<Result<v1::BeginDocumentReply>> BeginDocument(Ctx ctx,
                                                     v1::BeginDocumentRequest request) override {
    return local_->BeginDocument(std::move(ctx), std::move(request));
  }
  Task<Result<v1::AppendChunksReply>> AppendChunks(Ctx ctx,
                                                   v1::AppendChunksRequest request) override {
    return local_->AppendChunks(std::move(ctx), std::move(request));
  }
  Task<Result<v1::Document>> CommitDocument(Ctx ctx, v1::CommitDocumentRequest request) override {
    return local_->CommitDocument(std::move(ctx), std::move(request));
  }
  Task<Result<v1::AbortDocumentReply>> AbortDocument(Ctx ctx,
                                                     v1::AbortDocumentRequest request) override {
    return local_->AbortDocument(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListDocumentsReply>> ListDocuments(Ctx ctx,
                                                     v1::ListDocumentsRequest request) override {
    return local_->ListDocuments(std::move(ctx), std::move(request));
  }
  Task<Result<v1::Document>> GetDocument(Ctx ctx, v1::GetDocumentRequest request) override {
    return local_->GetDocument(std::move(ctx), std::move(request));
  }
  Task<Result<v1::DeleteDocumentReply>> DeleteDocument(Ctx ctx,
                                                       v1::DeleteDocumentRequest request) override {
    return local_->DeleteDocument(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListChunksReply>> ListChunks(Ctx ctx, v1::ListChunksRequest request) override {
    return local_->ListChunks(std::move(ctx), std::move(request));
  }
  Task<Result<v1::BeginReembedReply>> BeginReembed(Ctx ctx,
                                                   v1::BeginReembedRequest request) override {
    return local_->BeginReembed(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListUnembeddedReply>> ListUnembedded(Ctx ctx,
                                                       v1::ListUnembeddedRequest request) override {
    return local_->ListUnembedded(std::move(ctx), std::move(request));
  }
  Task<Result<v1::StoreVectorsReply>> StoreVectors(Ctx ctx,
                                                   v1::StoreVectorsRequest request) override {
    return local_->StoreVectors(std::move(ctx), std::move(request));
  }
  Task<Result<v1::FinishReembedReply>> FinishReembed(Ctx ctx,
                                                     v1::FinishReembedRequest request) override {
    return local_->FinishReembed(std::move(ctx), std::move(request));
  }
  Task<Result<v1::BackupReply>> Backup(Ctx ctx, v1::BackupRequest request) override {
    return local_->Backup(std::move(ctx), std::move(request));
  }

 private:
  // Each answer asks whether its collection is there, and the collections themselves are empty
  // where another endpoint searches: a moment's memory saves a read of the store.
  std::optional<v1::Collection> Remembered(const std::string& name) {
    std::lock_guard lock(mutex_);
    const auto found = collections_.find(name);
    if (found == collections_.end() || found->second.until < Now()) return std::nullopt;
    return found->second.collection;
  }
  void Remember(const std::string& name, const v1::Collection& collection) {
    std::lock_guard lock(mutex_);
    if (collections_.size() >= kRememberedMax) collections_.clear();
    collections_[name] = {collection, Now() + kRememberFor};
  }

  struct Memory {
    v1::Collection collection;
    SteadyTime until;
  };
  const std::shared_ptr<Retrieval> local_;
  const MethodPtr search_;
  std::mutex mutex_;
  std::map<std::string, Memory> collections_;
};

}  // namespace

void InferenceStandIns::Describe(Fields<InferenceStandIns>& f) {
  f.Optional("embed", &InferenceStandIns::embed, "Instead of our embedders.");
  f.Optional("rerank", &InferenceStandIns::rerank, "Instead of our rerankers.");
}
void RetrievalStandIns::Describe(Fields<RetrievalStandIns>& f) {
  f.Optional("search", &RetrievalStandIns::search, "Instead of our search.");
}
void StandInConfig::Describe(Fields<StandInConfig>& f) {
  f.Optional("inference", &StandInConfig::inference, "Of the contract Inference.");
  f.Optional("retrieval", &StandInConfig::retrieval, "Of the contract Retrieval.");
}

Result<std::shared_ptr<Inference>> StandIn(const StandInConfig& config,
                                           std::shared_ptr<Inference> local, IoLoops& loops) {
  if (!config.inference.embed && !config.inference.rerank) return local;
  TRY(MethodPtr embed, MakeMethod("Inference.Embed", config.inference.embed, loops));
  TRY(MethodPtr rerank, MakeMethod("Inference.Rerank", config.inference.rerank, loops));
  return std::make_shared<RestInference>(std::move(local), std::move(embed), std::move(rerank));
}

Result<std::shared_ptr<Retrieval>> StandIn(const StandInConfig& config,
                                           std::shared_ptr<Retrieval> local, IoLoops& loops) {
  if (!config.retrieval.search) return local;
  TRY(MethodPtr search, MakeMethod("Retrieval.Search", config.retrieval.search, loops));
  return std::make_shared<RestRetrieval>(std::move(local), std::move(search));
}

}  // namespace tessera
