#include "services/orchestration/text_search.h"

#include <memory>
#include <utility>

#include "base/str.h"

namespace tessera {
namespace {

// The caller's call, with the platform's own rights: who may search may have the query embedded.
Ctx OnBehalfOf(const Ctx& ctx) {
  static const Principal platform = SystemCtx().principal();
  RequestInfo info = ctx.info();
  info.principal = platform;
  return Ctx(std::make_shared<const RequestInfo>(std::move(info)), ctx.cancel())
      .WithDeadline(ctx.deadline())
      .WithSpan(ctx.span_id());
}

Status EmbedAnew(const v1::Collection& collection, std::string_view why) {
  return absl::FailedPreconditionError(StrCat(
      "collection \"", collection.name(), "\" is embedded by \"", collection.embedder().model(),
      "\", ", why, "; embed it anew: tessera collections reembed ", collection.name()));
}

Task<Result<v1::Vector>> Embed(Ctx ctx, Inference* inference, const v1::Collection* collection,
                               std::string text) {
  const v1::Embedder& embedder = collection->embedder();
  v1::EmbedRequest embed;
  embed.set_model(embedder.model());
  embed.add_texts(std::move(text));
  Result<v1::EmbedReply> embedded = co_await inference->Embed(OnBehalfOf(ctx), std::move(embed));
  if (absl::IsNotFound(embedded.status())) {
    co_return EmbedAnew(*collection, "which is not configured any more");
  }
  CO_TRY(Status(embedded.status()));
  if (embedded->vectors_size() != 1) {
    co_return absl::InternalError("the embedder made another number of vectors than texts");
  }
  // Vectors of two embedders never mix.
  if (!embedded->digest().empty() && !embedder.digest().empty() &&
      embedded->digest() != embedder.digest()) {
    co_return EmbedAnew(*collection, "of which another version is configured now");
  }
  co_return std::move(*embedded->mutable_vectors(0));
}

}  // namespace

Task<Result<TextSearchReply>> SearchByText(Ctx ctx, Inference* inference, Retrieval* retrieval,
                                           v1::SearchRequest request, QueryVector wanted,
                                           const v1::Collection* known) {
  TextSearchReply found;
  const bool needed = wanted == QueryVector::kAlways || request.mode() != v1::SEARCH_MODE_BM25;
  if (request.vector_size() == 0 && needed && !request.query().empty()) {
    v1::Collection asked;
    if (known == nullptr) {
      v1::GetCollectionRequest get;
      get.set_name(request.collection());
      CO_TRY(asked, co_await retrieval->GetCollection(ctx, std::move(get)));
      known = &asked;
    }
    // Where another endpoint searches, it is the one that knows what there is.
    const bool elsewhere = known->embedder().model().empty();
    if (known->chunks() == 0 && !elsewhere) co_return found;
    CO_TRY(v1::Vector vector, co_await Embed(ctx, inference, known, request.query()));
    request.mutable_vector()->Swap(vector.mutable_values());
    found.embedder = known->embedder().model();
  }
  found.vector.assign(request.vector().begin(), request.vector().end());
  CO_TRY(found.reply, co_await retrieval->Search(std::move(ctx), std::move(request)));
  co_return found;
}

}  // namespace tessera
