#include "edge/facades/query.h"

#include <utility>

namespace tessera {

Task<Result<v1::SearchReply>> SearchByText(Ctx ctx, Contracts contracts,
                                           v1::SearchRequest request) {
  v1::GetCollectionRequest get;
  get.set_name(request.collection());
  CO_TRY(const v1::Collection collection,
         co_await contracts.retrieval.GetCollection(ctx, std::move(get)));
  if (collection.chunks() == 0) co_return v1::SearchReply();
  request.set_collection(collection.name());
  if (request.vector_size() == 0 && request.mode() != v1::SEARCH_MODE_BM25) {
    v1::EmbedRequest embed;
    embed.set_model(collection.embedder().model());
    embed.add_texts(request.query());
    CO_TRY(v1::EmbedReply embedded, co_await contracts.inference.Embed(ctx, std::move(embed)));
    request.mutable_vector()->Swap(embedded.mutable_vectors(0)->mutable_values());
  }
  co_return co_await contracts.retrieval.Search(std::move(ctx), std::move(request));
}

}  // namespace tessera
