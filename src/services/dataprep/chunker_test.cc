#include "services/dataprep/chunker.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "services/dataprep/token_estimate.h"
#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

Block Make(BlockKind kind, std::string text, int level = 0, std::uint32_t page = 0) {
  Block block;
  block.kind = kind;
  block.text = std::move(text);
  block.heading_level = static_cast<std::uint8_t>(level);
  block.page = page;
  return block;
}
Block Heading(int level, std::string text, std::uint32_t page = 0) {
  return Make(BlockKind::kHeading, std::move(text), level, page);
}
Block Paragraph(std::string text) { return Make(BlockKind::kParagraph, std::move(text)); }

std::string Sentences(int count, std::string_view subject) {
  std::string text;
  for (int i = 0; i < count; ++i)
    StrAppend(&text, i ? " " : "", "The ", subject, " lays one small stone beside the other.");
  return text;
}

std::vector<TextChunk> Cut(const std::vector<Block>& blocks, ChunkerConfig config = {}) {
  Chunker chunker(config);
  std::vector<TextChunk> out;
  for (const Block& block : blocks) chunker.Add(block, out);
  chunker.Finish(out);
  return out;
}

TEST(ChunkerTest, ASmallDocumentIsOnePassage) {
  const auto chunks = Cut({Heading(1, "Mosaics"), Paragraph("They are old.")});
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_EQ(chunks[0].text, "Mosaics\n\nThey are old.");
  EXPECT_THAT(chunks[0].headings, ElementsAre("Mosaics"));
  EXPECT_EQ(chunks[0].start, 0u);
  EXPECT_EQ(chunks[0].end, chunks[0].text.size());
}

TEST(ChunkerTest, SectionsThatFillAPassageStayApart) {
  const auto chunks = Cut({Heading(1, "Stone"), Paragraph(Sentences(8, "mason")),
                           Heading(1, "Glass"), Paragraph(Sentences(8, "glazier"))});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_THAT(chunks[0].headings, ElementsAre("Stone"));
  EXPECT_THAT(chunks[1].headings, ElementsAre("Glass"));
  EXPECT_TRUE(chunks[1].text.starts_with("Glass\n\nThe glazier"));
}

TEST(ChunkerTest, SmallSectionsUnderOneParentAreJoined) {
  const auto chunks =
      Cut({Heading(1, "createdb"), Heading(2, "Name"), Paragraph("createdb - makes a database"),
           Heading(2, "Synopsis"), Make(BlockKind::kCode, "createdb [option...] [dbname]"),
           Heading(2, "Description"), Paragraph(Sentences(9, "program"))});
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_THAT(chunks[0].headings, ElementsAre("createdb"));
}

TEST(ChunkerTest, LongSectionsAreCutEvenlyBetweenParagraphs) {
  std::vector<Block> blocks = {Heading(1, "Long")};
  for (int i = 0; i < 7; ++i)
    blocks.push_back(Paragraph(Sentences(4, std::string(4, static_cast<char>('a' + i)))));
  const auto chunks = Cut(blocks);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_GT(chunks[1].tokens, chunks[0].tokens * 0.6);
  EXPECT_TRUE(chunks[1].text.starts_with("The "));
  EXPECT_THAT(chunks[1].headings, ElementsAre("Long"));
}

TEST(ChunkerTest, APassageEndsWithItsPage) {
  Block runs_on = Make(BlockKind::kParagraph, "goes on there.", 0, 2);
  runs_on.continues = true;
  const auto chunks = Cut({Make(BlockKind::kParagraph, "What begins here", 0, 1), runs_on,
                           Make(BlockKind::kParagraph, "The second page.", 0, 2),
                           Heading(1, "Third", 2), Make(BlockKind::kParagraph, "Its text.", 0, 3)});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].page, 1u);
  EXPECT_EQ(chunks[0].text, "What begins here goes on there.\n\nThe second page.");
  EXPECT_EQ(chunks[1].text, "Third\n\nIts text.");
  EXPECT_EQ(chunks[1].page, 2u);
}

TEST(ChunkerTest, AHeadingNeverEndsAPassage) {
  std::vector<Block> blocks;
  for (int i = 0; i < 41; ++i) {
    blocks.push_back(Heading(1 + i % 3, StrCat("Heading ", i)));
    if (i % 3 != 0) blocks.push_back(Paragraph(Sentences(1 + i % 11, "worker")));
  }
  for (const TextChunk& chunk : Cut(blocks)) {
    const std::size_t line = chunk.text.rfind('\n');
    EXPECT_FALSE(chunk.text.substr(line + 1).starts_with("Heading")) << chunk.text;
  }
}

