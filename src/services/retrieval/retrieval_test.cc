#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/retrieval/backup.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

TEST(RetrievalTest, DocumentIsSeenOnlyOnceCommitted) {
  TestStore store;
  store.MakeCollection("default", 4);
  const auto begun = store.Begin("default", "a.txt", "sha-1");
  ASSERT_TRUE(begun.ok()) << begun.status();
  ASSERT_TRUE(store.Append(begun->id(), {{"apples and pears", {1, 0, 0, 0}}}).ok());
  EXPECT_EQ(store.Find("default", "apples", {1, 0, 0, 0}).size(), 0u);
  EXPECT_EQ(SyncWait(store->ListDocuments(Ctx(), store.List("default")))->documents_size(), 0);
  ASSERT_TRUE(store.Commit(begun->id()).ok());
  const auto hits = store.Find("default", "apples", {1, 0, 0, 0});
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].document().name(), "a.txt");
  EXPECT_EQ(hits[0].chunk().text(), "apples and pears");
  EXPECT_NEAR(hits[0].cosine(), 1.0, 1e-3);
  EXPECT_GT(hits[0].bm25(), 0);
  EXPECT_NEAR(hits[0].score(), 0.5, 0.51);
  EXPECT_EQ(store.Collection("default").documents(), 1u);
  EXPECT_EQ(store.Collection("default").chunks(), 1u);
}

TEST(RetrievalTest, CommitReplacesTheDocumentOfTheSameName) {
  TestStore store;
  store.MakeCollection("default", 4);
  const std::string old = store.Add("default", "a.txt", "1", {{"old words", {1, 0, 0, 0}}});
  const std::string fresh = store.Add("default", "a.txt", "2", {{"new words", {0, 1, 0, 0}}});
  const auto hits = store.Find("default", "words", {1, 0, 0, 0});
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].document().id(), fresh);
  EXPECT_TRUE(absl::IsNotFound(SyncWait(store->GetDocument(Ctx(), store.Get(old))).status()));
  EXPECT_EQ(store.Collection("default").documents(), 1u);
  // Once more the same: nothing to do.
  const auto begun = store.Begin("default", "a.txt", "2");
  EXPECT_TRUE(begun->unchanged());
  EXPECT_EQ(begun->id(), fresh);
  // Committing again is no harm.
  EXPECT_EQ(store.Commit(fresh)->id(), fresh);
}

TEST(RetrievalTest, AppendTakesEachOrdinalOnceAndInOrder) {
  TestStore store;
  store.MakeCollection("default", 0);
  const std::string id = store.Begin("default", "a.txt", "1")->id();
  EXPECT_EQ(store.Append(id, {{"zero", {}}, {"one", {}}})->next_ordinal(), 2u);
  EXPECT_EQ(store.Append(id, {{"zero", {}}, {"one", {}}})->next_ordinal(), 2u);
  EXPECT_EQ(store.Append(id, {{"one", {}}, {"two", {}}}, 1)->next_ordinal(), 3u);
  EXPECT_TRUE(absl::IsInvalidArgument(store.Append(id, {{"five", {}}}, 5).status()));
  ASSERT_TRUE(store.Commit(id).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.Append(id, {{"three", {}}}, 3).status()));
  v1::ListChunksRequest request;
  request.set_document_id(id);
  const auto chunks = SyncWait(store->ListChunks(Ctx(), request));
  ASSERT_EQ(chunks->chunks_size(), 3);
  EXPECT_EQ(chunks->chunks(2).text(), "two");
  EXPECT_EQ(chunks->total(), 3u);
}

TEST(RetrievalTest, VectorsOfAnotherEmbedderAreRefused) {
  TestStore store;
  store.MakeCollection("default", 4);
  const std::string id = store.Begin("default", "a.txt", "1")->id();
  const auto refused = store.Append(id, {{"text", {1, 2, 3}}});
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_NE(refused.status().message().find("embedder"), absl::string_view::npos);
  v1::SearchRequest request = store.Query("default", "x", {1, 2});
  EXPECT_TRUE(absl::IsInvalidArgument(SyncWait(store->Search(Ctx(), request)).status()));
}

