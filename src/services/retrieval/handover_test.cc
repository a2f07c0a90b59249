// The one that writes changes while writers and readers go on.

#include <atomic>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/str.h"
#include "remote/testing/test_door.h"
#include "services/retrieval/local_retrieval.h"
#include "services/retrieval/test_switch.h"
#include "store/test_folder.h"
#include "tessera/v1/retrieval_remote.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {
namespace {

constexpr int kKept = 5;  // documents that are there all the time
constexpr int kWriters = 3;
constexpr int kNames = 4;  // a writer replaces its documents in turn
constexpr int kHandovers = 50;

double Millis(SteadyTime since) {
  return std::chrono::duration<double, std::milli>(Now() - since).count();
}

// One folder, one instance that writes, and two "processes" whose routes change one after the
// other.
class HandoverTest : public testing::Test {
 protected:
  HandoverTest() : pool_("blocking", 6) {
    auto data = DataFolder::Open(folder_.Path("data"));
    EXPECT_TRUE(data.ok()) << data.status();
    data_ = std::make_unique<DataFolder>(*std::move(data));
    auto opened = LocalRetrieval::Open(config_, *data_, pool_, &near_switch_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    active_ = *std::move(opened);
    near_switch_.Set(active_);
    far_switch_.Set(active_);
    MakeCollection("default", 4);
  }
  ~HandoverTest() override {
    near_switch_.Set(nullptr);
    far_switch_.Set(nullptr);
    if (active_) EXPECT_TRUE(SyncWait(active_->Stop(Ctx())).ok());
  }

  std::shared_ptr<LocalRetrieval> Standby() {
    auto opened = LocalRetrieval::OpenStandby(config_, *data_, pool_, &near_switch_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  // Yields, activates, switches, forwards, drains, stops. `between`: while one route is switched
  // and the other is not.
  void HandTo(std::shared_ptr<LocalRetrieval> next, const std::function<void()>& between = [] {}) {
    const std::shared_ptr<LocalRetrieval> old = std::exchange(active_, std::move(next));
    const SteadyTime begin = Now();
    ASSERT_TRUE(SyncWait(old->Yield(Ctx())).ok());
    const Status activated = SyncWait(active_->Activate(Ctx()));
    ASSERT_TRUE(activated.ok()) << activated;
    slowest_ms_ = std::max(slowest_ms_, Millis(begin));
    near_switch_.Set(active_);
    between();
    far_switch_.Set(active_);
    ASSERT_TRUE(SyncWait(old->Forward(Ctx())).ok());
    while (old.use_count() > 1) std::this_thread::yield();
    EXPECT_TRUE(SyncWait(old->Stop(Ctx())).ok());
  }
  // What the far one reads is the newest all the same.
  void MoveTo(std::shared_ptr<LocalRetrieval> next) {
    HandTo(std::move(next), [this] {
      const std::string word = StrCat("between", moves_++);
      EXPECT_TRUE(Put(near_, "between", word, 1).ok());
      EXPECT_EQ(Find(far_, word), 1) << word;
    });
  }
  void CallOff() {
    ASSERT_TRUE(SyncWait(active_->Yield(Ctx())).ok());
    ASSERT_TRUE(SyncWait(active_->Activate(Ctx())).ok());
  }

  void MakeCollection(const std::string& name, std::uint32_t dimension) {
    v1::CreateCollectionRequest request;
    request.set_name(name);
    request.mutable_embedder()->set_model("test");
    request.mutable_embedder()->set_dimension(dimension);
    const auto made = SyncWait(near_.CreateCollection(Ctx(), request));
    EXPECT_TRUE(made.ok()) << made.status();
  }
  Result<std::string> Begin(Retrieval& at, const std::string& name, const std::string& key = "") {
    v1::BeginDocumentRequest request;
    request.mutable_document()->set_collection("default");
    request.mutable_document()->set_name(name);
    request.set_resume_key(key);
    TRY(const auto begun, SyncWait(at.BeginDocument(Ctx(), request)));
    return begun.id();
  }
  Status Append(Retrieval& at, const std::string& id, std::uint32_t ordinal,
                const std::string& text) {
    v1::AppendChunksRequest request;
    request.set_id(id);
    v1::Chunk& chunk = *request.add_chunks();
    chunk.set_ordinal(ordinal);
    chunk.set_text(text);
    for (const float value : {1.0f, 0.0f, 0.0f, static_cast<float>(ordinal)})
      chunk.add_vector(value);
    return SyncWait(at.AppendChunks(Ctx(), request)).status();
  }
  Status Commit(Retrieval& at, const std::string& id) {
    v1::CommitDocumentRequest request;
    request.set_id(id);
    return SyncWait(at.CommitDocument(Ctx(), request)).status();
  }
  Result<std::string> Put(Retrieval& at, const std::string& name, const std::string& text,
                          int chunks) {
    TRY(const std::string id, Begin(at, name));
    for (int i = 0; i < chunks; ++i)
      TRY(Append(at, id, static_cast<std::uint32_t>(i), StrCat(text, " number", i)));
    TRY(Commit(at, id));
    return id;
  }
  Status Delete(Retrieval& at, const std::string& id) {
    v1::DeleteDocumentRequest request;
    request.set_id(id);
    TRY(const auto reply, SyncWait(at.DeleteDocument(Ctx(), request)));
    return reply.deleted() ? absl::OkStatus() : absl::NotFoundError("deleted nothing");
  }
  // Hits of a word; -1: the search failed.
  int Find(Retrieval& at, const std::string& word, std::set<std::string>* names = nullptr) {
    v1::SearchRequest request;
    request.set_collection("default");
    request.set_query(word);
    request.set_mode(v1::SEARCH_MODE_BM25);
    request.set_limit(100);
    const auto reply = SyncWait(at.Search(Ctx(), request));
    EXPECT_TRUE(reply.ok()) << reply.status();
    if (!reply.ok()) return -1;
    if (names != nullptr)
      for (const v1::Hit& hit : reply->hits()) names->insert(hit.document().name());
    return reply->hits_size();
  }

  void WriteUntilStopped(int writer);
  void ReadUntilStopped();
  void CheckAll();

  TestFolder folder_;
  const LocalRetrieval::Config config_ = {.dead_rows_max = 16};
  std::unique_ptr<DataFolder> data_;
  ThreadPool pool_;
  RetrievalSwitch near_switch_;
  RetrievalSwitch far_switch_;
  TestDoor<Retrieval, RetrievalRemote> near_door_{near_switch_};
  TestDoor<Retrieval, RetrievalRemote> far_door_{far_switch_};
  Retrieval& near_ = *near_door_;
  Retrieval& far_ = *far_door_;
  std::shared_ptr<LocalRetrieval> active_;
  double slowest_ms_ = 0;
  int moves_ = 0;

  std::atomic<bool> stop_{false};
  std::atomic<int> written_{0};
  std::mutex mutex_;
  std::map<std::string, std::pair<std::string, int>> present_;  // name: its word, its chunks
};

// Each step through one route or the other; what was acknowledged is found through both at once.
void HandoverTest::WriteUntilStopped(int writer) {
  std::mt19937 random(static_cast<unsigned>(writer));
  for (int version = 0; !stop_ && !testing::Test::HasFailure(); ++version) {
    const std::string name = StrCat("w", writer, "-", version % kNames);
    const std::string word = StrCat("word", writer, "x", version, "y");
    const int chunks = 1 + version % 5;
    Retrieval& at = random() % 2 == 0 ? near_ : far_;
    Retrieval& other = &at == &near_ ? far_ : near_;
    const auto id = Put(at, name, word, chunks);
    ASSERT_TRUE(id.ok()) << id.status();
    ASSERT_EQ(Find(at, word), chunks) << word;
    ASSERT_EQ(Find(other, word), chunks) << word;
    const bool removed = version % 7 == 3;
    if (removed) {
      const Status deleted = Delete(other, *id);
      ASSERT_TRUE(deleted.ok()) << deleted;
      ASSERT_EQ(Find(at, word), 0) << word;
    }
    ++written_;
    std::lock_guard lock(mutex_);
    if (removed)
      present_.erase(name);
    else
      present_[name] = {word, chunks};
  }
}

void HandoverTest::ReadUntilStopped() {
  for (int i = 0; !stop_ && !testing::Test::HasFailure(); ++i) {
    std::set<std::string> names;
    ASSERT_EQ(Find(i % 2 == 0 ? near_ : far_, "evergreen", &names), kKept);
    ASSERT_EQ(names.size(), static_cast<std::size_t>(kKept));
  }
}

void HandoverTest::CheckAll() {
  v1::ListDocumentsRequest list;
  list.set_collection("default");
  list.set_limit(1000);
  const auto documents = SyncWait(near_.ListDocuments(Ctx(), list));
  ASSERT_TRUE(documents.ok()) << documents.status();
  std::map<std::string, int> chunks;
  for (const v1::Document& document : documents->documents())
    EXPECT_TRUE(chunks.emplace(document.name(), document.chunks()).second) << document.name();
  EXPECT_EQ(chunks.size(), present_.size() + 1);  // and "between"
  for (const auto& [name, what] : present_) {
    EXPECT_EQ(chunks[name], what.second) << name;
    EXPECT_EQ(Find(near_, what.first), what.second) << name;
  }
}

TEST_F(HandoverTest, NothingIsLostOrDoubledWhileItGoesBackAndForth) {
  for (int i = 0; i < kKept; ++i) {
    const std::string name = StrCat("kept", i);
    ASSERT_TRUE(Put(near_, name, "evergreen", 1).ok());
    present_[name] = {StrCat("kept", i), 1};
  }
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer)
    threads.emplace_back([this, writer] { WriteUntilStopped(writer); });
  threads.emplace_back([this] { ReadUntilStopped(); });
  for (int i = 0; i < kHandovers && !testing::Test::HasFailure(); ++i) {
    const std::shared_ptr<LocalRetrieval> next = Standby();
    const int before = written_;
    while (written_ < before + 4 && !testing::Test::HasFailure()) std::this_thread::yield();
    if (i % 4 == 1) CallOff();
    MoveTo(next);
  }
  stop_ = true;
  for (std::thread& thread : threads) thread.join();
  CheckAll();
  std::printf("[ figures  ] %d writes over %d handovers; yield to active at most %.1f ms\n",
              written_.load(), kHandovers, slowest_ms_);
}

TEST_F(HandoverTest, AHalfWrittenDocumentGoesOnAtTheSuccessor) {
  const auto id = Begin(*active_, "half", "key");
  ASSERT_TRUE(id.ok());
  ASSERT_TRUE(Append(*active_, *id, 0, "first").ok());
  const auto next = Standby();
  ASSERT_TRUE(Append(*active_, *id, 1, "second").ok());
  MoveTo(next);
  EXPECT_EQ(*Begin(near_, "half", "key"), *id);
  EXPECT_TRUE(Append(near_, *id, 1, "second").ok());  // its reply was lost: asked again
  EXPECT_TRUE(Append(near_, *id, 2, "third").ok());
  EXPECT_EQ(Find(near_, "second"), 0);
  ASSERT_TRUE(Commit(near_, *id).ok());
  for (const char* word : {"first", "second", "third"}) EXPECT_EQ(Find(near_, word), 1) << word;
}

TEST_F(HandoverTest, OneWithoutAKeyIsClearedAtAFirstStartOnly) {
  const auto id = Begin(near_, "half");
  ASSERT_TRUE(Append(near_, *id, 0, "first").ok());
  MoveTo(Standby());
  EXPECT_TRUE(Commit(near_, *id).ok());
  EXPECT_EQ(Find(near_, "first"), 1);
}

TEST_F(HandoverTest, ANewCollectionAndAnEmptiedNameAreCaughtUpWith) {
  const auto next = Standby();
  v1::DeleteCollectionRequest remove;
  remove.set_name("default");
  ASSERT_TRUE(SyncWait(active_->DeleteCollection(Ctx(), remove)).ok());
  ASSERT_TRUE(SyncWait(active_->Sweep(Ctx())).ok());  // its number is free again
  MakeCollection("default", 3);
  v1::AppendChunksRequest request;
  request.set_id(*Begin(near_, "small"));
  v1::Chunk& chunk = *request.add_chunks();
  chunk.set_text("three numbers");
  for (const float value : {1.0f, 2.0f, 3.0f}) chunk.add_vector(value);
  ASSERT_TRUE(SyncWait(active_->AppendChunks(Ctx(), request)).ok());
  HandTo(next);
  ASSERT_TRUE(Commit(near_, request.id()).ok());
  EXPECT_EQ(Find(near_, "three"), 1);
}

TEST_F(HandoverTest, VectorsOfAnotherEmbedderAreCaughtUpWith) {
  const std::string id = *Put(near_, "one", "hello", 1);
  const auto next = Standby();
  v1::Embedder embedder;
  embedder.set_model("other");
  embedder.set_dimension(2);
  v1::BeginReembedRequest begin;
  begin.set_collection("default");
  *begin.mutable_embedder() = embedder;
  ASSERT_TRUE(SyncWait(near_.BeginReembed(Ctx(), begin)).ok());
  v1::StoreVectorsRequest store;
  store.set_document_id(id);
  *store.mutable_embedder() = embedder;
  v1::Chunk& chunk = *store.add_chunks();
  chunk.add_vector(0);
  chunk.add_vector(1);
  ASSERT_TRUE(SyncWait(near_.StoreVectors(Ctx(), store)).ok());
  v1::FinishReembedRequest finish;
  finish.set_collection("default");
  *finish.mutable_embedder() = embedder;
  ASSERT_TRUE(SyncWait(near_.FinishReembed(Ctx(), finish))->finished());
  HandTo(next);
  v1::SearchRequest search;
  search.set_collection("default");
  search.set_mode(v1::SEARCH_MODE_VECTOR);
  search.add_vector(0);
  search.add_vector(1);
  const auto reply = SyncWait(near_.Search(Ctx(), search));
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->hits_size(), 1);
  EXPECT_NEAR(reply->hits(0).cosine(), 1.0, 0.01);
}

TEST_F(HandoverTest, OneThatWasSupersededWritesNoMoreButReadsOn) {
  const std::shared_ptr<LocalRetrieval> old = active_;
  active_ = Standby();
  ASSERT_TRUE(SyncWait(active_->Activate(Ctx())).ok());  // without a Yield
  near_switch_.Set(active_);
  far_switch_.Set(active_);
  const auto refused = Put(*old, "late", "stale", 1);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  ASSERT_TRUE(Put(near_, "new", "fresh", 1).ok());
  EXPECT_EQ(Find(*old, "fresh"), 1);
  // Handed back, it writes again.
  ASSERT_TRUE(SyncWait(active_->Yield(Ctx())).ok());
  ASSERT_TRUE(SyncWait(old->Activate(Ctx())).ok());
  ASSERT_TRUE(Put(*old, "newer", "fresh", 1).ok());
  EXPECT_EQ(Find(*active_, "fresh"), 2);
  ASSERT_TRUE(SyncWait(active_->Stop(Ctx())).ok());
  active_ = old;
}

TEST_F(HandoverTest, HeldCallsEndWithTheirDeadlines) {
  ASSERT_TRUE(SyncWait(active_->Yield(Ctx())).ok());
  ASSERT_TRUE(SyncWait(active_->Yield(Ctx())).ok());  // again: the same
  v1::BeginDocumentRequest request;
  request.mutable_document()->set_collection("default");
  request.mutable_document()->set_name("held");
  const Ctx ctx = Ctx().WithTimeout(std::chrono::milliseconds(20));
  EXPECT_EQ(SyncWait(active_->BeginDocument(ctx, request)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Find(near_, "nothing"), 0);  // reads go on
  ASSERT_TRUE(SyncWait(active_->Activate(Ctx())).ok());
  EXPECT_TRUE(SyncWait(active_->BeginDocument(Ctx(), request)).ok());
  EXPECT_EQ(SyncWait(active_->Forward(Ctx())).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tessera
