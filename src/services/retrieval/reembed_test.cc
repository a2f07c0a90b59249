#include <gtest/gtest.h>

#include "base/str.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

// A vector of three numbers that tells even passages from odd ones. Fails after `budget` calls.
class Parity final : public TextEmbedder {
 public:
  explicit Parity(int budget) : budget_(budget) {}
  Task<Result<std::vector<std::vector<float>>>> Embed(Ctx ctx, v1::Document document,
                                                      std::vector<v1::Chunk> passages) override {
    if (budget_-- == 0) co_return absl::UnavailableError("the model went away");
    EXPECT_FALSE(document.name().empty());
    std::vector<std::vector<float>> vectors;
    for (const v1::Chunk& passage : passages) {
      ++embedded;
      vectors.push_back(passage.ordinal() % 2 == 0 ? std::vector<float>{1, 0, 0}
                                                   : std::vector<float>{0, 1, 0});
    }
    co_return vectors;
  }
  int embedded = 0;

 private:
  int budget_;
};

v1::Embedder Three() {
  v1::Embedder embedder;
  embedder.set_model("three");
  embedder.set_digest("d3");
  embedder.set_dimension(3);
  return embedder;
}

TEST(ReembedTest, AllVectorsChangeAtOnceAndARunGoesOnWhereItWas) {
  TestStore store;
  store.MakeCollection("default", 4);
  for (int i = 0; i < 10; ++i)
    store.Add("default", StrCat("d", i), "1",
              {{StrCat("even ", i), {1, 0, 0, 0}}, {StrCat("odd ", i), {1, 0, 0, 0}}});
  const std::string half_written = store.Begin("default", "late", "1", "key")->id();
  ASSERT_TRUE(store.Append(half_written, {{"old vector", {1, 0, 0, 0}}}).ok());

  Parity weak(4);
  EXPECT_TRUE(absl::IsUnavailable(SyncWait(store->Reembed(Ctx(), "default", Three(), weak))));
  EXPECT_EQ(store.Find("default", "", {1, 0, 0, 0}).size(), 10u);  // the old ones still serve
  EXPECT_EQ(store.Collection("default").embedder().model(), "test");
  store.Reopen();
  store.Add("default", "d10", "1", {{"even 10", {1, 0, 0, 0}}});

  Parity whole(-1);
  ASSERT_TRUE(SyncWait(store->Reembed(Ctx(), "default", Three(), whole)).ok());
  EXPECT_EQ(weak.embedded + whole.embedded, 21) << "a passage was embedded twice";
  EXPECT_EQ(store.Collection("default").embedder().model(), "three");
  EXPECT_TRUE(absl::IsInvalidArgument(
      SyncWait(store->Search(Ctx(), store.Query("default", "x", {1, 0, 0, 0}))).status()));
  v1::SearchRequest request = store.Query("default", "", {0, 1, 0});
  request.set_mode(v1::SEARCH_MODE_VECTOR);
  request.set_distance_threshold(0.1f);
  for (int round = 0; round < 2; ++round) {
    const auto reply = SyncWait(store->Search(Ctx(), request));
    ASSERT_EQ(reply->hits_size(), 10);
    for (const v1::Hit& hit : reply->hits()) EXPECT_EQ(hit.chunk().text().substr(0, 3), "odd");
    store.Reopen();
  }
  EXPECT_EQ(store.CountRows("next_vectors"), 0);
  // What was half-written with the old model is given up rather than mixed.
  EXPECT_TRUE(absl::IsNotFound(store.Commit(half_written).status()));
}

TEST(SchemaTest, FileOfVersionOneIsBroughtUpToDate) {
  TestFolder folder;
  std::filesystem::create_directory(folder.Path("data"));
  {
    auto db = *SqliteConnection::Open(folder.Path("data/tessera.db"));
    ASSERT_TRUE(MigrateSqlite(*db, RetrievalMigrations().first(1)).ok());
    ASSERT_TRUE(db->Script("INSERT INTO collections (public_id, name, model, digest, dimension, "
                           "documents, chunks, created_ms, updated_ms) "
                           "VALUES ('vs_1', 'default', 'm', 'd', 1, 1, 1, 0, 0);"
                           "INSERT INTO documents (public_id, collection, state, name, title, "
                           "media_type, bytes, sha256, original, pages, chunks, created_ms, "
                           "updated_ms, resume_key) "
                           "VALUES ('file-1', 1, 1, 'a', '', '', 0, '', '', 0, 1, 0, 0, '');"
                           "INSERT INTO chunks VALUES (1, 1, 0, 'old words', '', 0, 0, 9);"
                           // Counted words that cannot be read are counted anew; 0x3c00 is 1.0.
                           "INSERT INTO chunk_index VALUES (1, 1, x'01', x'003c');")
                    .ok());
  }
  TestStore store(folder.Path("data"), {});
  const auto hits = store.Find("default", "word", {1});
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].document().id(), "file-1");
  EXPECT_NEAR(hits[0].cosine(), 1, 1e-3);
  EXPECT_GT(hits[0].bm25(), 0);
}

}  // namespace
}  // namespace tessera
