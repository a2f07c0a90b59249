// Searches while documents are replaced and removed: each search sees one state.

#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/str.h"
#include "services/retrieval/backup.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

constexpr int kNames = 6;

TEST(ConcurrentTest, EveryDocumentIsSeenOnceWhileItIsReplaced) {
  TestStore store({.dead_rows_max = 8});
  store.MakeCollection("default", 4);
  const auto put = [&](int name, int version) {
    store.Add("default", StrCat("n", name), StrCat(version),
              {{StrCat("common words v", version), {1, 0, 0, 0}}});
  };
  for (int name = 0; name < kNames; ++name) put(name, 0);
  std::atomic<bool> stop{false};
  std::atomic<int> searches{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto hits = store.Find("default", "common words", {1, 0, 0, 0});
        std::set<std::string> names;
        for (const v1::Hit& hit : hits) names.insert(hit.document().name());
        ASSERT_EQ(hits.size(), static_cast<std::size_t>(kNames));
        ASSERT_EQ(names.size(), static_cast<std::size_t>(kNames));
        ++searches;
      }
    });
  }
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer) {
    writers.emplace_back([&, writer] {
      for (int version = 1; version <= 25; ++version)
        for (int name = writer; name < kNames; name += 2) put(name, version);
    });
  }
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(searches, 10);
  ASSERT_TRUE(SyncWait(store.local().Sweep(Ctx())).ok());
  EXPECT_EQ(store.Find("default", "common words v25", {1, 0, 0, 0}).size(),
            static_cast<std::size_t>(kNames));
  EXPECT_EQ(store.CountRows("chunks"), kNames);
}

TEST(ConcurrentTest, BackupWhileWritingIsWhole) {
  TestStore store;
  store.MakeCollection("default", 4);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i)
      store.Add("default", StrCat("n", i), "1",
                {{"first half", {1, 0, 0, 0}}, {"second half", {0, 1, 0, 0}}});
  });
  for (int i = 0; i < 3; ++i) {
    v1::BackupRequest request;
    request.set_folder(store.folder().Path(StrCat("backup", i)));
    const auto reply = SyncWait(store->Backup(Ctx(), request));
    ASSERT_TRUE(reply.ok()) << reply.status();
  }
  stop = true;
  writer.join();
  ASSERT_TRUE(RestoreBackup(store.folder().Path("backup2"), store.folder().Path("restored")).ok());
  TestStore restored(store.folder().Path("restored"), {});
  const v1::Collection collection = restored.Collection("default");
  EXPECT_GT(collection.documents(), 0u);
  EXPECT_EQ(collection.chunks(), 2 * collection.documents());
}

}  // namespace
}  // namespace tessera
