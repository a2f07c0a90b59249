// Jobs go on while dataprep is handed over.

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/str.h"
#include "extract/testing/samples.h"
#include "remote/testing/test_door.h"
#include "services/dataprep/content.h"
#include "services/dataprep/local_dataprep.h"
#include "services/dataprep/testing/memory_services.h"
#include "store/test_folder.h"
#include "tessera/v1/dataprep_remote.tessera.h"
#include "tessera/v1/dataprep_rpc.tessera.h"
#include "tessera/v1/inference_remote.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/retrieval_remote.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// Passes calls to the instance of the moment, as a process's router does. A call keeps its instance
// alive until it ends, a stream until it is dropped.
class DataprepSwitch final : public UnimplementedDataprep {
 public:
  void Set(std::shared_ptr<Dataprep> target) {
    std::lock_guard lock(mutex_);
    target_ = std::move(target);
  }
  Task<Result<v1::Job>> Ingest(Ctx ctx, v1::IngestRequest request) override {
    const auto target = Get();
    co_return co_await target->Ingest(std::move(ctx), std::move(request));
  }
  Task<Result<v1::Job>> GetJob(Ctx ctx, v1::GetJobRequest request) override {
    const auto target = Get();
    co_return co_await target->GetJob(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListJobsReply>> ListJobs(Ctx ctx, v1::ListJobsRequest request) override {
    const auto target = Get();
    co_return co_await target->ListJobs(std::move(ctx), std::move(request));
  }
  Task<Result<v1::Job>> CancelJob(Ctx ctx, v1::CancelJobRequest request) override {
    const auto target = Get();
    co_return co_await target->CancelJob(std::move(ctx), std::move(request));
  }
  Task<Result<StreamPtr<v1::Job>>> WatchJob(Ctx ctx, v1::GetJobRequest request) override {
    const auto target = Get();
    CO_TRY(StreamPtr<v1::Job> stream,
           co_await target->WatchJob(std::move(ctx), std::move(request)));
    StreamPtr<v1::Job> held = std::make_unique<Held>(target, std::move(stream));
    co_return held;
  }

 private:
  class Held final : public Stream<v1::Job> {
   public:
    Held(std::shared_ptr<Dataprep> target, StreamPtr<v1::Job> stream)
        : target_(std::move(target)), stream_(std::move(stream)) {}
    Task<Result<std::optional<v1::Job>>> Next(Ctx ctx) override {
      return stream_->Next(std::move(ctx));
    }

   private:
    const std::shared_ptr<Dataprep> target_;
    const StreamPtr<v1::Job> stream_;
  };
  std::shared_ptr<Dataprep> Get() {
    std::lock_guard lock(mutex_);
    return target_;
  }
  std::mutex mutex_;
  std::shared_ptr<Dataprep> target_;
};

std::string LongText(int paragraphs, const std::string& subject) {
  std::string text = StrCat("# On ", subject, "\n\n");
  for (int i = 0; i < paragraphs; ++i) {
    StrAppend(&text, "Paragraph ", i, " says of ", subject, " that number ", i * 37,
              " matters most, and comes to an end with a remark about item ", i * i, ".\n\n");
  }
  return text;
}

class DataprepHandoverTest : public testing::Test {
 protected:
  DataprepHandoverTest() : extractor_(WorkerConfig()) {
    auto data = DataFolder::Open(folder_.Path("data"));
    CHECK(data.ok());
    data_ = std::make_unique<DataFolder>(*std::move(data));
    active_ = Open();
    CHECK(active_->Start().ok());
    switch_.Set(active_);
  }
  ~DataprepHandoverTest() override {
    switch_.Set(nullptr);
    inference_.Release();
    if (active_) EXPECT_TRUE(SyncWait(active_->Stop(Ctx())).ok());
    for (const auto& old : retired_) EXPECT_EQ(old.use_count(), 1);
  }
  static ExtractConfig WorkerConfig() {
    ExtractConfig config;
    config.worker = {TESSERA_EXTRACT_WORKER};
    return config;
  }
  std::shared_ptr<LocalDataprep> Open() {
    DataprepConfig config;
    config.watch_interval = std::chrono::milliseconds(1);
    config.disk_reserve.count = 0;
    config.jobs_in_flight = 3;
    auto opened = LocalDataprep::Open(
        config, *data_, *retrieval_door_, *inference_door_,
        [this](const std::string& path, const std::string& name, CancelToken cancel) {
          return extractor_.Open(path, name, cancel);
        },
        nullptr, &switch_);
    CHECK(opened.ok());
    return *std::move(opened);
  }
  double MoveOn() {
    const std::shared_ptr<LocalDataprep> old = active_;
    const std::shared_ptr<LocalDataprep> next = Open();
    const SteadyTime begin = Now();
    const Status yielded = SyncWait(old->Yield(Ctx()));
    EXPECT_TRUE(yielded.ok()) << yielded;
    const double ms = std::chrono::duration<double, std::milli>(Now() - begin).count();
    const Status activated = SyncWait(next->Activate(Ctx()));
    EXPECT_TRUE(activated.ok()) << activated;
    switch_.Set(next);
    EXPECT_TRUE(SyncWait(old->Forward(Ctx())).ok());
    active_ = next;
    retired_.push_back(old);  // streams that began there are still open
    return ms;
  }
  void AddSpooled(v1::IngestRequest& request, const std::string& name, const std::string& text) {
    const std::string path = StrCat(data_->tmp(), "/upload-", ++spooled_);
    CHECK(WriteContent(path, text).ok());
    v1::Source& source = *request.add_sources();
    source.set_path(path);
    source.set_name(name);
    source.set_spooled(true);
  }
  // Ingests, watches to the end, checks what was told.
  v1::Job RunThroughAll(v1::IngestRequest request) {
    const auto job = SyncWait(router_->Ingest(SystemCtx(), std::move(request)));
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return {};
    return WatchToTheEnd(job->id());
  }
  v1::Job WatchToTheEnd(const std::string& id) {
    v1::GetJobRequest get;
    get.set_id(id);
    auto stream = SyncWait(router_->WatchJob(SystemCtx(), get));
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (!stream.ok()) return {};
    v1::Job last;
    const Ctx ctx = SystemCtx().WithTimeout(std::chrono::seconds(60));
    while (true) {
      auto item = SyncWait((*stream)->Next(ctx));
      EXPECT_TRUE(item.ok()) << item.status();
      if (!item.ok() || !item->has_value()) break;
      EXPECT_FALSE(HasEnded(last.state())) << "told again after its end";
      last = **std::move(item);
    }
    EXPECT_EQ(last.id(), id);
    EXPECT_TRUE(HasEnded(last.state())) << "the end was never told";
    return last;
  }

  TestFolder folder_;
  MemoryRetrieval retrieval_;
  MemoryInference inference_;
  TestDoor<Retrieval, RetrievalRemote> retrieval_door_{retrieval_};
  TestDoor<Inference, InferenceRemote> inference_door_{inference_, Repeats::kNothing};  // counts
  std::unique_ptr<DataFolder> data_;
  Extractor extractor_;
  DataprepSwitch switch_;
  TestDoor<Dataprep, DataprepRemote> router_{switch_};
  std::vector<std::shared_ptr<LocalDataprep>> retired_;
  std::shared_ptr<LocalDataprep> active_;
  std::atomic<int> spooled_{0};
};

// The goal is 300; a loaded machine under a sanitizer needs longer.
constexpr double kYieldMaxMs = 3000;
constexpr int kClients = 4;
constexpr int kJobs = 6;  // each

// Files, an archive, and now and then a long document, all under names of their own.
v1::IngestRequest MakeRequest(
    int number, std::vector<std::string>& names,
    const std::function<void(v1::IngestRequest&, std::string, std::string)>& add) {
  v1::IngestRequest request;
  for (int i = 0; i < 3; ++i) {
    const std::string name = StrCat("j", number, "-", i, ".txt");
    add(request, name, StrCat("Text ", i, " of job ", number, "."));
    names.push_back(name);
  }
  SampleFiles members;
  for (int i = 0; i < 4; ++i) {
    members.push_back({StrCat("m", i, ".md"), LongText(20, StrCat("clay ", number, " ", i))});
    names.push_back(StrCat("j", number, ".zip/m", i, ".md"));
  }
  add(request, StrCat("j", number, ".zip"), MakeZip(members));
  if (number % 3 == 0) {
    add(request, StrCat("j", number, "-long.txt"), LongText(400, StrCat("stone ", number)));
    names.push_back(StrCat("j", number, "-long.txt"));
  }
  return request;
}

TEST_F(DataprepHandoverTest, EveryDocumentIsIngestedOnceThroughManyHandovers) {
  std::atomic<int> running{kClients};
  std::mutex mutex;
  std::set<std::string> expected;
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < kJobs && !testing::Test::HasFailure(); ++i) {
        std::vector<std::string> names;
        const v1::IngestRequest request =
            MakeRequest(client * 100 + i, names,
                        [this](v1::IngestRequest& to, std::string name, std::string text) {
                          AddSpooled(to, name, text);
                        });
        const v1::Job job = RunThroughAll(request);
        EXPECT_EQ(job.failed(), 0u) << job.DebugString();
        std::uint64_t chunks = 0;
        std::set<std::string> done;
        for (const auto& progress : job.progress()) {
          EXPECT_EQ(progress.state(), v1::SOURCE_STATE_DONE) << progress.DebugString();
          const auto stored = retrieval_.Find(progress.name());
          if (!stored.committed) continue;  // the archive itself
          EXPECT_EQ(progress.chunks(), stored.chunks.size()) << progress.name();
          chunks += stored.chunks.size();
          done.insert(progress.name());
        }
        EXPECT_EQ(job.chunks(), chunks);
        EXPECT_EQ(done, std::set<std::string>(names.begin(), names.end()));
        std::lock_guard lock(mutex);
        expected.insert(names.begin(), names.end());
      }
      --running;
    });
  }
  std::thread lister([&] {
    while (running > 0) {
      const auto jobs = SyncWait(router_->ListJobs(SystemCtx(), {}));
      ASSERT_TRUE(jobs.ok()) << jobs.status();
      if (jobs->jobs_size() == 0) continue;
      v1::GetJobRequest get;
      get.set_id(jobs->jobs(0).id());
      const auto job = SyncWait(router_->GetJob(SystemCtx(), get));
      ASSERT_TRUE(job.ok()) << job.status();
    }
  });
  int handovers = 0;
  double slowest = 0;
  std::uint64_t texts = inference_.texts();
  while (running > 0 && !testing::Test::HasFailure()) {
    if (handovers % 4 == 1) {  // called off
      EXPECT_TRUE(SyncWait(active_->Yield(Ctx())).ok());
      EXPECT_TRUE(SyncWait(active_->Activate(Ctx())).ok());
    }
    slowest = std::max(slowest, MoveOn());
    ++handovers;
    // Something is done between two.
    const std::uint64_t wanted = texts + 15;
    while (running > 0 && inference_.texts() < wanted) std::this_thread::yield();
    texts = inference_.texts();
  }
  for (std::thread& client : clients) client.join();
  lister.join();
  const std::map<std::string, int> commits = retrieval_.commits();
  EXPECT_EQ(commits.size(), expected.size());
  for (const auto& [name, times] : commits) EXPECT_EQ(times, 1) << name;
  for (const auto& [id, stored] : retrieval_.documents())
    EXPECT_TRUE(stored.committed) << "left half-written: " << stored.document.name();
  EXPECT_TRUE(fs::is_empty(data_->tmp()));
  EXPECT_GT(handovers, 5);
  std::printf("[ figures  ] %zu documents over %d handovers; yield at most %.1f ms\n",
              commits.size(), handovers, slowest);
}