TEST(RetrievalTest, AnEmptyCollectionWithoutAnEmbedderTakesOneOnce) {
  TestStore store;
  store.MakeCollection("default", 0);
  v1::CreateCollectionRequest request;
  request.set_name("default");
  request.mutable_embedder()->set_model("test");
  request.mutable_embedder()->set_dimension(4);
  const auto adopted = SyncWait(store->CreateCollection(SystemCtx(), request));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->embedder().dimension(), 4u);
  EXPECT_TRUE(
      absl::IsAlreadyExists(SyncWait(store->CreateCollection(SystemCtx(), request)).status()));
}

TEST(RetrievalTest, UnfinishedDocumentIsResumedAfterRestart) {
  TestStore store;
  store.MakeCollection("default", 4);
  const std::string keyed = store.Begin("default", "a.txt", "1", "job-1")->id();
  ASSERT_TRUE(store.Append(keyed, {{"kept passage", {1, 0, 0, 0}}}).ok());
  const std::string keyless = store.Begin("default", "b.txt", "1")->id();
  ASSERT_TRUE(store.Append(keyless, {{"lost passage", {1, 0, 0, 0}}}).ok());
  store.Reopen();
  const auto resumed = store.Begin("default", "a.txt", "1", "job-1");
  EXPECT_EQ(resumed->id(), keyed);
  EXPECT_EQ(resumed->next_ordinal(), 1u);
  ASSERT_TRUE(store.Append(keyed, {{"another passage", {0, 1, 0, 0}}}, 1).ok());
  ASSERT_TRUE(store.Commit(keyed).ok());
  EXPECT_TRUE(absl::IsNotFound(store.Commit(keyless).status()));
  EXPECT_EQ(store.Find("default", "passage", {1, 0, 0, 0}).size(), 2u);
  // The same key with other content begins anew.
  const auto other = store.Begin("default", "a.txt", "2", "job-1");
  EXPECT_NE(other->id(), keyed);
  EXPECT_EQ(other->next_ordinal(), 0u);
}

// A job that is resumed begins documents that it may have committed before the crash.
TEST(RetrievalTest, AResumedRunBringsNothingBack) {
  TestStore store;
  store.MakeCollection("default", 4);
  const auto put = [&](const std::string& name, const std::string& sha, const std::string& key) {
    const auto begun = store.Begin("default", name, sha, key);
    EXPECT_TRUE(store.Append(begun->id(), {{"passage", {1, 0, 0, 0}}}).ok());
    EXPECT_TRUE(store.Commit(begun->id()).ok());
    return begun->id();
  };
  v1::DeleteDocumentRequest remove;
  remove.set_id(put("deleted.txt", "1", "job-1/0"));
  ASSERT_TRUE(SyncWait(store->DeleteDocument(Ctx(), remove)).ok());
  put("replaced.txt", "1", "job-1/1");
  put("replaced.txt", "2", "job-2/0");
  ASSERT_TRUE(SyncWait(store.local().Sweep(Ctx())).ok());
  store.Reopen();
  for (const auto& [name, key] :
       {std::pair("deleted.txt", "job-1/0"), std::pair("replaced.txt", "job-1/1")}) {
    const auto again = store.Begin("default", name, "1", key);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->unchanged()) << name;
    EXPECT_EQ(again->id(), "") << name;
  }
  // Who gives the deleted file anew has it anew.
  EXPECT_FALSE(store.Begin("default", "deleted.txt", "1", "job-3/0")->unchanged());
  EXPECT_EQ(store.Collection("default").documents(), 1u);
}

TEST(RetrievalTest, DeletedIsGoneAtOnceAndItsRowsLater) {
  TestStore store;
  store.MakeCollection("default", 4);
  const std::string id = store.Add("default", "a.txt", "1", {{"apple", {1, 0, 0, 0}}});
  store.Add("default", "b.txt", "1", {{"apple pie", {1, 0, 0, 0}}});
  v1::DeleteDocumentRequest request;
  request.set_id(id);
  EXPECT_TRUE(SyncWait(store->DeleteDocument(Ctx(), request))->deleted());
  EXPECT_EQ(store.Find("default", "apple", {1, 0, 0, 0}).size(), 1u);
  ASSERT_TRUE(SyncWait(store.local().Sweep(Ctx())).ok());
  // Its answer may have been lost: who asks again hears the same, and only for what there was.
  EXPECT_TRUE(SyncWait(store->DeleteDocument(Ctx(), request))->deleted());
  request.set_id("file-never");
  EXPECT_FALSE(SyncWait(store->DeleteDocument(Ctx(), request))->deleted());
  EXPECT_EQ(store.CountRows("chunks"), 1);
  EXPECT_EQ(store.CountRows("chunk_index"), 1);
  EXPECT_EQ(store.CountRows("documents"), 1);
  EXPECT_EQ(store.Find("default", "apple", {1, 0, 0, 0}).size(), 1u);
}

