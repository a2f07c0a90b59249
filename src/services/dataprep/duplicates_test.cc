#include "services/dataprep/duplicates.h"

#include <string>

#include <gtest/gtest.h>

#include "base/str.h"

namespace tessera {
namespace {

std::string Prose(int words, int different = -1) {
  std::string text;
  for (int i = 0; i < words; ++i)
    StrAppend(&text,
              i == different
                  ? "other"
                  : StrCat("word", std::string(1, 'a' + i % 26), std::string(1, 'a' + i / 26)),
              " ");
  return text;
}

TEST(DuplicateFilterTest, TheSameWordsAreSeenBeforeWhateverTheirSpacing) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore("A sentence of its own.", true));
  EXPECT_TRUE(filter.SeenBefore("a  sentence\nof its OWN.", true));
  EXPECT_FALSE(filter.SeenBefore("A sentence of its own, longer.", true));
}

TEST(DuplicateFilterTest, ProseThatDiffersInAWordOfManyIsANearDuplicate) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore(Prose(400), true));
  EXPECT_TRUE(filter.SeenBefore(Prose(400, 200), true));
  EXPECT_FALSE(filter.SeenBefore(Prose(40, 20), true)) << "a word of 40 is a difference";
}

TEST(DuplicateFilterTest, AnotherNumberIsAnotherPassage) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore(Prose(400) + "costs 17 euros", true));
  EXPECT_FALSE(filter.SeenBefore(Prose(400) + "costs 18 euros", true));
  EXPECT_TRUE(filter.SeenBefore(Prose(400, 3) + "costs 18 euros", true));
}

TEST(DuplicateFilterTest, RowsAndCodeAreDroppedOnlyWhenTheSame) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore(Prose(400), false));
  EXPECT_FALSE(filter.SeenBefore(Prose(400, 200), false));
  EXPECT_TRUE(filter.SeenBefore(Prose(400, 200), false));
}

TEST(DuplicateFilterTest, ManyDistinctRowsAllStay) {
  DuplicateFilter filter;
  for (int i = 0; i < 50'000; ++i) {
    ASSERT_FALSE(filter.SeenBefore(StrCat(Prose(60), "row ", i), i % 2 == 0)) << i;
  }
}

}  // namespace
}  // namespace tessera
