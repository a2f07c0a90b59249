#include <gtest/gtest.h>

#include "base/str.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

v1::Embedder Three(const std::string& digest = "d3") {
  v1::Embedder embedder;
  embedder.set_model("three");
  embedder.set_digest(digest);
  embedder.set_dimension(3);
  return embedder;
}

v1::BeginReembedReply BeginReembed(TestStore& store, const v1::Embedder& embedder) {
  v1::BeginReembedRequest request;
  request.set_collection("default");
  *request.mutable_embedder() = embedder;
  auto reply = SyncWait(store->BeginReembed(Ctx(), request));
  EXPECT_TRUE(reply.ok()) << reply.status();
  return *reply;
}

// Stores vectors of three numbers, which tell even passages from odd ones, for at most `passages`
// passages; how many those were.
int StoreSome(TestStore& store, const v1::Embedder& embedder, std::uint32_t passages) {
  v1::ListUnembeddedRequest list;
  list.set_collection("default");
  list.set_limit(passages);
  const auto next = SyncWait(store->ListUnembedded(Ctx(), list));
  EXPECT_TRUE(next.ok()) << next.status();
  int stored = 0;
  for (const v1::DocumentChunks& document : next->documents()) {
    EXPECT_FALSE(document.document().name().empty());
    v1::StoreVectorsRequest store_vectors;
    store_vectors.set_document_id(document.document().id());
    *store_vectors.mutable_embedder() = embedder;
    for (const v1::Chunk& passage : document.chunks()) {
      v1::Chunk& chunk = *store_vectors.add_chunks();
      chunk.set_ordinal(passage.ordinal());
      const bool even = passage.ordinal() % 2 == 0;
      for (const float value : {even ? 1.0f : 0.0f, even ? 0.0f : 1.0f, 0.0f})
        chunk.add_vector(value);
      ++stored;
    }
    const auto done = SyncWait(store->StoreVectors(Ctx(), store_vectors));
    EXPECT_TRUE(done.ok()) << done.status();
  }
  return stored;
}

Result<v1::FinishReembedReply> Finish(TestStore& store, const v1::Embedder& embedder) {
  v1::FinishReembedRequest request;
  request.set_collection("default");
  *request.mutable_embedder() = embedder;
  return SyncWait(store->FinishReembed(Ctx(), request));
}

TEST(ReembedTest, AllVectorsChangeAtOnceAndARunGoesOnWhereItWas) {
  TestStore store;
  store.MakeCollection("default", 4);
  for (int i = 0; i < 10; ++i)
    store.Add("default", StrCat("d", i), "1",
              {{StrCat("even ", i), {1, 0, 0, 0}}, {StrCat("odd ", i), {1, 0, 0, 0}}});
  const std::string half_written = store.Begin("default", "late", "1", "key")->id();
  ASSERT_TRUE(store.Append(half_written, {{"old vector", {1, 0, 0, 0}}}).ok());

  EXPECT_EQ(BeginReembed(store, Three()).passages(), 20u);
  int stored = StoreSome(store, Three(), 7);
  EXPECT_FALSE(Finish(store, Three())->finished());
  EXPECT_EQ(store.Find("default", "", {1, 0, 0, 0}).size(), 10u);  // the old ones still serve
  EXPECT_EQ(store.Collection("default").embedder().model(), "test");
  store.Reopen();
  store.Add("default", "d10", "1", {{"even 10", {1, 0, 0, 0}}});

  EXPECT_EQ(BeginReembed(store, Three()).embedded(), 7u);
  stored += StoreSome(store, Three(), 100);
  EXPECT_EQ(stored, 21) << "a passage was embedded twice";
  EXPECT_TRUE(Finish(store, Three())->finished());
  EXPECT_TRUE(Finish(store, Three())->finished()) << "asking again is harmless";
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

TEST(ReembedTest, AJobThatLagsBehindCannotMixVectors) {
  TestStore store;
  store.MakeCollection("default", 3);
  store.Add("default", "d", "1", {{"even", {1, 0, 0}}});
  BeginReembed(store, Three("one"));
  BeginReembed(store, Three("two"));
  v1::StoreVectorsRequest late;
  late.set_document_id(store.Find("default", "even", {1, 0, 0}).at(0).document().id());
  *late.mutable_embedder() = Three("one");
  late.add_chunks()->mutable_vector()->Resize(3, 1);
  EXPECT_TRUE(absl::IsAborted(SyncWait(store->StoreVectors(Ctx(), late)).status()));
  EXPECT_TRUE(absl::IsAborted(Finish(store, Three("one")).status()));
  StoreSome(store, Three("two"), 1);
  EXPECT_TRUE(Finish(store, Three("two"))->finished());

  // An ingest that began with the old embedder of the same length.
  v1::BeginDocumentRequest begin;
  begin.mutable_document()->set_collection("default");
  begin.mutable_document()->set_name("new");
  begin.mutable_embedder()->set_model("test");
  EXPECT_TRUE(absl::IsFailedPrecondition(SyncWait(store->BeginDocument(Ctx(), begin)).status()));
  *begin.mutable_embedder() = Three("two");
  EXPECT_TRUE(SyncWait(store->BeginDocument(Ctx(), begin)).ok());
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