TEST(RetrievalTest, DeletedCollectionFreesItsName) {
  TestStore store;
  store.MakeCollection("default", 4);
  store.Add("default", "a.txt", "1", {{"apple", {1, 0, 0, 0}}});
  v1::DeleteCollectionRequest request;
  request.set_name("default");
  ASSERT_TRUE(SyncWait(store->DeleteCollection(Ctx(), request)).ok());
  EXPECT_TRUE(absl::IsNotFound(
      SyncWait(store->Search(Ctx(), store.Query("default", "apple", {}))).status()));
  store.MakeCollection("default", 3);
  EXPECT_EQ(store.Find("default", "apple", {1, 0, 0}).size(), 0u);
  ASSERT_TRUE(SyncWait(store.local().Sweep(Ctx())).ok());
  EXPECT_EQ(store.CountRows("collections"), 1);
  EXPECT_EQ(store.CountRows("chunks"), 0);
}

TEST(RetrievalTest, IndexIsMadeAnewWhenMostOfItIsDead) {
  TestStore store({.dead_rows_max = 10});
  store.MakeCollection("default", 4);
  for (int round = 0; round < 30; ++round)
    store.Add("default", "a.txt", std::to_string(round), {{"apple", {1, 0, 0, 0}}});
  store.Add("default", "b.txt", "1", {{"apple pie", {1, 0, 0, 0}}});
  ASSERT_TRUE(SyncWait(store.local().Sweep(Ctx())).ok());
  EXPECT_EQ(store.Find("default", "apple", {1, 0, 0, 0}).size(), 2u);
  store.Add("default", "c.txt", "1", {{"apple tart", {1, 0, 0, 0}}});
  EXPECT_EQ(store.Find("default", "apple", {1, 0, 0, 0}).size(), 3u);
}

TEST(RetrievalTest, MemoryLimitIsAClearRefusal) {
  TestStore store({.memory_max = Bytes{1}});
  store.MakeCollection("default", 4);
  const std::string id = store.Begin("default", "a.txt", "1")->id();
  const auto refused = store.Append(id, {{"text", {1, 0, 0, 0}}});
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_NE(refused.status().message().find("memory_max"), absl::string_view::npos);
}

TEST(RetrievalTest, ListingGoesPageByPage) {
  TestStore store;
  store.MakeCollection("default", 0);
  for (int i = 0; i < 7; ++i) store.Add("default", "f" + std::to_string(i), "1", {{"text", {}}});
  v1::ListDocumentsRequest request = store.List("default");
  request.set_limit(3);
  std::vector<std::string> names;
  for (;;) {
    const auto page = SyncWait(store->ListDocuments(Ctx(), request));
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& document : page->documents()) names.push_back(document.name());
    if (page->next_page_token().empty()) break;
    request.set_page_token(page->next_page_token());
  }
  EXPECT_THAT(names, testing::ElementsAre("f0", "f1", "f2", "f3", "f4", "f5", "f6"));
  request.clear_page_token();
  request.set_name("f3");
  EXPECT_EQ(SyncWait(store->ListDocuments(Ctx(), request))->documents_size(), 1);
}

TEST(RetrievalTest, MmrPrefersWhatIsDifferent) {
  TestStore store;
  store.MakeCollection("default", 4);
  store.Add("default", "a", "1", {{"x", {1, 0.1f, 0, 0}}});
  store.Add("default", "b", "1", {{"x", {1, 0.11f, 0, 0}}});
  store.Add("default", "c", "1", {{"x", {0.5f, 0, 1, 0}}});
  v1::SearchRequest request = store.Query("default", "", {1, 0, 0, 0});
  request.set_mode(v1::SEARCH_MODE_VECTOR);
  request.set_limit(2);
  auto reply = SyncWait(store->Search(Ctx(), request));
  EXPECT_EQ(reply->hits(1).document().name(), "b");
  request.set_mmr_lambda(0.3f);
  reply = SyncWait(store->Search(Ctx(), request));
  EXPECT_EQ(reply->hits(1).document().name(), "c");
}

