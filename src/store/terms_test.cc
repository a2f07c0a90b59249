#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/lexical_index.h"
#include "store/text_terms.h"

namespace tessera {
namespace {

std::vector<TermId> Terms(std::string_view text) {
  std::vector<TermId> terms;
  ForEachTerm(text, [&](TermId id, bool) { terms.push_back(id); });
  return terms;
}

TEST(StemTest, FollowsThePaper) {
  const std::pair<const char*, const char*> pairs[] = {
      {"caresses", "caress"},    {"ponies", "poni"},       {"cats", "cat"},
      {"agreed", "agre"},        {"plastered", "plaster"}, {"motoring", "motor"},
      {"sing", "sing"},          {"conflated", "conflat"}, {"hopping", "hop"},
      {"falling", "fall"},       {"filing", "file"},       {"happy", "happi"},
      {"relational", "relat"},   {"rational", "ration"},   {"vietnamization", "vietnam"},
      {"triplicate", "triplic"}, {"hopeful", "hope"},      {"revival", "reviv"},
      {"adoption", "adopt"},     {"probate", "probat"},    {"rate", "rate"},
      {"controll", "control"},   {"roll", "roll"}};
  for (const auto& [word, stem] : pairs) EXPECT_EQ(Stem(word), stem) << word;
}

TEST(TermsTest, FormsOfAWordAreOne) {
  EXPECT_EQ(Terms("Indexes"), Terms("index"));
  EXPECT_EQ(Terms("Größe naïve ÉCOLE"), Terms("grosse naive ecole"));
  EXPECT_EQ(Terms("ΛΌΓΟΣ")[0] != 0, true);
  EXPECT_EQ(Terms("Привет"), Terms("привет"));
}

TEST(TermsTest, JoinedWordsGivePartsAndTheWhole) {
  const auto terms = Terms("see pg_stat_activity.");
  ASSERT_EQ(terms.size(), 5u);
  EXPECT_EQ(terms[1], Terms("pg")[0]);
  EXPECT_EQ(Terms("x pg_stat_activity y")[4], terms[4]);
  EXPECT_EQ(Terms("end. Start").size(), 2u);
  EXPECT_EQ(Terms("a--b __c__ ...").size(), 3u);
}

TEST(TermsTest, NeighboursOfCjkAndBadBytes) {
  EXPECT_EQ(Terms("数据库").size(), 2u);
  EXPECT_EQ(Terms("数").size(), 1u);
  EXPECT_EQ(Terms("数据库")[0], Terms("数据")[0]);
  EXPECT_EQ(Terms(std::string_view("ab\xff\xfe"
                                   "cd\xe4\xb8",
                                   8))
                .size(),
            2u);
}

TEST(TermsTest, StopWordsGoUnlessTheyAreAll) {
  EXPECT_EQ(QueryTerms("how do I drop the table"), Terms("drop table"));
  EXPECT_EQ(QueryTerms("to be or not to be").size(), 4u);
  EXPECT_TRUE(QueryTerms("?!").empty());
}

TEST(LexicalTest, CountsSurviveEncoding) {
  const TermCounts counts = TermCounts::Of("one two two three", "two heading");
  TermCounts back;
  ASSERT_TRUE(TermCounts::Decode(counts.Encode(), back));
  EXPECT_EQ(back.body_length, 4);
  EXPECT_EQ(back.heading_length, 2);
  EXPECT_EQ(back.entries.size(), 4u);
  EXPECT_FALSE(TermCounts::Decode("abc", back));
  EXPECT_FALSE(TermCounts::Decode("abcdefg", back));
}

TEST(LexicalTest, RareWordsAndHeadingsAndTitlesCount) {
  LexicalIndex index;
  index.AddRow(0, TermCounts::Of("the quick brown fox", ""));
  index.AddRow(0, TermCounts::Of("the lazy dog sleeps", ""));
  index.AddRow(1, TermCounts::Of("another brown thing", "dog"));
  index.SetTitle(0, "animals.html");
  index.SetTitle(1, "things.html");
  std::vector<float> scores;
  index.Score(QueryTerms("fox"), scores);
  EXPECT_GT(scores[0], 0);
  EXPECT_EQ(scores[1], 0);
  index.Score(QueryTerms("dogs"), scores);
  EXPECT_GT(scores[2], scores[1]);  // in the heading
  index.Score(QueryTerms("animal"), scores);
  EXPECT_GT(scores[1], 0);
  EXPECT_EQ(scores[2], 0);
}

}  // namespace
}  // namespace tessera
