#pragma once
// From candidates to an order: reciprocal-rank fusion, evidence of neighbours in the same document,
// diversity, thresholds.

#include <cstddef>
#include <optional>
#include <vector>

#include "services/retrieval/collection_index.h"

namespace tessera {

/// Chosen on half of the questions in tests/quality; the other half is the test.
struct RankingWeights {
  float k = 10;             ///< of 1 / (k + rank)
  float words = 1.0f;       ///< of the rank by words
  float vector = 1.0f;      ///< of the rank by vector
  float second = 1.0f;      ///< how much of a document's second best chunk its best one gains
  std::size_t run_max = 3;  ///< hits of one document in a row, when grouped
};

enum class RankBy { kFused, kWords, kVector };

struct RankingOrder {
  RankBy by = RankBy::kFused;
  bool group = false;  ///< the chunks of a document come as one run
  std::optional<float> score_threshold;
  std::optional<float> distance_threshold;  ///< on 1 - cosine
  std::optional<float> mmr_lambda;
  std::size_t limit = 10;
};

/// Scores in [0, 1], best first, at most `limit`. With MMR the candidates must carry vectors.
std::vector<Candidate> Rank(std::vector<Candidate> candidates, const RankingOrder& order,
                            const RankingWeights& weights = {});

}  // namespace tessera
