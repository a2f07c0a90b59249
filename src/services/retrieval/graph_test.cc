#include <fstream>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/str.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

constexpr std::uint32_t kDimension = 32;

class GraphTest : public testing::Test {
 protected:
  GraphTest() : store_({.dead_rows_max = 1'000'000, .exact_rows_max = 300}) {
    store_.MakeCollection("default", kDimension);
    for (int i = 0; i < 30; ++i) AddDocument(i);
  }

  std::vector<float> Vector() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimension);
    for (float& value : vector) value = normal(random_);
    return vector;
  }
  void AddDocument(int number) {
    std::vector<TestStore::Passage> passages;
    for (int i = 0; i < 20; ++i)
      passages.emplace_back(StrCat("passage ", number, " ", i), Vector());
    ids_[number] = store_.Add("default", StrCat("d", number), "1", passages);
  }
  std::set<std::string> Search(const std::vector<float>& vector, bool exact) {
    v1::SearchRequest request = store_.Query("default", "", vector);
    request.set_mode(v1::SEARCH_MODE_VECTOR);
    // A filter that all fit makes the search look at every vector.
    if (exact) request.mutable_filter()->mutable_group();
    const auto reply = SyncWait(store_->Search(Ctx(), request));
    EXPECT_TRUE(reply.ok()) << reply.status();
    std::set<std::string> found;
    for (const v1::Hit& hit : reply->hits()) found.insert(hit.chunk().text());
    return found;
  }
  double Recall() {
    int common = 0;
    for (int query = 0; query < 50; ++query) {
      const std::vector<float> vector = Vector();
      const std::set<std::string> exact = Search(vector, true);
      EXPECT_EQ(exact.size(), 10u);
      for (const std::string& text : Search(vector, false)) common += exact.contains(text);
    }
    return common / 500.0;
  }
  // The one graph file there is; empty: none.
  std::string path() {
    for (const auto& entry : std::filesystem::directory_iterator(store_.data().Path("index")))
      if (entry.path().extension() == ".graph") return entry.path().string();
    return "";
  }

  std::mt19937 random_{1};
  std::map<int, std::string> ids_;
  TestStore store_;
};

TEST_F(GraphTest, FindsWhatLookingAtAllFinds) {
  ASSERT_TRUE(store_.local().GrowGraphs().ok());
  ASSERT_NE(path(), "");
  EXPECT_GE(Recall(), 0.95);
  // Documents that come later, and such as are removed.
  AddDocument(100);
  for (int i = 0; i < 10; ++i) {
    v1::DeleteDocumentRequest request;
    request.set_id(ids_[i]);
    ASSERT_TRUE(SyncWait(store_->DeleteDocument(Ctx(), request))->deleted());
  }
  EXPECT_GE(Recall(), 0.95);
}

TEST_F(GraphTest, FileIsUsedAfterRestartAndMendedWhereItLags) {
  ASSERT_TRUE(store_.local().GrowGraphs().ok());
  v1::DeleteDocumentRequest request;
  request.set_id(ids_[3]);
  ASSERT_TRUE(SyncWait(store_->DeleteDocument(Ctx(), request))->deleted());
  AddDocument(200);
  ASSERT_TRUE(SyncWait(store_.local().Sweep(Ctx())).ok());
  store_.Reopen();
  ASSERT_TRUE(store_.local().GrowGraphs().ok());
  EXPECT_GE(Recall(), 0.95);
}

TEST_F(GraphTest, DamagedFileIsMadeAnew) {
  ASSERT_TRUE(store_.local().GrowGraphs().ok());
  for (const std::string damage : {"cut", "flip", "sum", "gone"}) {
    store_.Reopen();
    if (damage == "cut") std::filesystem::resize_file(path(), 1000);
    if (damage == "flip") {
      std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(5000);
      file.put('\x5a');
      file.put('\xa5');
    }
    if (damage == "sum") std::ofstream(path() + ".sum") << "nonsense";
    if (damage == "gone") std::filesystem::remove(path());
    ASSERT_TRUE(store_.local().GrowGraphs().ok()) << damage;
    EXPECT_GE(Recall(), 0.95) << damage;
  }
}

TEST_F(GraphTest, GraphOfADeletedCollectionGoes) {
  ASSERT_TRUE(store_.local().GrowGraphs().ok());
  v1::DeleteCollectionRequest request;
  request.set_name("default");
  ASSERT_TRUE(SyncWait(store_->DeleteCollection(Ctx(), request)).ok());
  store_.Reopen();
  EXPECT_EQ(path(), "");
}

}  // namespace
}  // namespace tessera