// Headings of the body's size: the PDF reader takes them for paragraphs or items of a list.
TEST(ChunkerTest, ANumberedLineOfAPdfStartsItsPassage) {
  for (const std::string_view number : {"", "3.", "Article ", "Chapter "}) {
    const bool item = number.empty();
    const std::string before = StrCat(number);
    const std::string after = number == "Chapter " ? ": o" : item ? ". O" : " O";
    const BlockKind kind = item ? BlockKind::kListItem : BlockKind::kParagraph;
    std::vector<Block> blocks;
    for (int i = 1; i <= 30; ++i) {
      blocks.push_back(
          Make(kind, StrCat(before, i, after, "f the duties of the watch ", i), 0, 1 + i / 9));
      blocks.push_back(Make(BlockKind::kParagraph, Sentences(1 + i % 7, "watch"), 0, 1 + i / 9));
    }
    std::size_t starts = 0;
    for (const TextChunk& chunk : Cut(blocks)) {
      const std::size_t line = chunk.text.rfind('\n');
      EXPECT_EQ(chunk.text.substr(line + 1).find("f the duties"), std::string::npos) << chunk.text;
      starts +=
          chunk.text.substr(0, chunk.text.find('\n')).find("f the duties") != std::string::npos;
    }
    EXPECT_GT(starts, 8u);
  }
}

TEST(ChunkerTest, AHeadingGoesToTheNextPageWithItsText) {
  const auto chunks = Cut({Make(BlockKind::kParagraph, Sentences(3, "mason"), 0, 1),
                           Make(BlockKind::kListItem, "2. Of the quarry", 0, 1),
                           Make(BlockKind::kParagraph, Sentences(3, "quarry"), 0, 2)});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_TRUE(chunks[1].text.starts_with("2. Of the quarry\n\nThe quarry")) << chunks[1].text;
}

TEST(ChunkerTest, ANumberedListIsNoRowOfHeadings) {
  std::vector<Block> blocks;
  for (int i = 1; i <= 200; ++i)
    blocks.push_back(Make(BlockKind::kListItem, StrCat(i, ". Stone of sort ", i), 0, 1));
  const auto chunks = Cut(blocks);
  EXPECT_GT(chunks.size(), 4u);
  for (const TextChunk& chunk : chunks) EXPECT_LE(chunk.tokens, 181);
}

TEST(ChunkerTest, RowsAreCutOnlyWhenAloneTooLong) {
  std::vector<Block> rows;
  for (int i = 0; i < 60; ++i)
    rows.push_back(
        Make(BlockKind::kTableRow, StrCat("name: stone ", i, "; colour: blue; price: ", i)));
  for (const TextChunk& chunk : Cut(rows)) {
    EXPECT_TRUE(chunk.text.starts_with("name: stone ")) << chunk.text;
    EXPECT_EQ(chunk.text.find("\n\n"), std::string::npos);
    EXPECT_FALSE(chunk.prose);
  }
}

TEST(ChunkerTest, OverlapRepeatsWholeSentences) {
  std::string text;
  for (int i = 0; i < 60; ++i) StrAppend(&text, "Sentence number ", i, " says a thing or two. ");
  const auto chunks = Cut({Paragraph(text)}, {.tokens_max = 100, .overlap_tokens = 25});
  ASSERT_GT(chunks.size(), 3u);
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    EXPECT_LT(chunks[i].start, chunks[i - 1].end);
    EXPECT_TRUE(chunks[i].text.starts_with("Sentence number")) << chunks[i].text;
    EXPECT_LE(EstimateTokens(chunks[i].text), 100 + 1e-6);
  }
}

TEST(ChunkerTest, EmbeddingTextBeginsWithTitleAndHeadings) {
  TextChunk chunk;
  chunk.text = "Body.";
  chunk.headings = {"9.4. Strings", "format"};
  EXPECT_EQ(EmbeddingText("Strings", chunk, 40), "Strings > format\n\nBody.");
  chunk.text = "format\n\nBody.";
  EXPECT_EQ(EmbeddingText("", chunk, 40), "9.4. Strings\n\nformat\n\nBody.");
  EXPECT_EQ(EmbeddingText(std::string(4000, 'x'), chunk, 40).find("\n\n") < 200, true);
}

