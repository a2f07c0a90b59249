#pragma once
// From candidates to an order: fusion of the two scores, evidence of neighbours in the same
// document, diversity, thresholds.

#include <cstddef>
#include <optional>
#include <vector>

#include "services/retrieval/collection_index.h"

namespace tessera {

/// Chosen on half of the questions in tests/quality; the other half is the test.
struct RankingWeights {
  float words = 0.6f;       ///< of the coverage by words, beside a cosine's one
  float second = 1.0f;      ///< how much of a document's second best chunk its best one gains
  float alone = 0.8f;       ///< of its own score, where a document has but one chunk
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