TEST_F(DataprepHandoverTest, AHeldIngestGoesToTheSuccessorWithItsFiles) {
  ASSERT_TRUE(SyncWait(active_->Yield(Ctx())).ok());
  v1::IngestRequest request;
  AddSpooled(request, "held.txt", "Words that waited.");
  std::thread client([&] { EXPECT_EQ(RunThroughAll(request).succeeded(), 1u); });
  MoveOn();
  client.join();
  EXPECT_EQ(retrieval_.commits().at("held.txt"), 1);
}

TEST_F(DataprepHandoverTest, AYieldInTheMiddleOfALongDocumentIsQuickAndLosesNothing) {
  inference_.HoldAfter(150);
  v1::IngestRequest request;
  AddSpooled(request, "long.txt", LongText(3000, "clay"));
  const auto job = SyncWait(router_->Ingest(SystemCtx(), request));
  ASSERT_TRUE(job.ok()) << job.status();
  inference_.AwaitHeld();
  while (retrieval_.documents().begin()->second.chunks.empty()) std::this_thread::yield();
  const std::uint64_t before = inference_.texts();
  const double ms = MoveOn();
  EXPECT_LT(ms, kYieldMaxMs);
  inference_.Release();
  EXPECT_EQ(WatchToTheEnd(job->id()).succeeded(), 1u);
  const auto stored = retrieval_.Find("long.txt");
  EXPECT_EQ(stored.chunks.size(), stored.document.chunks());
  EXPECT_LT(inference_.texts() - before, stored.chunks.size()) << "begun anew";
}