TEST(ChunkerTest, HeadingPathBeginsWithTheTitleOnce) {
  EXPECT_EQ(HeadingPath("LISTEN", {"Description"}), "LISTEN > Description");
  EXPECT_EQ(HeadingPath("Strings", {"9.4. Strings", "format"}), "9.4. Strings > format");
  EXPECT_EQ(HeadingPath("", {"a", "b"}), "a > b");
  EXPECT_EQ(HeadingPath("Notes", {}), "Notes");
}

TEST(SentenceTest, AbbreviationsDoNotEndSentences) {
  const std::string text = "See Fig. 3, e.g. Smith et al. 2020. It costs 3.5 euros! Really? Yes.";
  std::vector<std::string> sentences;
  std::size_t begin = 0;
  for (const std::size_t end : SentenceEnds(text)) {
    sentences.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_THAT(sentences, ElementsAre("See Fig. 3, e.g. Smith et al. 2020.", " It costs 3.5 euros!",
                                     " Really?", " Yes."));
}

TEST(TokenEstimateTest, IsNearTheTruthOnProse) {
  // 41 tokens by the tokeniser of all-MiniLM-L6-v2, without its two special ones.
  const double tokens = EstimateTokens(
      "This section describes functions and operators for examining and manipulating string "
      "values. "
      "Strings in this context include values of the types character, character varying, and text. "
      "Except where noted, these");
  EXPECT_NEAR(tokens, 39, 4);
}

// Whatever comes in: passages are substrings of the normalised text, in order, valid UTF-8, within
// the limit, and hold every byte that is not white space.
TEST(ChunkerTest, PropertiesHoldForRandomDocuments) {
  std::mt19937 random(7);
  const std::vector<std::string> words = {"stone",  "a",      "Glass.",    "\u00fcber",
                                          "\u77f3", "x86_64", "3.14",      "supercalifragilistic",
                                          "e.g.",   "(see)",  "\U0001f9f1"};
  for (int round = 0; round < 400; ++round) {
    std::vector<Block> blocks;
    const int count = static_cast<int>(random() % 30);
    for (int i = 0; i < count; ++i) {
      std::string text;
      const int length = 1 + static_cast<int>(random() % (random() % 8 == 0 ? 900 : 60));
      for (int w = 0; w < length; ++w)
        StrAppend(&text, w ? (random() % 9 ? " " : "\n") : "", words[random() % words.size()]);
      if (random() % 40 == 0) text.insert(0, 3000, 'q');
      const auto kind = static_cast<BlockKind>(random() % 6);
      blocks.push_back(
          Make(kind, text, kind == BlockKind::kHeading ? 1 + random() % 6 : 0, random() % 3));
      blocks.back().continues = random() % 10 == 0;
    }
    ChunkerConfig config;
    config.tokens_max = 20 + random() % 200;
    config.tokens_min = random() % 60;
    config.overlap_tokens = random() % 3 ? 0 : random() % 30;
    const auto chunks = Cut(blocks, config);

    std::string normalised;  // as far as passages tell
    std::uint64_t covered = 0;
    std::size_t solid_in_chunks = 0;
    for (const TextChunk& chunk : chunks) {
      ASSERT_EQ(chunk.end - chunk.start, chunk.text.size());
      ASSERT_TRUE(IsValidUtf8(chunk.text));
      ASSERT_LE(EstimateTokens(chunk.text), config.tokens_max + 0.01) << chunk.text;
      if (normalised.size() < chunk.end) normalised.resize(chunk.end, ' ');
      for (std::size_t i = 0; i < chunk.text.size(); ++i) {
        char& at = normalised[chunk.start + i];
        ASSERT_TRUE(at == ' ' || chunk.start + i < covered);
        if (chunk.start + i < covered) ASSERT_EQ(at, chunk.text[i]);
        at = chunk.text[i];
      }
      ASSERT_GE(chunk.end, covered);
      covered = chunk.end;
    }
    const auto solid = [](const std::string& text) {
      return std::count_if(text.begin(), text.end(), [](char c) { return c != ' ' && c != '\n'; });
    };
    solid_in_chunks = static_cast<std::size_t>(solid(normalised));
    std::size_t solid_in_blocks = 0;
    for (const Block& block : blocks)
      solid_in_blocks += static_cast<std::size_t>(solid(block.text));
    ASSERT_EQ(solid_in_chunks, solid_in_blocks) << "round " << round;
  }
}

}  // namespace
}  // namespace tessera