TEST(RetrievalTest, ThresholdsCutAndGroupsStayTogether) {
  TestStore store;
  store.MakeCollection("default", 4);
  store.Add("default", "a", "1", {{"x", {1, 0, 0, 0}}, {"x", {0.6f, 0.8f, 0, 0}}});
  store.Add("default", "b", "1", {{"x", {0.9f, 0.3f, 0, 0}}});
  v1::SearchRequest request = store.Query("default", "", {1, 0, 0, 0});
  request.set_mode(v1::SEARCH_MODE_VECTOR);
  request.set_distance_threshold(0.2f);
  EXPECT_EQ(SyncWait(store->Search(Ctx(), request))->hits_size(), 2);
  request.clear_distance_threshold();
  request.set_score_threshold(0.99f);
  EXPECT_EQ(SyncWait(store->Search(Ctx(), request))->hits_size(), 1);
  request.clear_score_threshold();
  request.set_group_by_document(true);
  const auto reply = SyncWait(store->Search(Ctx(), request));
  ASSERT_EQ(reply->hits_size(), 3);
  EXPECT_EQ(reply->hits(0).document().name(), "a");
  EXPECT_EQ(reply->hits(1).document().name(), "a");
}

TEST(RetrievalTest, UnusedOriginalsGoAndUsedOnesStay) {
  TestStore store({.original_kept = std::chrono::seconds(0)});
  store.MakeCollection("default", 0);
  // sha256 of the texts "used" and "unused"
  const std::string used = "f839161355091fcd9e33f571e0b11c60217a5009f9973e769c13d7858db162cc";
  const std::string unused = "febe1d741b49e5a9c31526728d8c5134a803adfc4c04c4f052673722ed85597e";
  for (const std::string& sha : {used, unused}) {
    const std::string file = store.data().tmp() + "/x";
    std::ofstream(file) << (sha == used ? "used" : "unused");
    ASSERT_TRUE(store.data().KeepOriginal(file, sha).ok());
  }
  const std::string kept = *DataFolder::OriginalPath(used);
  v1::BeginDocumentRequest request;
  request.mutable_document()->set_collection("default");
  request.mutable_document()->set_name("x");
  request.mutable_document()->set_sha256(used);
  request.mutable_document()->set_original(kept);
  const auto begun = SyncWait(store->BeginDocument(Ctx(), request));
  ASSERT_TRUE(begun.ok()) << begun.status();
  ASSERT_TRUE(store.Commit(begun->id()).ok());
  ASSERT_TRUE(SyncWait(store.local().Sweep(Ctx())).ok());
  EXPECT_TRUE(std::filesystem::exists(store.data().Path(kept)));
  EXPECT_FALSE(std::filesystem::exists(store.data().Path("originals/fe/" + unused)));

  // And a backup takes it along, and comes back whole.
  std::filesystem::create_directories(store.data().Path("flags"));
  std::ofstream(store.data().Path("flags/changes.jsonl")) << "{}\n";
  std::ofstream(store.data().Path("flags/flags.json.new")) << "half";
  v1::BackupRequest backup;
  backup.set_folder(store.folder().Path("backup"));
  const auto size = SyncWait(store->Backup(Ctx(), backup));
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(size->documents(), 1u);
  EXPECT_TRUE(absl::IsFailedPrecondition(SyncWait(store->Backup(Ctx(), backup)).status()));
  const std::string restored = store.folder().Path("restored");
  const auto back = RestoreBackup(backup.folder(), restored);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->documents, 1u);
  EXPECT_TRUE(std::filesystem::exists(restored + "/" + kept));
  EXPECT_TRUE(std::filesystem::exists(restored + "/flags/changes.jsonl"));
  EXPECT_FALSE(std::filesystem::exists(restored + "/flags/flags.json.new"));
  EXPECT_TRUE(absl::IsFailedPrecondition(RestoreBackup(backup.folder(), restored).status()));
  std::ofstream(backup.folder() + "/tessera.db", std::ios::app) << "x";
  EXPECT_TRUE(
      absl::IsDataLoss(RestoreBackup(backup.folder(), store.folder().Path("again")).status()));
}

}  // namespace
}  // namespace tessera
