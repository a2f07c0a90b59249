#pragma once
// A LocalRetrieval in a folder of its own, reached through a TestDoor, with short ways to fill and
// ask it. For tests.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "remote/testing/test_door.h"
#include "services/retrieval/local_retrieval.h"
#include "store/test_folder.h"
#include "tessera/v1/retrieval_remote.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {

class TestStore {
 public:
  using Passage = std::pair<std::string, std::vector<float>>;

  explicit TestStore(LocalRetrieval::Config config = {}) : config_(config) { Open(); }
  TestStore(std::string data_path, LocalRetrieval::Config config)
      : config_(config), data_path_(std::move(data_path)) {
    Open();
  }
  ~TestStore() { Close(); }

  void Reopen() {
    Close();
    Open();
  }
  Retrieval* operator->() { return retrieval(); }
  LocalRetrieval& local() { return *local_; }
  const DataFolder& data() const { return *data_; }
  const TestFolder& folder() const { return folder_; }

  v1::Collection MakeCollection(const std::string& name, std::uint32_t dimension) {
    v1::CreateCollectionRequest request;
    request.set_name(name);
    request.mutable_embedder()->set_model("test");
    request.mutable_embedder()->set_dimension(dimension);
    auto made = SyncWait(retrieval()->CreateCollection(Ctx(), request));
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  v1::Collection Collection(const std::string& name) {
    v1::GetCollectionRequest request;
    request.set_name(name);
    return *SyncWait(retrieval()->GetCollection(Ctx(), request));
  }

  Result<v1::BeginDocumentReply> Begin(const std::string& collection, const std::string& name,
                                       const std::string& sha, const std::string& key = "") {
    v1::BeginDocumentRequest request;
    request.mutable_document()->set_collection(collection);
    request.mutable_document()->set_name(name);
    request.mutable_document()->set_sha256(sha);
    request.set_resume_key(key);
    return SyncWait(retrieval()->BeginDocument(Ctx(), request));
  }
  Result<v1::AppendChunksReply> Append(const std::string& id, const std::vector<Passage>& passages,
                                       std::uint32_t first = 0) {
    v1::AppendChunksRequest request;
    request.set_id(id);
    for (const Passage& passage : passages) {
      v1::Chunk& chunk = *request.add_chunks();
      chunk.set_ordinal(first++);
      chunk.set_text(passage.first);
      chunk.mutable_vector()->Add(passage.second.begin(), passage.second.end());
    }
    return SyncWait(retrieval()->AppendChunks(Ctx(), request));
  }
  Result<v1::Document> Commit(const std::string& id,
                              const std::map<std::string, std::string>& metadata = {}) {
    v1::CommitDocumentRequest request;
    request.set_id(id);
    request.mutable_metadata()->insert(metadata.begin(), metadata.end());
    return SyncWait(retrieval()->CommitDocument(Ctx(), request));
  }
  std::string Add(const std::string& collection, const std::string& name, const std::string& sha,
                  const std::vector<Passage>& passages,
                  const std::map<std::string, std::string>& metadata = {}) {
    const auto begun = Begin(collection, name, sha);
    EXPECT_TRUE(begun.ok()) << begun.status();
    const auto appended = Append(begun->id(), passages);
    EXPECT_TRUE(appended.ok()) << appended.status();
    const auto committed = Commit(begun->id(), metadata);
    EXPECT_TRUE(committed.ok()) << committed.status();
    return begun->id();
  }

  v1::SearchRequest Query(const std::string& collection, const std::string& query,
                          const std::vector<float>& vector) {
    v1::SearchRequest request;
    request.set_collection(collection);
    request.set_query(query);
    request.mutable_vector()->Add(vector.begin(), vector.end());
    return request;
  }
  std::vector<v1::Hit> Find(const std::string& collection, const std::string& query,
                            const std::vector<float>& vector) {
    auto reply = SyncWait(retrieval()->Search(Ctx(), Query(collection, query, vector)));
    EXPECT_TRUE(reply.ok()) << reply.status();
    if (!reply.ok()) return {};
    return {reply->hits().begin(), reply->hits().end()};
  }
  v1::ListDocumentsRequest List(const std::string& collection) {
    v1::ListDocumentsRequest request;
    request.set_collection(collection);
    return request;
  }
  v1::GetDocumentRequest Get(const std::string& id) {
    v1::GetDocumentRequest request;
    request.set_id(id);
    return request;
  }
  std::int64_t CountRows(const std::string& table) {
    auto db = SqliteConnection::Open(data_->Path("tessera.db"));
    return (*db)->QueryInt("SELECT count(*) FROM " + table)->value_or(-1);
  }

 private:
  Retrieval* retrieval() { return &**door_; }
  void Open() {
    auto data = DataFolder::Open(data_path_.empty() ? folder_.Path("data") : data_path_);
    ASSERT_TRUE(data.ok()) << data.status();
    data_ = std::make_unique<DataFolder>(*std::move(data));
    pool_ = std::make_unique<ThreadPool>("blocking", 3);
    auto retrieval = LocalRetrieval::Open(config_, *data_, *pool_);
    ASSERT_TRUE(retrieval.ok()) << retrieval.status();
    local_ = *std::move(retrieval);
    door_.emplace(*local_);
  }
  void Close() {
    door_.reset();
    if (local_ != nullptr) EXPECT_TRUE(SyncWait(local_->Stop(Ctx())).ok());
    local_.reset();
    pool_.reset();
    data_.reset();
  }

  LocalRetrieval::Config config_;
  std::string data_path_;
  TestFolder folder_;
  std::unique_ptr<DataFolder> data_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<LocalRetrieval> local_;
  std::optional<TestDoor<Retrieval, RetrievalRemote>> door_;
};

}  // namespace tessera
