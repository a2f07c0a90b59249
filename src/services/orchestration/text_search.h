#pragma once
// Search by text: the one place where a query gets its vector.

#include <string>
#include <vector>

#include "base/task.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// Hits, and the query's vector: the given one, or the one that was made.
struct TextSearchReply {
  v1::SearchReply reply;
  std::vector<float> vector;
  std::string embedder;  ///< that made the vector; empty: it was given
};

/// Which vectors are made: those that the search needs, or one at any rate.
enum class QueryVector { kWhereNeeded, kAlways };

/// Embeds the query with the collection's own embedder, unless its vector is given or words alone
/// are asked for, and searches. Who may search may have the query embedded. An empty collection has
/// no hits. FAILED_PRECONDITION when the collection's embedder is not configured or has changed:
/// says how to mend it. `known` is the request's collection where the caller has it. The services
/// and `known` outlive the task.
Task<Result<TextSearchReply>> SearchByText(Ctx ctx, Inference* inference, Retrieval* retrieval,
                                           v1::SearchRequest request,
                                           QueryVector wanted = QueryVector::kWhereNeeded,
                                           const v1::Collection* known = nullptr);

}  // namespace tessera
