#include "model/text_filter.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

std::string Filtered(std::vector<std::string> stops, const std::vector<std::string>& pieces) {
  TextFilter filter(std::move(stops));
  std::string text;
  for (const std::string& piece : pieces) text += filter.Push(piece);
  return text + filter.Finish();
}

TEST(TextFilterTest, CharactersCutBetweenPiecesComeOutWhole) {
  TextFilter filter({});
  EXPECT_EQ(filter.Push("gr\xc3"), "gr");
  EXPECT_EQ(filter.Push("\xbc\xf0\x9f"), "\xc3\xbc");
  EXPECT_EQ(filter.Push("\x8e"), "");
  EXPECT_EQ(filter.Push("\x89!"), "\xf0\x9f\x8e\x89!");
}

TEST(TextFilterTest, WhatIsNoUtf8IsReplacedAndAnUnfinishedEndDropped) {
  EXPECT_EQ(Filtered({}, {"a\xff", "b\xc3", "c"}),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c");
  EXPECT_EQ(Filtered({}, {"a\xed\xa0\x80"}),
            "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(Filtered({}, {"a\xe2\x82"}), "a");
}

TEST(TextFilterTest, AStopStringAcrossPiecesIsFoundAndNeverShown) {
  TextFilter filter({"STOP", "\n\n"});
  EXPECT_EQ(filter.Push("one ST"), "one ");
  EXPECT_EQ(filter.Push("A"), "STA");
  EXPECT_EQ(filter.Push(" two S"), " two ");
  EXPECT_EQ(filter.Push("TO"), "");
  EXPECT_FALSE(filter.stopped());
  EXPECT_EQ(filter.Push("P and more"), "");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.Push("nothing"), "");
}

TEST(TextFilterTest, TheEarliestStopStringWins) {
  EXPECT_EQ(Filtered({"later", "now"}, {"go now or later"}), "go ");
}

TEST(TextFilterTest, WhatWasHeldBackComesAtTheEnd) {
  EXPECT_EQ(Filtered({"<end>", ""}, {"text <e", "n"}), "text <en");
}

}  // namespace
}  // namespace tessera
