#include "extract/text.h"

#include "extract/testing/collect.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(CleanTextTest, FlowIsOneLineWithSingleSpaces) {
  EXPECT_EQ(CleanText("  a\t b\r\n\r\nc  ", TextShape::kFlow), "a b c");
}

TEST(CleanTextTest, LinesKeepBreaksAndAtMostOneEmptyLine) {
  EXPECT_EQ(CleanText("a  b \r\n c\n\n\n\nd\n", TextShape::kLines), "a b\nc\n\nd");
}

TEST(CleanTextTest, VerbatimKeepsIndentation) {
  EXPECT_EQ(CleanText("  if x:  \n\t\ty = 1\n\n\n", TextShape::kVerbatim), "  if x:\n\t\ty = 1");
}

TEST(CleanTextTest, ComposesToNfc) {
  EXPECT_EQ(CleanText("e\u0301\u0323", TextShape::kFlow), "\u1EB9\u0301");
  EXPECT_EQ(CleanText("Cafe\u0301", TextShape::kFlow), "Caf\u00E9");
}

TEST(CleanTextTest, MapsOddCharacters) {
  EXPECT_EQ(CleanText("of\uFB01ce e\uFB03cient", TextShape::kFlow), "office efficient");
  EXPECT_EQ(CleanText("a\u00A0b\u2009c\u3000d", TextShape::kFlow), "a b c d");
  EXPECT_EQ(CleanText("zero\u200Bwidth\uFEFF", TextShape::kFlow), "zerowidth");
  EXPECT_EQ(CleanText("inter\u00ADnational", TextShape::kFlow), "international");
  EXPECT_EQ(CleanText("inter\u00AD\nnational", TextShape::kLines), "international");
  EXPECT_EQ(CleanText(std::string_view("a\0b\x01\x7F", 5), TextShape::kFlow), "ab");
  EXPECT_EQ(CleanText("\xF0\x9F\x91\xA9\u200D\xF0\x9F\x94\xAC", TextShape::kFlow),
            "\xF0\x9F\x91\xA9\u200D\xF0\x9F\x94\xAC");  // joiners stay
}

TEST(CleanTextTest, InvalidUtf8BecomesReplacements) {
  EXPECT_EQ(CleanText("a\xFF\xC3", TextShape::kFlow), "a\uFFFD\uFFFD");
  EXPECT_TRUE(IsUtf8(CleanText("\xED\xA0\x80\xF8\x88", TextShape::kFlow)));
}

TEST(EncodingTest, MarksAndZeros) {
  EXPECT_EQ(GuessEncoding("\xEF\xBB\xBFhi", true), "UTF-8");
  EXPECT_EQ(GuessEncoding(std::string_view("\xFF\xFEh\0i\0", 6), true), "UTF-16LE");
  EXPECT_EQ(GuessEncoding(std::string_view("\0h\0e\0l\0l\0o\0!", 12), true), "UTF-16BE");
  EXPECT_EQ(GuessEncoding(std::string_view("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16), true), "");
}

TEST(EncodingTest, ShiftJisLatin1Cyrillic) {
  // "これは日本語の文章です。" a few times, and "съешь ещё этих мягких французских булок".
  const std::string japanese =
      "\x82\xB1\x82\xEA\x82\xCD\x93\xFA\x96\x7B\x8C\xEA\x82\xCC\x95\xB6\x8F\xCD\x82\xC5\x82\xB7\x81"
      "\x42"
      "\x82\xB1\x82\xEA\x82\xCD\x93\xFA\x96\x7B\x8C\xEA\x82\xCC\x95\xB6\x8F\xCD\x82\xC5\x82\xB7\x81"
      "\x42";
  EXPECT_EQ(DecodeText(japanese).substr(0, 18), "これは日本語");
  EXPECT_EQ(DecodeText("Das Stra\xDF"
                       "enfest in K\xF6ln war sch\xF6n."),
            "Das Straßenfest in Köln war schön.");
  const std::string russian =
      "\xF1\xFA\xE5\xF8\xFC \xE5\xF9\xB8 \xFD\xF2\xE8\xF5 \xEC\xFF\xE3\xEA\xE8\xF5 "
      "\xF4\xF0\xE0\xED\xF6\xF3\xE7\xF1\xEA\xE8\xF5 \xE1\xF3\xEB\xEE\xEA, \xE4\xE0 "
      "\xE2\xFB\xEF\xE5\xE9 \xF7\xE0\xFE";
  EXPECT_EQ(DecodeText(russian).substr(0, 10), "съешь");
}

TEST(EncodingTest, DecoderJoinsCutCharacters) {
  TextDecoder decoder("UTF-16LE");
  std::string out;
  const std::string bytes("h\0\xE9\0=\xD8\x00\xDE", 8);
  for (const char byte : bytes) decoder.Decode({&byte, 1}, false, out);
  decoder.Decode({}, true, out);
  EXPECT_EQ(out, "hé\xF0\x9F\x98\x80");
  EXPECT_EQ(decoder.bad_bytes(), 0u);
}

TEST(PlainTextTest, Utf16FileIsRead) {
  std::string utf16("\xFF\xFE", 2);
  for (const char c : std::string("First line\r\n\r\nSecond paragraph")) {
    utf16.push_back(c);
    utf16.push_back('\0');
  }
  const CollectedDocument document = ReadOneHere(utf16, "a.txt");
  EXPECT_EQ(document.Outline(), "paragraph: First line\nparagraph: Second paragraph\n");
  EXPECT_EQ(document.info.metadata.at("encoding"), "UTF-16LE");
}

TEST(PlainTextTest, ParagraphsHeadingsAndLines) {
  const CollectedDocument document =
      ReadOneHere("Title\n=====\n\nOne line\nand another.\n\n\nPart\n----\nText.\n", "a.txt");
  EXPECT_EQ(
      document.Outline(),
      "heading1: Title\nparagraph: One line\nand another.\nheading2: Part\nparagraph: Text.\n");
}

TEST(PlainTextTest, LongTextIsCutAtWordsAndMarked) {
  ExtractConfig limits;
  limits.block_bytes_max.count = 1024;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "word" + std::to_string(i) + " ";
  const CollectedDocument document = ReadOneHere(text, "a.txt", limits);
  ASSERT_GT(document.blocks.size(), 5u);
  std::string joined;
  for (const Block& block : document.blocks) {
    EXPECT_LE(block.text.size(), 1024u);
    if (block.continues) joined += " ";
    joined += block.text;
  }
  text.pop_back();
  EXPECT_EQ(joined, text);
}

TEST(PlainTextTest, TextLimitIsAnError) {
  ExtractConfig limits;
  limits.text_bytes_max.count = 1000;
  const CollectedDocument document = ReadOneHere(std::string(5000, 'x'), "a.txt", limits);
  EXPECT_EQ(document.ErrorName(), "too_large");
}

TEST(CodeTest, KeepsIndentationAndPartsAtDefinitions) {
  std::string code = "import os\n\n";
  for (int i = 0; i < 60; ++i)
    code += "def f" + std::to_string(i) + "():\n    return " + std::to_string(i) + "\n\n";
  const CollectedDocument document = ReadOneHere(code, "a.py");
  ASSERT_GT(document.blocks.size(), 1u);
  for (const Block& block : document.blocks) {
    EXPECT_EQ(block.kind, BlockKind::kCode);
    EXPECT_TRUE(block.text.starts_with("import") || block.text.starts_with("def ")) << block.text;
  }
}

}  // namespace
}  // namespace tessera
