#include "model/openvino_embedder.h"

#include <cmath>

#include <gtest/gtest.h>

#include "model/test_models.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

class OpenVinoEmbedderTest : public testing::Test {
 protected:
  static Embedder& Model() {
    static auto* const model = LoadOpenVinoEmbedder(MiniLmOptions(), TestWorkers())->release();
    return *model;
  }
  static v1::EmbedReply MustEmbed(std::vector<std::string> texts) {
    auto reply = SyncWait(Model().Embed(SystemCtx(), std::move(texts)));
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : v1::EmbedReply();
  }
};

double Cosine(const v1::Vector& a, const v1::Vector& b) {
  double sum = 0;
  for (int i = 0; i < a.values_size(); ++i) sum += static_cast<double>(a.values(i)) * b.values(i);
  return sum;
}

TEST_F(OpenVinoEmbedderTest, VectorsAreNormalisedAndMeaningful) {
  const v1::EmbedReply reply = MustEmbed(
      {"A cat sits on the mat.", "A kitten is sitting on a rug.", "Interest rates rose."});
  ASSERT_EQ(reply.vectors_size(), 3);
  EXPECT_EQ(reply.dimension(), 384U);
  EXPECT_TRUE(reply.digest().starts_with("sha256:"));
  for (const v1::Vector& vector : reply.vectors()) EXPECT_NEAR(Cosine(vector, vector), 1.0, 1e-5);
  EXPECT_GT(Cosine(reply.vectors(0), reply.vectors(1)), 0.5);
  EXPECT_LT(Cosine(reply.vectors(0), reply.vectors(2)), 0.2);
}

TEST_F(OpenVinoEmbedderTest, ABatchGivesWhatSingleTextsGive) {
  std::vector<std::string> texts;
  for (int i = 1; i < 40; ++i) {
    std::string text = "Text number " + std::to_string(i);
    for (int k = 0; k < i * 3; ++k) text += " and so on";
    texts.push_back(text);
  }
  const v1::EmbedReply together = MustEmbed(texts);
  ASSERT_EQ(together.vectors_size(), static_cast<int>(texts.size()));
  for (std::size_t i = 0; i < texts.size(); i += 7) {
    const v1::EmbedReply alone = MustEmbed({texts[i]});
    EXPECT_GT(Cosine(alone.vectors(0), together.vectors(static_cast<int>(i))), 0.9995) << i;
  }
}

TEST_F(OpenVinoEmbedderTest, LongTextsAreCutAndCounted) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "word ";
  const v1::EmbedReply reply = MustEmbed({text, "short", text + "tail"});
  EXPECT_EQ(reply.truncated(), 2U);
  EXPECT_EQ(reply.tokens(), 256U + 3 + 256);
  EXPECT_GT(Cosine(reply.vectors(0), reply.vectors(2)), 0.9999);
}

TEST_F(OpenVinoEmbedderTest, EmptyInputs) {
  EXPECT_EQ(MustEmbed({}).vectors_size(), 0);
  EXPECT_EQ(MustEmbed({""}).vectors(0).values_size(), 384);
}

TEST_F(OpenVinoEmbedderTest, CancelledCallsEnd) {
  CancelSource source;
  source.Cancel(absl::CancelledError("gone"));
  const auto reply = SyncWait(Model().Embed(SystemCtx(source.token()), {"text"}));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(OpenVinoEmbedderTest, ManyCallsAtOnceEachGetTheirOwn) {
  std::vector<Task<Result<v1::EmbedReply>>> tasks;
  for (int i = 0; i < 20; ++i)
    tasks.push_back(Model().Embed(SystemCtx(), {"question " + std::to_string(i)}));
  const auto replies = SyncWait(WhenAll(std::move(tasks)));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(replies[static_cast<std::size_t>(i)].ok());
    const v1::EmbedReply alone = MustEmbed({"question " + std::to_string(i)});
    EXPECT_GT(Cosine(alone.vectors(0), replies[static_cast<std::size_t>(i)]->vectors(0)), 0.9995);
  }
}

TEST_F(OpenVinoEmbedderTest, CountsIncludeTheTokensAtTheEnds) {
  const auto counts = SyncWait(Model().CountTokens(SystemCtx(), {"", "hello", "hello world!"}));
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(*counts, (std::vector<std::uint32_t>{2, 3, 5}));
}

TEST(OpenVinoLoadTest, WrongFilesAreRefused) {
  OpenVinoOptions options = MiniLmOptions();
  options.vocabulary = options.model;
  EXPECT_FALSE(LoadOpenVinoEmbedder(options, TestWorkers()).ok());
  options = MiniLmOptions();
  options.model = "/nonexistent.onnx";
  EXPECT_EQ(LoadOpenVinoEmbedder(options, TestWorkers()).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
