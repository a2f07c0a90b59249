#pragma once
// For tests: an edge over services that do as they are told, on a free port.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "edge/edge.h"
#include "net/test_client.h"
#include "runtime/thread_pool.h"
#include "runtime/waiter.h"
#include "tessera/v1/dataprep_rpc.tessera.h"
#include "tessera/v1/orchestration_rpc.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {

/// Collections and documents out of thin air. `search` is what Search was last asked.
class TestRetrieval final : public UnimplementedRetrieval {
 public:
  Task<Result<v1::Collection>> CreateCollection(Ctx, v1::CreateCollectionRequest request) override {
    v1::Collection made;
    made.set_name(request.name());
    co_return made;
  }
  Task<Result<v1::ListCollectionsReply>> ListCollections(Ctx, v1::ListCollectionsRequest) override {
    v1::ListCollectionsReply reply;
    reply.add_collections()->set_name("default");
    co_return reply;
  }
  Task<Result<v1::Collection>> GetCollection(Ctx, v1::GetCollectionRequest request) override {
    if (request.name() == "inside") co_return absl::InternalError("secret detail");
    co_return absl::NotFoundError(StrCat("no collection ", request.name()));
  }
  Task<Result<v1::DeleteCollectionReply>> DeleteCollection(Ctx,
                                                           v1::DeleteCollectionRequest) override {
    co_return v1::DeleteCollectionReply();
  }
  Task<Result<v1::ListDocumentsReply>> ListDocuments(Ctx,
                                                     v1::ListDocumentsRequest request) override {
    v1::ListDocumentsReply reply;
    for (std::uint32_t i = 0; i < request.limit(); ++i) {
      v1::Document* document = reply.add_documents();
      document->set_name(StrCat(request.collection(), " ", i));
      (*document->mutable_metadata())["page"] = std::string(50, 'm');
    }
    co_return reply;
  }
  Task<Result<v1::Document>> GetDocument(Ctx, v1::GetDocumentRequest request) override {
    v1::Document document;
    document.set_id(request.id());
    document.set_name("folder/näme.pdf");
    document.set_media_type(request.id() == "page" ? "text/html" : "application/pdf");
    document.set_sha256("abc");
    document.set_original("originals/x");
    co_return document;
  }
  Task<Result<v1::DeleteDocumentReply>> DeleteDocument(Ctx, v1::DeleteDocumentRequest) override {
    co_return v1::DeleteDocumentReply();
  }
  Task<Result<v1::ListChunksReply>> ListChunks(Ctx, v1::ListChunksRequest) override {
    co_return v1::ListChunksReply();
  }
  Task<Result<v1::SearchReply>> Search(Ctx, v1::SearchRequest request) override {
    {
      std::lock_guard lock(mutex_);
      search = request;
    }
    v1::SearchReply reply;
    v1::Hit* hit = reply.add_hits();
    hit->set_score(0.5F);
    hit->mutable_chunk()->set_text("päge \"one\"\n");
    hit->mutable_document()->set_bytes(1ULL << 60);
    co_return reply;
  }

  v1::SearchRequest search;  // the last one

 private:
  std::mutex mutex_;
};

