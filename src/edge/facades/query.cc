#include "edge/facades/query.h"

#include <memory>
#include <utility>

namespace tessera {
namespace {

// The caller's request, with the platform's own rights.
Ctx OnBehalfOf(const Ctx& ctx) {
  RequestInfo info = ctx.info();
  info.principal = SystemCtx().info().principal;
  return Ctx(std::make_shared<const RequestInfo>(std::move(info)), ctx.cancel())
      .WithDeadline(ctx.deadline());
}

Task<Result<MessagePtr>> CallSearch(Contracts contracts, Ctx ctx, MessagePtr message) {
  auto* const request = dynamic_cast<v1::SearchRequest*>(message.get());
  CHECK(request != nullptr);
  const bool by_text = request->vector_size() == 0 && !request->query().empty() &&
                       request->mode() != v1::SEARCH_MODE_BM25;
  Result<v1::SearchReply> reply = v1::SearchReply();
  if (by_text)
    reply = co_await SearchByText(std::move(ctx), contracts, std::move(*request));
  else
    reply = co_await contracts.retrieval.Search(std::move(ctx), std::move(*request));
  if (!reply.ok()) co_return reply.status();
  MessagePtr erased = std::make_unique<v1::SearchReply>(*std::move(reply));
  co_return erased;
}

}  // namespace

void EmbedQueries(std::vector<MethodBinding>& bindings, Contracts contracts) {
  for (MethodBinding& binding : bindings) {
    if (binding.request->GetDescriptor() != v1::SearchRequest::descriptor()) continue;
    binding.call = [contracts](Ctx ctx, MessagePtr request) {
      return CallSearch(contracts, std::move(ctx), std::move(request));
    };
  }
}

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
    CO_TRY(v1::EmbedReply embedded,
           co_await contracts.inference.Embed(OnBehalfOf(ctx), std::move(embed)));
    request.mutable_vector()->Swap(embedded.mutable_vectors(0)->mutable_values());
  }
  co_return co_await contracts.retrieval.Search(std::move(ctx), std::move(request));
}

}  // namespace tessera
