#pragma once
// Search by a text: the query is embedded by the collection's own embedder first.

#include "edge/facades/facades.h"

namespace tessera {

/// `request` needs no vector. An empty collection has no hits.
Task<Result<v1::SearchReply>> SearchByText(Ctx ctx, Contracts contracts, v1::SearchRequest request);

}  // namespace tessera
