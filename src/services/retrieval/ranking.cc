#include "services/retrieval/ranking.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace tessera {
namespace {

// The two best scores of each document's chunks.
struct BestTwo {
  float first = 0;
  float second = 0;
  void Add(float score) {
    if (score > first)
      second = std::exchange(first, score);
    else
      second = std::max(second, score);
  }
};

float ScoreOf(const Candidate& candidate, RankBy by, float words) {
  const float coverage = std::min(candidate.coverage, 1.0f);
  const float cosine = std::clamp(candidate.cosine, 0.0f, 1.0f);
  switch (by) {
    case RankBy::kVector:
      return cosine;
    case RankBy::kWords:
      return coverage;
    case RankBy::kFused:
      return (cosine + words * coverage) / (1 + words);
  }
  return 0;
}

bool Better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.cosine != b.cosine) return a.cosine > b.cosine;
  return a.chunk < b.chunk;
}

// A chunk gains from the best other chunk of its document: two passages on the matter say more
// about a document than one.
void AddNeighbours(std::vector<Candidate>& candidates, const RankingWeights& weights) {
  std::unordered_map<std::int64_t, BestTwo> documents;
  for (const Candidate& one : candidates) documents[one.document].Add(one.score);
  for (Candidate& one : candidates) {
    const BestTwo& best = documents[one.document];
    float other = one.score == best.first ? best.second : best.first;
    if (one.alone) other = weights.alone * one.score;
    one.score = (one.score + weights.second * other) / (1 + weights.second);
  }
}

void GroupByDocument(std::vector<Candidate>& candidates, std::size_t run_max) {
  std::vector<Candidate> grouped;
  grouped.reserve(candidates.size());
  std::unordered_map<std::int64_t, std::vector<std::size_t>> runs;
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    auto& run = runs[candidates[i].document];
    if (run.empty()) order.push_back(candidates[i].document);
    if (run.size() < run_max) run.push_back(i);
  }
  for (const std::int64_t document : order)
    for (const std::size_t i : runs[document]) grouped.push_back(std::move(candidates[i]));
  candidates = std::move(grouped);
}

float Cosine(const std::vector<float>& a, const Candidate& b) {
  return b.vector.size() == a.size() ? DotHalf(a.data(), b.vector.data(), a.size()) : 0.0f;
}

// Carbonell and Goldstein 1998: take the one that is best by relevance less likeness to what was
// taken.
std::vector<Candidate> Diversify(std::vector<Candidate> candidates, float lambda,
                                 std::size_t limit) {
  std::vector<Candidate> taken;
  std::vector<float> likeness(candidates.size(), 0.0f);
  while (!candidates.empty() && taken.size() < limit) {
    std::size_t best = 0;
    float best_value = -3;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const float value = lambda * candidates[i].score - (1 - lambda) * likeness[i];
      if (value > best_value) {
        best_value = value;
        best = i;
      }
    }
    taken.push_back(std::move(candidates[best]));
    candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(best));
    likeness.erase(likeness.begin() + static_cast<std::ptrdiff_t>(best));
    std::vector<float> wide(taken.back().vector.size());
    for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = FromHalf(taken.back().vector[i]);
    for (std::size_t i = 0; i < candidates.size(); ++i)
      likeness[i] = std::max(likeness[i], Cosine(wide, candidates[i]));
  }
  return taken;
}

}  // namespace

std::vector<Candidate> Rank(std::vector<Candidate> candidates, const RankingOrder& order,
                            const RankingWeights& weights) {
  for (Candidate& one : candidates) one.score = ScoreOf(one, order.by, weights.words);
  if (order.by == RankBy::kFused) AddNeighbours(candidates, weights);
  const float score_min = order.score_threshold.value_or(0.0f);
  const float cosine_min = 1 - order.distance_threshold.value_or(3.0f);
  std::erase_if(candidates, [&](const Candidate& one) {
    return one.score < score_min || one.cosine < cosine_min;
  });
  std::sort(candidates.begin(), candidates.end(), Better);
  if (order.mmr_lambda)
    candidates =
        Diversify(std::move(candidates), std::clamp(*order.mmr_lambda, 0.0f, 1.0f), order.limit);
  if (order.group) GroupByDocument(candidates, weights.run_max);
  if (candidates.size() > order.limit) candidates.resize(order.limit);
  return candidates;
}

}  // namespace tessera