/// Jobs that are done when they begin; remembers what came in.
class TestDataprep final : public UnimplementedDataprep {
 public:
  Task<Result<v1::Job>> Ingest(Ctx, v1::IngestRequest request) override {
    for (const v1::Source& source : request.sources()) {
      std::ifstream file(source.path(), std::ios::binary);
      contents.emplace_back((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
      if (source.spooled()) std::filesystem::remove(source.path());
    }
    ingest = request;
    if (!refusal.ok()) co_return refusal;
    v1::Job job;
    job.set_id("job-1");
    job.set_state(v1::JOB_STATE_QUEUED);
    co_return job;
  }
  Task<Result<v1::Job>> GetJob(Ctx, v1::GetJobRequest request) override {
    v1::Job job;
    job.set_id(request.id());
    co_return job;
  }
  Task<Result<v1::ListJobsReply>> ListJobs(Ctx, v1::ListJobsRequest) override {
    co_return v1::ListJobsReply();
  }
  Task<Result<v1::Job>> CancelJob(Ctx, v1::CancelJobRequest request) override {
    v1::Job job;
    job.set_id(request.id());
    job.set_state(v1::JOB_STATE_CANCELLED);
    co_return job;
  }
  Task<Result<StreamPtr<v1::Job>>> WatchJob(Ctx, v1::GetJobRequest request) override {
    class Changes final : public Stream<v1::Job> {
     public:
      explicit Changes(std::string id) : id_(std::move(id)) {}
      Task<Result<std::optional<v1::Job>>> Next(Ctx) override {
        if (++count_ > 3) co_return std::nullopt;
        if (count_ > 2 && id_ == "broken") co_return absl::UnavailableError("the store is away");
        v1::Job job;
        job.set_id(id_);
        job.set_chunks(static_cast<std::uint64_t>(count_));
        co_return job;
      }

     private:
      const std::string id_;
      int count_ = 0;
    };
    StreamPtr<v1::Job> changes = std::make_unique<Changes>(request.id());
    co_return changes;
  }

  v1::IngestRequest ingest;
  std::vector<std::string> contents;
  Status refusal;
};

/// Searches straight on; what it was asked is in TestRetrieval.
class TestOrchestration final : public UnimplementedOrchestration {
 public:
  explicit TestOrchestration(Retrieval& retrieval) : retrieval_(retrieval) {}
  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override {
    return retrieval_.Search(std::move(ctx), std::move(request));
  }

 private:
  Retrieval& retrieval_;
};

class EdgeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "edge_test_" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/originals");
    std::ofstream(folder_ + "/originals/x") << "0123456789";
    config_.http = "127.0.0.1:0";
  }
  void TearDown() override {
    if (edge_) {
      if (!held_.empty()) ReleaseHeld();
      EXPECT_TRUE(SyncWait(edge_->Drain(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
    }
    edge_.reset();
    std::filesystem::remove_all(folder_);
  }

  EdgeParts Parts(bool no_auth) {
    EdgeParts parts;
    parts.data_folder = folder_;
    parts.version = "test";
    parts.no_auth = no_auth;
    parts.dataprep = &dataprep_;
    parts.retrieval = &retrieval_;
    for (MethodBinding& binding : Bind(static_cast<Retrieval&>(retrieval_))) {
      parts.bindings.push_back(std::move(binding));
    }
    for (MethodBinding& binding : Bind(static_cast<Orchestration&>(orchestration_))) {
      parts.bindings.push_back(std::move(binding));
    }
    for (MethodBinding& binding : Bind(static_cast<Dataprep&>(dataprep_))) {
      parts.bindings.push_back(std::move(binding));
    }
    parts.loops = &loops_;
    parts.blocking = &pool_;
    parts.cpu = &pool_;
    return parts;
  }

  void Start(bool no_auth = false) {
    auto made = Edge::Make(config_, Parts(no_auth));
    ASSERT_TRUE(made.ok()) << made.status();
    edge_ = *std::move(made);
    AddTestRoutes();
    const Status started = edge_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }

  // As after a stop of the process: only the folder stays.
  void Restart() {
    EXPECT_TRUE(SyncWait(edge_->Drain(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
    edge_.reset();
    Start();
  }

  // "/hold" keeps its place until ReleaseHeld(); "/openai" and "/opea" fail in their shapes.
  void AddTestRoutes() {
    Route hold;
    hold.pattern = "/hold";
    hold.scope = "test";
    hold.in_flight_max = 2;
    hold.handler = [this](Ctx ctx, HttpRequest) { return Hold(std::move(ctx)); };
    hold.doc.summary = "waits";
    edge_->routes().Add(hold);
    for (const ErrorShape shape : {ErrorShape::kOpenAi, ErrorShape::kOpea}) {
      Route fails;
      fails.pattern = shape == ErrorShape::kOpenAi ? "/openai" : "/opea";
      fails.method = HttpMethod::kPost;
      fails.scope = "test";
      fails.errors = shape;
      fails.body = BodyKind::kBuffered;
      fails.handler = [](Ctx, HttpRequest) { return Fail(); };
      fails.doc.summary = "fails";
      edge_->routes().Add(fails);
    }
  }
  static Task<Result<HttpReply>> Fail() {
    co_return InvalidField("messages[0].role", "must be one of user, system");
  }
  Task<Result<HttpReply>> Hold(Ctx ctx) {
    Waiter waiter(ctx);
    {
      std::lock_guard lock(mutex_);
      held_.push_back(waiter.handle());
      changed_.notify_all();
    }
    CO_TRY(co_await waiter);
    co_return HttpReply::Text(200, "released");
  }
  bool WaitForHeld(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return held_.size() >= count; });
  }
  void ReleaseHeld() {
    std::lock_guard lock(mutex_);
    for (const WaiterHandle& held : held_) held.Complete(absl::OkStatus());
    held_.clear();
  }

  std::uint16_t port() const { return edge_->server().port(); }
  std::string Host() const { return StrCat("Host: 127.0.0.1:", port(), "\r\n"); }
  std::string Key() const {
    return StrCat("Authorization: Bearer ", edge_->owner_key().text, "\r\n");
  }
  // One request with the owner's key, unless `headers` say otherwise; the whole reply.
  std::string Ask(std::string_view method, std::string_view target, std::string_view headers,
                  std::string_view body = {}) {
    RawClient client(port());
    client.Send(StrCat(method, " ", target, " HTTP/1.1\r\n",
                       headers.find("Host:") == headers.npos ? Host() : std::string(),
                       "Connection: close\r\n", headers, "Content-Length: ", body.size(),
                       "\r\n\r\n", body));
    return client.ReadToEnd();
  }
  std::string Get(std::string_view target, std::string_view headers = {}) {
    return Ask("GET", target, StrCat(Key(), headers));
  }
  std::string Post(std::string_view target, std::string_view json, std::string_view headers = {}) {
    return Ask("POST", target, StrCat(Key(), "Content-Type: application/json\r\n", headers), json);
  }
  // A form with the given parts, each "headers\r\n\r\ncontent".
  std::string PostForm(const std::vector<std::string>& parts, std::string_view end = "--b--\r\n") {
    std::string body;
    for (const std::string& part : parts) StrAppend(&body, "--b\r\n", part, "\r\n");
    StrAppend(&body, end);
    return Ask("POST", "/api/v1/collections/c/documents",
               StrCat(Key(), "Content-Type: multipart/form-data; boundary=b\r\n"), body);
  }

  EdgeConfig config_;
  std::string folder_;
  IoLoops loops_{2};
  ThreadPool pool_{"test", 2};
  TestRetrieval retrieval_;
  TestOrchestration orchestration_{retrieval_};
  TestDataprep dataprep_;
  std::unique_ptr<Edge> edge_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<WaiterHandle> held_;
};

}  // namespace tessera
