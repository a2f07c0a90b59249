#include "edge/proxy/stand_ins.h"

#include <map>
#include <mutex>

#include "base/ids.h"
#include "base/str.h"
#include "flags/flag_set.h"
#include "tessera/v1/inference_forward.tessera.h"
#include "tessera/v1/retrieval_forward.tessera.h"

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

class RestInference final : public ForwardingInference {
 public:
  RestInference(std::shared_ptr<Inference> local, MethodPtr embed, MethodPtr rerank)
      : ForwardingInference(std::move(local)),
        embed_(std::move(embed)),
        rerank_(std::move(rerank)) {}

  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override {
    if (!embed_) return target().Embed(std::move(ctx), std::move(request));
    return EmbedElsewhere(std::move(ctx), std::move(request));
  }
  Task<Result<v1::RerankReply>> Rerank(Ctx ctx, v1::RerankRequest request) override {
    if (!rerank_) return target().Rerank(std::move(ctx), std::move(request));
    return RerankElsewhere(std::move(ctx), std::move(request));
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
      co_return absl::InternalError(StrCat(embed_->name(), " gave ", reply.vectors_size(),
                                           " vectors for ", request.texts_size(), " texts"));
    reply.set_model(ModelOf(*embed_, request.model()));
    if (reply.digest().empty())
      reply.set_digest(Hex(StableHash(StrCat(embed_->config().url, " ", reply.model()))));
    for (const v1::Vector& vector : reply.vectors()) {
      if (vector.values_size() != reply.vectors(0).values_size() || vector.values().empty())
        co_return absl::InternalError(StrCat(embed_->name(), " gave vectors of different lengths"));
    }
    if (!reply.vectors().empty())
      reply.set_dimension(static_cast<std::uint32_t>(reply.vectors(0).values_size()));
    co_return reply;
  }

  Task<Result<v1::RerankReply>> RerankElsewhere(Ctx ctx, v1::RerankRequest request) {
    const int passages = request.passages_size();
    const std::string model = ModelOf(*rerank_, request.model());
    auto message = std::make_unique<v1::RerankRequest>(std::move(request));
    CO_TRY(v1::RerankReply reply,
           co_await rerank_->Call<v1::RerankReply>(std::move(ctx), std::move(message)));
    if (reply.scores_size() != passages)
      co_return absl::InternalError(StrCat(rerank_->name(), " gave ", reply.scores_size(),
                                           " scores for ", passages, " passages"));
    reply.set_model(model);
    co_return reply;
  }

  const MethodPtr embed_;
  const MethodPtr rerank_;
};

class RestRetrieval final : public ForwardingRetrieval {
 public:
  RestRetrieval(std::shared_ptr<Retrieval> local, MethodPtr search)
      : ForwardingRetrieval(std::move(local)), search_(std::move(search)) {}

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
  // Which embedder made the endpoint's vectors is its own business.
  Task<Result<v1::Collection>> GetCollection(Ctx ctx, v1::GetCollectionRequest request) override {
    if (std::optional<v1::Collection> remembered = Remembered(request.name())) {
      co_return *std::move(remembered);
    }
    const std::string name = request.name();
    CO_TRY(v1::Collection collection,
           co_await target().GetCollection(std::move(ctx), std::move(request)));
    collection.clear_embedder();
    Remember(name, collection);
    co_return collection;
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
