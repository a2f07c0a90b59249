#pragma once
// Search by a text: the query is embedded by the collection's own embedder first.

#include <vector>

#include "edge/facades/facades.h"
#include "rpc/binding.h"

namespace tessera {

/// `request` needs no vector. An empty collection has no hits. Who may search may have the query
/// embedded.
Task<Result<v1::SearchReply>> SearchByText(Ctx ctx, Contracts contracts, v1::SearchRequest request);

/// Makes the binding of Retrieval.Search one that takes a query without its vector, for the REST
/// door: else a client's hybrid search would go by words only.
void EmbedQueries(std::vector<MethodBinding>& bindings, Contracts contracts);

}  // namespace tessera
