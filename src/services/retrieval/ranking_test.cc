#include "services/retrieval/ranking.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

Candidate Made(std::int64_t chunk, std::int64_t document, float cosine, float coverage) {
  Candidate one;
  one.chunk = chunk;
  one.document = document;
  one.cosine = cosine;
  one.coverage = coverage;
  return one;
}

std::vector<std::int64_t> Chunks(const std::vector<Candidate>& candidates) {
  std::vector<std::int64_t> chunks;
  for (const Candidate& one : candidates) chunks.push_back(one.chunk);
  return chunks;
}

using Order = std::vector<std::int64_t>;

TEST(Ranking, EachModeGoesByItsOwnScore) {
  const std::vector<Candidate> candidates = {Made(1, 1, 0.9f, 0.1f), Made(2, 2, 0.1f, 0.9f)};
  EXPECT_EQ(Chunks(Rank(candidates, {.by = RankBy::kVector})), (Order{1, 2}));
  EXPECT_EQ(Chunks(Rank(candidates, {.by = RankBy::kWords})), (Order{2, 1}));
}

TEST(Ranking, WordsAndVectorAreWeighedTogether) {
  const std::vector<Candidate> candidates = {Made(1, 1, 0.7f, 0.0f), Made(2, 2, 0.6f, 0.5f),
                                             Made(3, 3, 0.0f, 0.9f)};
  EXPECT_EQ(Chunks(Rank(candidates, {})), (Order{2, 1, 3}));
}

TEST(Ranking, ASecondPassageOnTheMatterLiftsItsDocument) {
  const std::vector<Candidate> candidates = {Made(1, 1, 0.6f, 0.2f), Made(2, 2, 0.55f, 0.2f),
                                             Made(3, 2, 0.5f, 0.2f)};
  EXPECT_EQ(Chunks(Rank(candidates, {})), (Order{2, 3, 1}));
}

TEST(Ranking, ADocumentOfOnePassageIsNotHeldBackForIt) {
  Candidate letter = Made(1, 1, 0.6f, 0.2f);
  letter.alone = true;
  const std::vector<Candidate> candidates = {letter, Made(2, 2, 0.5f, 0.2f),
                                             Made(3, 2, 0.45f, 0.2f)};
  EXPECT_EQ(Chunks(Rank(candidates, {})), (Order{1, 2, 3}));
}

TEST(Ranking, ScoresAreBetweenZeroAndOneAndThresholdsHold) {
  const std::vector<Candidate> candidates = {Made(1, 1, 1.1f, 1.3f), Made(2, 2, -0.5f, 0.0f)};
  const std::vector<Candidate> all = Rank(candidates, {});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_LE(all[0].score, 1.0f);
  EXPECT_GE(all[1].score, 0.0f);
  EXPECT_EQ(Chunks(Rank(candidates, {.score_threshold = 0.1f})), (Order{1}));
}

}  // namespace
}  // namespace tessera