std::string BigPdf(int pages) {
  SamplePdf pdf;
  pdf.title = "Big";
  for (int page = 0; page < pages; ++page) {
    SamplePage& lines = pdf.pages.emplace_back();
    for (int line = 0; line < 40; ++line) {
      lines.push_back({11, StrCat("Line ", line, " of page ", page, " tells of number ",
                                  page * 1000 + line * 7, " and little else.")});
    }
  }
  return MakePdf(pdf);
}

TEST_F(DataprepHandoverTest, ABigPdfGoesOnWhereItWasThroughManyYields) {
  v1::IngestRequest whole;
  const std::string text = BigPdf(300);
  AddSpooled(whole, "whole.pdf", text);
  ASSERT_EQ(RunThroughAll(whole).succeeded(), 1u);
  const auto expected = retrieval_.Find("whole.pdf");
  v1::IngestRequest request;
  request.set_collection("other");
  AddSpooled(request, "big.pdf", text);
  const auto job = SyncWait(router_->Ingest(SystemCtx(), request));
  ASSERT_TRUE(job.ok()) << job.status();
  double slowest = 0;
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t wanted = inference_.texts() + 64;
    v1::GetJobRequest get;
    get.set_id(job->id());
    while (inference_.texts() < wanted &&
           !HasEnded(SyncWait(router_->GetJob(SystemCtx(), get))->state()))
      std::this_thread::yield();
    slowest = std::max(slowest, MoveOn());
  }
  EXPECT_EQ(WatchToTheEnd(job->id()).succeeded(), 1u);
  const auto stored = retrieval_.Find("big.pdf");
  ASSERT_EQ(stored.chunks.size(), expected.chunks.size());
  for (std::size_t i = 0; i < expected.chunks.size(); ++i)
    ASSERT_EQ(stored.chunks[i].text(), expected.chunks[i].text()) << i;
  EXPECT_LT(slowest, kYieldMaxMs);
  std::printf("[ figures  ] %zu passages; yield at most %.1f ms\n", stored.chunks.size(), slowest);
}

