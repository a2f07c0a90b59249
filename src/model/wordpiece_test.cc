#include "model/wordpiece.h"

#include <gtest/gtest.h>

#include "model/test_models.h"

namespace tessera {
namespace {

using Ids = std::vector<std::int32_t>;

const WordPiece& MiniLm() {
  static const auto* const wordpiece = new WordPiece(*WordPiece::Load(MiniLmOptions().vocabulary));
  return *wordpiece;
}

// The ids are those of Hugging Face's tokenizers 0.23.3 for MiniLM's tokenizer.json.
TEST(WordPieceTest, IdsAreThoseOfTheReference) {
  const std::pair<const char*, Ids> cases[] = {
      {"Hello, world!", {7592, 1010, 2088, 999}},
      {"Crème brûlée à la carte – naïve façade",
       {13675, 21382, 7987, 9307, 2063, 1037, 2474, 11122, 2063, 1516, 15743, 8508}},
      {"北京 and 東京", {1781, 1755, 1998, 1879, 1755}},
      {"don't stop; it's 3.14%",
       {2123, 1005, 1056, 2644, 1025, 2009, 1005, 1055, 1017, 1012, 2403, 1003}},
      {"unaffable embeddings tokenization",
       {14477, 20961, 3468, 7861, 8270, 4667, 2015, 19204, 3989}},
      {"İstanbul ÅNGSTRÖM ΣΊΣΥΦΟΣ",
       {9960, 17076, 15687, 1173, 18199, 29733, 29735, 29736, 29730, 29733}},
      {"tab\tnew\nline\u200bzero\u00adsoft", {21628, 2047, 2240, 6290, 19137, 6199}},
      {"한국어 हिन्दी",
       {1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008, 1339, 29877, 29863, 29861, 29878}},
      {"🎉 party", {100, 2283}},
      {"", {}},
  };
  for (const auto& [text, ids] : cases) {
    EXPECT_EQ(MiniLm().Encode(text), ids) << text;
    EXPECT_EQ(MiniLm().Count(text), ids.size()) << text;
  }
}

TEST(WordPieceTest, AWordOfMoreThanAHundredCharactersIsUnknown) {
  EXPECT_EQ(MiniLm().Encode(std::string(101, 'a')), (Ids{100}));
  EXPECT_GT(MiniLm().Encode(std::string(99, 'x') + "y").size(), 40U);
}

TEST(WordPieceTest, ADocumentCannotForgeASpecialToken) {
  for (const std::int32_t id : MiniLm().Encode("[SEP] [CLS][PAD]")) {
    EXPECT_NE(id, MiniLm().sep());
    EXPECT_NE(id, MiniLm().cls());
    EXPECT_NE(id, MiniLm().pad());
  }
}

TEST(WordPieceTest, BytesThatAreNoUtf8AreSkipped) {
  EXPECT_EQ(MiniLm().Encode("hello \xff\xc3 world\xe2\x82"), MiniLm().Encode("hello world"));
}

TEST(WordPieceTest, TokenizerJsonAndVocabularyGiveTheSame) {
  const auto json = WordPiece::Load(TESSERA_BUILTIN_MODELS "/minilm/tokenizer.json");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->size(), MiniLm().size());
  EXPECT_EQ(json->Encode("Some words, tokenized."), MiniLm().Encode("Some words, tokenized."));
}

TEST(WordPieceTest, AVocabularyWithoutSpecialTokensIsRefused) {
  EXPECT_EQ(WordPiece::FromPieces({"a", "b"}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tessera
