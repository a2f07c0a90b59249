#include "services/dataprep/cleaner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

Block Text(std::string text, std::uint32_t page = 0, BlockKind kind = BlockKind::kParagraph) {
  Block block;
  block.kind = kind;
  block.page = page;
  block.text = std::move(text);
  return block;
}

std::vector<std::string> Clean(std::vector<Block> blocks, CleanerConfig config = {}) {
  Cleaner cleaner(config);
  std::vector<Block> out;
  for (Block& block : blocks) cleaner.Add(std::move(block), out);
  cleaner.Finish(out);
  std::vector<std::string> texts;
  for (const Block& block : out) texts.push_back(block.text);
  return texts;
}

std::string CleanOne(std::string text) {
  const std::vector<std::string> out = Clean({Text(std::move(text))});
  return out.empty() ? "" : out[0];
}

TEST(CleanerTest, WrappedLinesAreJoined) {
  EXPECT_EQ(
      CleanOne("The quick brown fox jumps over the lazy\ndog and goes on until the line is full\n"
               "and ends."),
      "The quick brown fox jumps over the lazy dog and goes on until the line is full and ends.");
}

TEST(CleanerTest, LinesBrokenOnPurposeStay) {
  EXPECT_EQ(CleanOne("Tessera Ltd\n1 Mosaic Street\nRavenna"),
            "Tessera Ltd\n1 Mosaic Street\nRavenna");
  EXPECT_EQ(CleanOne("Three things are needed before the work can begin:\n- a floor that is level\n"
                     "- stones of many colours"),
            "Three things are needed before the work can begin:\n- a floor that is level\n"
            "- stones of many colours");
}

TEST(CleanerTest, HyphensAtLineEndsGoWhenTheyWereOnlyTheLines) {
  EXPECT_EQ(CleanOne("A long sentence about the transforma-\ntion of stone into pictures."),
            "A long sentence about the transformation of stone into pictures.");
  EXPECT_EQ(CleanOne("A long sentence about the very self-\nevident nature of all the things."),
            "A long sentence about the very self-evident nature of all the things.");
  EXPECT_EQ(
      CleanOne(
          "The years in which it was made: 2010-\n2015, in the city of the Anglo-\nSaxon king"),
      "The years in which it was made: 2010-2015, in the city of the Anglo-Saxon king");
}

TEST(CleanerTest, TheDocumentsOwnSpellingDecidesAboutHyphens) {
  const std::vector<std::string> out =
      Clean({Text("The write-ahead log and the checkpoint."),
             Text("Every change of a page goes first to the write-\nahead log, then to its "
                  "checkp-\noint.")});
  EXPECT_EQ(out[1],
            "Every change of a page goes first to the write-ahead log, then to its checkpoint.");
}

TEST(CleanerTest, InvisibleCharactersAndLigaturesAreResolved) {
  EXPECT_EQ(CleanOne("ef\uFB01cient\u00a0 \u200bwork, x\u00b2"), "efficient work, x\u00b2");
  EXPECT_EQ(CleanOne("soft\u00adware"), "software");
  EXPECT_EQ(CleanOne("----------"), "");
  EXPECT_EQ(CleanOne("Introduction ................ 12"), "Introduction \u2026 12");
}

TEST(CleanerTest, CodeKeepsItsShape) {
  Block code = Text("if x:\n    y = 1  \n\n\n\n    z = 2\n", 0, BlockKind::kCode);
  EXPECT_THAT(Clean({code}), ElementsAre("if x:\n    y = 1\n\n    z = 2"));
}

TEST(CleanerTest, RunningLinesAndPageNumbersGo) {
  std::vector<Block> blocks;
  for (std::uint32_t page = 1; page <= 12; ++page) {
    blocks.push_back(Text("The Mosaic Handbook, 3rd edition", page));
    blocks.push_back(Text(StrCat("Text number ", page * page, " is about stone and glass."), page));
    blocks.push_back(Text(StrCat("Page ", page + 4, " of 40"), page));
  }
  const std::vector<std::string> out = Clean(blocks);
  ASSERT_EQ(out.size(), 12u);
  for (const std::string& text : out) EXPECT_TRUE(text.starts_with("Text number")) << text;
}

TEST(CleanerTest, RunningLinesWithinTheFirstBlockGo) {
  std::vector<Block> blocks;
  for (std::uint32_t page = 1; page <= 5; ++page) {
    blocks.push_back(Text(
        StrCat(page, " CHAPTER ONE\nSome words that only this page has: ", std::string(page, 'x')),
        page));
  }
  const std::vector<std::string> out = Clean(blocks);
  ASSERT_EQ(out.size(), 5u);
  EXPECT_EQ(out[0], "Some words that only this page has: x");
  EXPECT_EQ(out[4], "Some words that only this page has: xxxxx");
}

TEST(CleanerTest, TableRowsAndFirstHeadingsStay) {
  std::vector<Block> blocks;
  for (std::uint32_t page = 1; page <= 5; ++page) {
    blocks.push_back(Text("Glazes", page, BlockKind::kHeading));
    blocks.push_back(Text(StrCat("Words about glaze ", page), page));
    blocks.push_back(Text("total | 10", page, BlockKind::kTableRow));
  }
  const std::vector<std::string> out = Clean(blocks);
  EXPECT_EQ(std::count(out.begin(), out.end(), "Glazes"), 1);
  EXPECT_EQ(std::count(out.begin(), out.end(), "total | 10"), 5);
}

TEST(CleanerTest, PlainNumbersThatAreNotThePagesStay) {
  std::vector<Block> blocks;
  for (std::uint32_t page = 1; page <= 6; ++page)
    blocks.push_back(Text(StrCat("The sum is\n", page * page * 7), page));
  const std::vector<std::string> out = Clean(blocks);
  ASSERT_EQ(out.size(), 6u);
  EXPECT_NE(out[5].find("252"), std::string::npos);
}

TEST(CleanerTest, HoldsBackOnlyAFewPages) {
  Cleaner cleaner({.pages_ahead = 4});
  std::vector<Block> out;
  for (std::uint32_t page = 1; page <= 100; ++page) {
    cleaner.Add(Text(StrCat("Only on page ", page * 31, " of them all"), page), out);
    EXPECT_GE(out.size() + 5, page);
  }
}

}  // namespace
}  // namespace tessera