TEST_F(DataprepHandoverTest, ACancelledJobStaysCancelled) {
  inference_.HoldAfter(100);
  v1::IngestRequest request;
  AddSpooled(request, "long.txt", LongText(800, "clay"));
  const auto job = SyncWait(router_->Ingest(SystemCtx(), request));
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  v1::CancelJobRequest cancel;
  cancel.set_id(job->id());
  ASSERT_TRUE(SyncWait(router_->CancelJob(SystemCtx(), cancel)).ok());
  MoveOn();
  EXPECT_EQ(WatchToTheEnd(job->id()).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(retrieval_.documents().empty());
}

TEST_F(DataprepHandoverTest, OneThatWasSupersededDoesNoHarm) {
  inference_.HoldAfter(100);
  v1::IngestRequest request;
  AddSpooled(request, "long.txt", LongText(800, "clay"));
  const auto job = SyncWait(router_->Ingest(SystemCtx(), request));
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  const std::shared_ptr<LocalDataprep> old = active_;
  active_ = Open();
  ASSERT_TRUE(SyncWait(active_->Activate(Ctx())).ok());  // without a Yield
  switch_.Set(active_);
  inference_.Release();
  v1::IngestRequest late;
  AddSpooled(late, "late.txt", "Too late.");
  EXPECT_EQ(SyncWait(old->Ingest(SystemCtx(), late)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(WatchToTheEnd(job->id()).succeeded(), 1u);
  EXPECT_EQ(retrieval_.commits().at("long.txt"), 1);
  EXPECT_TRUE(SyncWait(old->Stop(Ctx())).ok());
  EXPECT_TRUE(fs::is_empty(data_->Path("spool")));
}

}  // namespace
}  // namespace tessera
