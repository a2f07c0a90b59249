#include "services/dataprep/collection_embedder.h"

#include <algorithm>
#include <utility>

#include "base/str.h"
#include "services/dataprep/collection_reembed.h"

namespace tessera {
namespace {

JobEmbedder JobEmbedderOf(const v1::Model& model, const v1::ChunkOptions& options,
                          const DataprepConfig& config) {
  JobEmbedder embedder;
  embedder.model = model.name();
  embedder.digest = model.digest();
  const double context = model.context_tokens() == 0 ? 256 : model.context_tokens();
  // Room for the prefix, the two special tokens and an estimate that is a little too low.
  const double most = std::max(32.0, (context - kPrefixTokensMax - 2) / 1.06);
  double tokens = options.tokens_max() != 0 ? options.tokens_max() : config.chunk_tokens_max;
  if (tokens == 0) tokens = std::min(0.82 * context, 400.0);
  embedder.chunking.tokens_max = std::clamp(tokens, 16.0, most);
  embedder.chunking.tokens_min = embedder.chunking.tokens_max / 3;
  embedder.chunking.overlap_tokens =
      options.overlap_tokens() != 0 ? options.overlap_tokens() : config.chunk_overlap_tokens;
  return embedder;
}

}  // namespace

Task<Result<JobEmbedder>> EnsureCollection(Ctx ctx, Retrieval* retrieval, Inference* inference,
                                           const DataprepConfig* config, std::string name,
                                           v1::ChunkOptions chunking, Missing missing) {
  CO_TRY(const v1::ListModelsReply models,
         co_await inference->ListModels(ctx, v1::ListModelsRequest()));
  v1::GetCollectionRequest get;
  get.set_name(name);
  Result<v1::Collection> collection = co_await retrieval->GetCollection(ctx, std::move(get));
  const bool make = missing == Missing::kMake && absl::IsNotFound(collection.status());
  if (!collection.ok() && !make) co_return collection.status();
  const std::string wanted = collection.ok() ? collection->embedder().model() : "";
  const v1::Model* const model = FindEmbedder(models, wanted);
  if (model == nullptr) {
    if (wanted.empty())
      co_return absl::FailedPreconditionError(
          "no embedder is configured; add one under services.inference.models");
    co_return absl::FailedPreconditionError(
        StrCat("collection ", name, " needs the embedder ", wanted,
               ", which is not configured; configure it, or embed the collection anew: tessera "
               "collections reembed ",
               name));
  }
  if (!collection.ok() || wanted.empty()) {
    v1::CreateCollectionRequest create;
    create.set_name(collection.ok() ? collection->name() : name);
    *create.mutable_embedder() = EmbedderOf(*model);
    collection = co_await retrieval->CreateCollection(ctx, std::move(create));
    // Somebody else may have made it in the meantime.
    if (!collection.ok() && !absl::IsAlreadyExists(collection.status()))
      co_return collection.status();
  } else if (!wanted.empty() && collection->embedder().digest() != model->digest()) {
    co_return absl::FailedPreconditionError(StrCat(
        "collection ", name, " was made with another version of the embedder ", wanted,
        "; embed it anew (tessera collections reembed ", name, "), or use a new collection"));
  }
  co_return JobEmbedderOf(*model, chunking, *config);
}

}  // namespace tessera
