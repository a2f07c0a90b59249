#include "services/dataprep/local_dataprep.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "remote/testing/test_door.h"
#include "services/dataprep/content.h"
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

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// The service on a data folder, with the real extractor; retrieval and inference in memory.
class LocalDataprepTest : public ::testing::Test {
 protected:
  LocalDataprepTest() : extractor_(WorkerConfig()) {
    Result<DataFolder> data = DataFolder::Open(folder_.Path("data"));
    CHECK(data.ok());
    data_ = std::make_unique<DataFolder>(*std::move(data));
  }
  ~LocalDataprepTest() override { Stop(); }

  static ExtractConfig WorkerConfig() {
    ExtractConfig config;
    config.worker = {TESSERA_EXTRACT_WORKER};
    return config;
  }

  void Start(DataprepConfig config = {}) {
    config.watch_interval = std::chrono::milliseconds(1);
    config.disk_reserve.count = reserve_;
    auto opened = LocalDataprep::Open(
        config, *data_, *retrieval_door_, *inference_door_,
        [this](const std::string& path, const std::string& name, CancelToken cancel) {
          return extractor_.Open(path, name, cancel);
        },
        &loops_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    dataprep_ = *std::move(opened);
    const Status started = dataprep_->Start();
    ASSERT_TRUE(started.ok()) << started;
    door_.emplace(*dataprep_);
  }
  void Stop() {
    if (!dataprep_) return;
    door_.reset();
    const Status stopped = SyncWait(dataprep_->Stop(Ctx().WithTimeout(std::chrono::seconds(20))));
    EXPECT_TRUE(stopped.ok()) << stopped;
    dataprep_.reset();
  }

  // Writes a file where a person keeps files.
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_.Path(name);
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static void AddFile(v1::IngestRequest& request, const std::string& path) {
    request.add_sources()->set_path(path);
  }
  void AddSpooled(v1::IngestRequest& request, const std::string& name, const std::string& text) {
    const std::string path = StrCat(data_->tmp(), "/upload-", ++spooled_);
    CHECK(WriteContent(path, text).ok());
    v1::Source& source = *request.add_sources();
    source.set_path(path);
    source.set_name(name);
    source.set_spooled(true);
  }
  Result<v1::Job> Ingest(v1::IngestRequest request) {
    return SyncWait((*door_)->Ingest(SystemCtx(), std::move(request)));
  }
  v1::Job Get(const std::string& id) {
    v1::GetJobRequest request;
    request.set_id(id);
    Result<v1::Job> job = SyncWait((*door_)->GetJob(SystemCtx(), std::move(request)));
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : v1::Job();
  }
  // Watches a job to its end; gives every event.
  std::vector<v1::Job> Watch(const std::string& id) {
    v1::GetJobRequest request;
    request.set_id(id);
    auto stream = SyncWait((*door_)->WatchJob(SystemCtx(), std::move(request)));
    EXPECT_TRUE(stream.ok()) << stream.status();
    std::vector<v1::Job> events;
    const Ctx ctx = Ctx().WithTimeout(std::chrono::seconds(60));
    while (true) {
      auto event = SyncWait((*stream)->Next(ctx));
      EXPECT_TRUE(event.ok()) << event.status();
      if (!event.ok() || !event->has_value()) return events;
      events.push_back(**std::move(event));
    }
  }
  v1::Job RunToEnd(v1::IngestRequest request) {
    const Result<v1::Job> job = Ingest(std::move(request));
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return {};
    const std::vector<v1::Job> events = Watch(job->id());
    return events.empty() ? v1::Job() : events.back();
  }

  TestFolder folder_;
  MemoryRetrieval retrieval_;
  MemoryInference inference_;
  TestDoor<Retrieval, RetrievalRemote> retrieval_door_{retrieval_};
  TestDoor<Inference, InferenceRemote> inference_door_{inference_, Repeats::kNothing};  // counts
  std::unique_ptr<DataFolder> data_;
  Extractor extractor_;
  IoLoops loops_{1};
  std::unique_ptr<LocalDataprep> dataprep_;
  std::optional<TestDoor<Dataprep, DataprepRemote>> door_;
  std::uint64_t reserve_ = 0;
  int spooled_ = 0;
};

std::string LongText(int paragraphs, const std::string& subject) {
  std::string text = StrCat("# On ", subject, "\n\n");
  for (int i = 0; i < paragraphs; ++i) {
    StrAppend(&text, "Paragraph ", i, " says of ", subject, " that number ", i * 37,
              " matters most. It goes on for a while so that it has some length, and then comes to "
              "an end with a remark about item ",
              i * i, ".\n\n");
  }
  return text;
}

// A mail with an attachment "bill.txt".
std::string Mail(const std::string& bill) {
  return StrCat(
      "From: a@example.org\r\nTo: b@example.org\r\nSubject: The floor\r\n"
      "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n\r\nThe floor is finished.\r\n--cut\r\n"
      "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=bill.txt\r\n\r\n",
      bill, "\r\n--cut--\r\n");
}

TEST_F(LocalDataprepTest, FilesBecomeSearchableDocuments) {
  Start();
  v1::IngestRequest request;
  AddFile(request, Write("a.md", "# Stone\n\nStone is hard."));
  AddFile(request, Write("b.txt", LongText(40, "glass")));
  (*request.mutable_metadata())["project"] = "mosaic";
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(job.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(job.succeeded(), 2u);
  EXPECT_EQ(job.failed(), 0u);
  EXPECT_GT(job.ended_ms(), 0);
  EXPECT_EQ(job.bytes_done(), job.bytes_total());

  const auto a = retrieval_.Find("a.md");
  ASSERT_EQ(a.chunks.size(), 1u);
  EXPECT_EQ(a.chunks[0].text(), "Stone\n\nStone is hard.");
  EXPECT_EQ(a.chunks[0].heading(), "Stone");
  EXPECT_EQ(a.document.metadata().at("project"), "mosaic");
  const auto original = ReadContent(data_->Path(a.document.original()), {});
  ASSERT_TRUE(original.ok()) << original.status();
  EXPECT_EQ(original->sha256, a.document.sha256());

  const auto b = retrieval_.Find("b.txt");
  ASSERT_GT(b.chunks.size(), 5u);
  std::uint64_t end = 0;
  for (const v1::Chunk& chunk : b.chunks) {
    EXPECT_GE(chunk.start(), end);
    EXPECT_EQ(chunk.end() - chunk.start(), chunk.text().size());
    end = chunk.end();
  }
  EXPECT_EQ(job.chunks(), a.chunks.size() + b.chunks.size());
}

TEST_F(LocalDataprepTest, BadFilesDoNotStopTheOthers) {
  Start();
  v1::IngestRequest request;
  AddFile(request, folder_.Path("missing.txt"));
  AddFile(request, Write("empty.txt", ""));
  AddFile(request, Write("image.png", "\x89PNG\r\n\x1a\n...."));
  AddFile(request, Write("good.txt", "Words that stay."));
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(job.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(job.succeeded(), 1u);
  EXPECT_EQ(job.failed(), 3u);
  std::map<std::string, std::string> codes;
  for (const auto& progress : job.progress()) {
    codes[progress.name()] = progress.error_code();
    if (!progress.error_code().empty()) EXPECT_FALSE(progress.error().empty());
  }
  EXPECT_EQ(codes["missing.txt"], "unreadable");
  EXPECT_EQ(codes["empty.txt"], "no_text");
  EXPECT_EQ(codes["image.png"], "unsupported");
  EXPECT_EQ(codes["good.txt"], "");
  EXPECT_EQ(retrieval_.documents().size(), 1u) << "nothing of the others stays";
}

TEST_F(LocalDataprepTest, ReadsTheTextOfAFileWithoutKeepingIt) {
  DataprepConfig config;
  config.read_text_max.count = 2000;
  Start(config);
  const auto read = [this](const std::string& name, const std::string& text) {
    v1::IngestRequest form;
    AddSpooled(form, name, text);
    v1::ReadTextRequest request;
    *request.mutable_source() = form.sources(0);
    auto reply = SyncWait((*door_)->ReadText(SystemCtx(), request));
    EXPECT_TRUE(fs::exists(form.sources(0).path())) << "the file is the caller's";
    return reply;
  };
  const auto page = read("a.html", "<title>T</title><h1>Stone</h1><p>Stone is <b>hard</b>.</p>");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->documents_size(), 1);
  EXPECT_EQ(page->documents(0).text(), "Stone\n\nStone is hard.");
  EXPECT_EQ(page->documents(0).title(), "T");
  EXPECT_THAT(read("song.mp3", std::string("ID3\x03\0\0\0\0\0\x20", 10)).status().ToString(),
              AllOf(HasSubstr("INVALID_ARGUMENT"), HasSubstr("song.mp3: unsupported")));
  EXPECT_TRUE(absl::IsOutOfRange(read("long.md", LongText(30, "glass")).status()));
  v1::ReadTextRequest elsewhere;
  elsewhere.mutable_source()->set_path("/etc/passwd");
  elsewhere.mutable_source()->set_spooled(true);
  EXPECT_TRUE(
      absl::IsInvalidArgument(SyncWait((*door_)->ReadText(SystemCtx(), elsewhere)).status()));
  EXPECT_TRUE(retrieval_.documents().empty());
}

TEST_F(LocalDataprepTest, UnchangedFilesAreSkippedAndChangedOnesReplaced) {
  Start();
  const std::string path = Write("a.txt", "First words.");
  v1::IngestRequest request;
  AddFile(request, path);
  EXPECT_EQ(RunToEnd(request).progress(0).state(), v1::SOURCE_STATE_DONE);
  const std::uint64_t texts = inference_.texts();
  // The wall clock must tell the second job from the first document.
  while (WallMillis() <= retrieval_.Find("a.txt").document.created_ms()) std::this_thread::yield();
  EXPECT_EQ(RunToEnd(request).progress(0).state(), v1::SOURCE_STATE_UNCHANGED);
  EXPECT_EQ(inference_.texts(), texts);
  Write("a.txt", "Other words.");
  EXPECT_EQ(RunToEnd(request).progress(0).state(), v1::SOURCE_STATE_DONE);
  EXPECT_EQ(retrieval_.documents().size(), 1u);
  EXPECT_EQ(retrieval_.Find("a.txt").chunks.at(0).text(), "Other words.");
}

TEST_F(LocalDataprepTest, SpooledFilesAreTakenOver) {
  Start();
  v1::IngestRequest request;
  AddSpooled(request, "notes.md", "# Notes\n\nSome notes.");
  AddSpooled(request, "notes.md", "# Others\n\nOther notes.");
  const std::string spooled = request.sources(0).path();
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(job.succeeded(), 2u);
  EXPECT_FALSE(fs::exists(spooled));
  EXPECT_EQ(retrieval_.Find("notes.md").chunks.size(), 1u);
  EXPECT_EQ(retrieval_.Find("notes (2).md").chunks.size(), 1u);
  EXPECT_TRUE(fs::is_empty(data_->Path("spool")));
  EXPECT_TRUE(fs::is_empty(data_->tmp()));
}

TEST_F(LocalDataprepTest, RequestsThatMakeNoSenseAreRefusedByField) {
  Start();
  EXPECT_THAT(Ingest({}).status().ToString(), HasSubstr("sources"));
  v1::IngestRequest both;
  both.add_sources()->set_path("/x");
  both.mutable_sources(0)->set_url("https://example.org");
  EXPECT_THAT(Ingest(both).status().ToString(), HasSubstr("sources[0]"));
  v1::IngestRequest outside;
  const std::string mine = Write("mine.txt", "not to be taken");
  outside.add_sources()->set_path(mine);
  outside.mutable_sources(0)->set_spooled(true);
  EXPECT_TRUE(absl::IsInvalidArgument(Ingest(outside).status()));
  EXPECT_TRUE(fs::exists(mine));
}

TEST_F(LocalDataprepTest, ExistingDocumentsAreRefusedWhereAsked) {
  Start();
  v1::IngestRequest request;
  AddFile(request, Write("a.txt", "Words."));
  request.set_refuse_existing(true);
  EXPECT_EQ(RunToEnd(request).succeeded(), 1u);
  v1::IngestRequest again;
  AddSpooled(again, "a.txt", "Other words.");
  again.set_refuse_existing(true);
  EXPECT_TRUE(absl::IsAlreadyExists(Ingest(again).status()));
  EXPECT_TRUE(fs::is_empty(data_->tmp())) << "the refused upload is removed";
}

TEST_F(LocalDataprepTest, AFullDiskIsARefusal) {
  Start();
  Stop();
  reserve_ = 1ull << 60;
  Start();
  v1::IngestRequest request;
  AddFile(request, Write("a.txt", "Words."));
  const Status status = Ingest(request).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("disk full"));
}

TEST_F(LocalDataprepTest, AStoreThatIsFullFailsTheFileAndLeavesNothing) {
  Start();
  retrieval_.FailAppends(absl::ResourceExhaustedError("tessera.db: no space left on the disk"));
  v1::IngestRequest request;
  AddFile(request, Write("a.txt", "Words."));
  const v1::Job job = RunToEnd(request);
  ASSERT_EQ(job.failed(), 1u);
  EXPECT_EQ(job.progress(0).error_code(), "disk_full");
  EXPECT_TRUE(retrieval_.documents().empty());
}

TEST_F(LocalDataprepTest, AStoreThatIsAwayForAMomentIsAskedAgain) {
  Start();
  retrieval_.FailAppends(absl::UnavailableError("retrieval is being moved"));
  v1::IngestRequest request;
  AddFile(request, Write("a.txt", "Words."));
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok()) << job.status();
  while (retrieval_.documents().empty()) std::this_thread::yield();  // it has begun
  retrieval_.FailAppends(absl::OkStatus());
  EXPECT_EQ(Watch(job->id()).back().succeeded(), 1u);
}

TEST_F(LocalDataprepTest, AnOverloadedEmbedderIsAskedAgain) {
  Start();
  inference_.RefuseNext(3);
  v1::IngestRequest request;
  AddFile(request, Write("a.txt", "Words."));
  EXPECT_EQ(RunToEnd(request).succeeded(), 1u);
}

TEST_F(LocalDataprepTest, WatchersSeeProgressAndTheEnd) {
  Start();
  inference_.HoldAfter(100);
  v1::IngestRequest request;
  AddFile(request, Write("long.txt", LongText(800, "clay")));
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  EXPECT_EQ(Get(job->id()).state(), v1::JOB_STATE_RUNNING);
  inference_.Release();
  const std::vector<v1::Job> events = Watch(job->id());
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.back().state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(events.back().progress(0).state(), v1::SOURCE_STATE_DONE);
  for (std::size_t i = 1; i < events.size(); ++i)
    EXPECT_GE(events[i].chunks(), events[i - 1].chunks());
  EXPECT_EQ(Watch(job->id()).size(), 1u) << "a job that has ended is one event";
}

TEST_F(LocalDataprepTest, ACancelledJobLeavesWholeDocumentsOnly) {
  Start({.documents_in_flight = 1});
  inference_.HoldAfter(150);
  v1::IngestRequest request;
  AddFile(request, Write("short.txt", "Short."));
  AddFile(request, Write("long.txt", LongText(800, "clay")));
  AddFile(request, Write("later.txt", "Later."));
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  v1::CancelJobRequest cancel;
  cancel.set_id(job->id());
  ASSERT_TRUE(SyncWait((*door_)->CancelJob(SystemCtx(), cancel)).ok());
  const v1::Job ended = Watch(job->id()).back();
  EXPECT_EQ(ended.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(ended.succeeded(), 1u);
  ASSERT_EQ(retrieval_.documents().size(), 1u);
  EXPECT_EQ(retrieval_.Find("short.txt").chunks.size(), 1u);
}

TEST_F(LocalDataprepTest, AnInterruptedJobGoesOnWhereItWas) {
  Start({.documents_in_flight = 2});
  inference_.HoldAfter(150);
  v1::IngestRequest request;
  AddSpooled(request, "short.txt", "Short.");
  AddSpooled(request, "long.txt", LongText(800, "clay"));
  AddSpooled(request, "later.txt", "Later.");
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  Stop();
  const std::size_t before = inference_.texts();
  ASSERT_FALSE(retrieval_.Find("long.txt").committed);

  inference_.Release();
  Start();
  const v1::Job ended = Watch(job->id()).back();
  EXPECT_EQ(ended.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(ended.succeeded(), 3u);
  const auto resumed = retrieval_.Find("long.txt");
  EXPECT_EQ(resumed.chunks.size(), resumed.document.chunks());
  // What the first run had stored was not embedded again: at most what was in flight was.
  EXPECT_LE(inference_.texts(), before + resumed.chunks.size() + 2);
  EXPECT_LT(inference_.texts() - before, resumed.chunks.size());

  // The same as if it had never been interrupted.
  v1::IngestRequest whole;
  whole.set_collection("other");
  AddFile(whole, Write("whole.txt", LongText(800, "clay")));
  RunToEnd(whole);
  const auto expected = retrieval_.Find("whole.txt");
  ASSERT_EQ(resumed.chunks.size(), expected.chunks.size());
  for (std::size_t i = 0; i < expected.chunks.size(); ++i)
    ASSERT_EQ(resumed.chunks[i].text(), expected.chunks[i].text()) << i;
}

// The mail itself is committed long before its attachment: a restart in between must not take it
// for the end of the source.
TEST_F(LocalDataprepTest, AnInterruptedMailGoesOnWithItsAttachments) {
  Start();
  inference_.HoldAfter(1);
  v1::IngestRequest request;
  AddSpooled(request, "letter.eml", Mail(LongText(800, "tiles")));
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  ASSERT_TRUE(retrieval_.Find("letter.eml").committed);
  Stop();
  inference_.Release();
  Start();
  const v1::Job ended = Watch(job->id()).back();
  EXPECT_EQ(ended.failed(), 0u) << ended.DebugString();
  EXPECT_TRUE(retrieval_.Find("letter.eml/bill.txt").committed);
  for (const auto& progress : ended.progress())
    EXPECT_EQ(progress.state(), v1::SOURCE_STATE_DONE) << progress.name();
}

// After a kill at any moment a source that has not ended on the disk finds its file.
TEST_F(LocalDataprepTest, ASpooledFileStaysUntilItsEndIsOnTheDisk) {
  Start({.documents_in_flight = 1});
  inference_.HoldAfter(150);
  v1::IngestRequest request;
  AddSpooled(request, "short.txt", "Short.");
  AddSpooled(request, "long.txt", LongText(800, "clay"));
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok());
  auto disk = JobStore::Open(data_->Path("jobs.db"));
  ASSERT_TRUE(disk.ok());
  const std::string file = SpoolPath(*data_, job->id(), 0);
  bool saved = false;
  while (!saved) {  // it is saved every quarter of a second
    const bool there = fs::exists(file);
    const auto stored = (*disk)->Load(job->id());
    ASSERT_TRUE(stored.ok());
    saved = HasEnded(stored->entries[0].progress.state());
    ASSERT_TRUE(there || saved) << "a restart would need it";
    std::this_thread::yield();
  }
  inference_.Release();
  Watch(job->id());
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(LocalDataprepTest, AResumedJobDoesNotBringItsCollectionBack) {
  Start();
  inference_.HoldAfter(100);
  v1::IngestRequest request;
  request.set_collection("short-lived");
  AddSpooled(request, "long.txt", LongText(800, "clay"));
  const Result<v1::Job> job = Ingest(request);
  ASSERT_TRUE(job.ok());
  inference_.AwaitHeld();
  Stop();
  v1::DeleteCollectionRequest remove;
  remove.set_name("short-lived");
  ASSERT_TRUE(SyncWait(retrieval_.DeleteCollection(SystemCtx(), remove)).ok());
  inference_.Release();
  Start();
  const v1::Job ended = Watch(job->id()).back();
  EXPECT_EQ(ended.state(), v1::JOB_STATE_DONE);
  ASSERT_EQ(ended.failed(), 1u);
  EXPECT_EQ(ended.progress(0).error_code(), "not_found");
  v1::GetCollectionRequest get;
  get.set_name("short-lived");
  EXPECT_TRUE(absl::IsNotFound(SyncWait(retrieval_.GetCollection(SystemCtx(), get)).status()));
}

TEST_F(LocalDataprepTest, JobsAreRememberedUpToTheLimit) {
  Start({.jobs_kept = 3});
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) {
    v1::IngestRequest request;
    AddFile(request, Write(StrCat(i, ".txt"), StrCat("Text ", i)));
    ids.push_back(RunToEnd(request).id());
    const std::int64_t now = WallMillis();
    while (WallMillis() == now) std::this_thread::yield();
  }
  Stop();  // the last job's clean-up has ended
  Start({.jobs_kept = 3});
  auto listed = SyncWait((*door_)->ListJobs(SystemCtx(), v1::ListJobsRequest()));
  ASSERT_TRUE(listed.ok());
  std::vector<std::string> left;
  for (const v1::Job& job : listed->jobs()) left.push_back(job.id());
  EXPECT_THAT(left, ElementsAre(ids[5], ids[4], ids[3]));
  v1::GetJobRequest gone;
  gone.set_id(ids[0]);
  EXPECT_TRUE(absl::IsNotFound(SyncWait((*door_)->GetJob(SystemCtx(), gone)).status()));
}

// A server of one page, for as many requests as come, that answers whatever is asked.
class OnePage {
 public:
  OnePage(int status, std::string headers, std::string body)
      : reply_(StrCat("HTTP/1.1 ", status, " Fine\r\nConnection: close\r\nContent-Length: ",
                      body.size(), "\r\n", headers, "\r\n", body)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(::listen(socket_, 8) == 0);
    CHECK(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~OnePage() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  std::string Url(const std::string& host = "127.0.0.1") const {
    return StrCat("http://", host, ":", port_, "/page.html");
  }

 private:
  void Serve() {
    while (true) {
      const int peer = ::accept(socket_, nullptr, nullptr);
      if (peer < 0) return;
      std::array<char, 4096> request{};
      if (::recv(peer, request.data(), request.size(), 0) > 0)
        ::send(peer, reply_.data(), reply_.size(), MSG_NOSIGNAL);
      ::close(peer);
    }
  }
  const std::string reply_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(LocalDataprepTest, LinksAreFetchedWhereTheyMayBe) {
  const OnePage page(200, "Content-Type: text/html\r\n",
                     "<html><head><title>A page</title></head><body><h1>Hello</h1><p>Words of the "
                     "page.</p></body></html>");
  const OnePage missing(404, "", "gone");
  DataprepConfig config;
  config.url_allow_private = true;
  Start(config);
  v1::IngestRequest request;
  request.add_sources()->set_url(page.Url());
  request.add_sources()->set_url(missing.Url());
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(job.succeeded(), 1u);
  ASSERT_EQ(job.failed(), 1u);
  EXPECT_EQ(job.progress(0).error_code(), "not_found");
  const auto stored = retrieval_.Find(page.Url());
  ASSERT_EQ(stored.chunks.size(), 1u);
  EXPECT_EQ(stored.document.title(), "A page");
  EXPECT_THAT(stored.chunks[0].text(), HasSubstr("Words of the page."));
  EXPECT_TRUE(fs::is_empty(data_->tmp()));
}

TEST_F(LocalDataprepTest, LinksIntoTheServersOwnNetworkAreRefused) {
  const OnePage page(200, "", "secret");
  const OnePage redirect(302, StrCat("Location: ", page.Url(), "\r\n"), "");
  DataprepConfig config;
  config.url_trusted_hosts = {StrCat("localhost:", redirect.Url("x").substr(9, 5))};
  Start(config);
  v1::IngestRequest request;
  for (const std::string& url :
       {page.Url(), page.Url("localhost"), page.Url("[::1]"), page.Url("[::ffff:127.0.0.1]"),
        page.Url("2130706433"), page.Url("0x7f.1"), std::string("http://169.254.169.254/latest/"),
        redirect.Url("localhost")}) {
    request.add_sources()->set_url(url);
  }
  // Odd notations may be refused as URLs already; the rest is refused when it is fetched.
  for (const auto& source : request.sources()) {
    v1::IngestRequest one;
    *one.add_sources() = source;
    const Result<v1::Job> job = Ingest(one);
    if (!job.ok()) {
      EXPECT_TRUE(absl::IsInvalidArgument(job.status())) << job.status();
      continue;
    }
    const v1::Job ended = Watch(job->id()).back();
    EXPECT_EQ(ended.failed(), 1u) << source.url();
    EXPECT_THAT(ended.progress(0).error_code(), ::testing::AnyOf("not_allowed", "unreachable"))
        << source.url() << ": " << ended.progress(0).error();
  }
  EXPECT_TRUE(retrieval_.documents().empty());
}

TEST_F(LocalDataprepTest, ALinkThatIsTooLargeIsAnErrorAndLeavesNothing) {
  const OnePage page(200, "Content-Type: text/plain\r\n", std::string(300'000, 'x'));
  DataprepConfig config;
  config.url_allow_private = true;
  config.url_bytes_max.count = 100'000;
  Start(config);
  v1::IngestRequest request;
  request.add_sources()->set_url(page.Url());
  const v1::Job job = RunToEnd(request);
  ASSERT_EQ(job.failed(), 1u);
  EXPECT_EQ(job.progress(0).error_code(), "too_large");
  EXPECT_TRUE(fs::is_empty(data_->tmp()));
}

// A ZIP of stored (not packed) files, made by hand.
std::string Zip(const std::vector<std::pair<std::string, std::string>>& files) {
  const auto number = [](std::uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
    return out;
  };
  const auto crc = [](const std::string& bytes) {
    std::uint32_t sum = ~0u;
    for (const char c : bytes) {
      sum ^= static_cast<unsigned char>(c);
      for (int i = 0; i < 8; ++i) sum = (sum >> 1) ^ (0xedb88320u & (0u - (sum & 1u)));
    }
    return ~sum;
  };
  std::string zip;
  std::string directory;
  for (const auto& [name, text] : files) {
    const std::string common = StrCat(number(20, 2), number(0, 2), number(0, 2), number(0, 4),
                                      number(crc(text), 4), number(text.size(), 4),
                                      number(text.size(), 4), number(name.size(), 2), number(0, 2));
    StrAppend(&directory, "PK\x01\x02", number(20, 2), common, number(0, 8), number(0, 2),
              number(zip.size(), 4), name);
    StrAppend(&zip, "PK\x03\x04", common, name, text);
  }
  const std::string end =
      StrCat("PK\x05\x06", number(0, 4), number(files.size(), 2), number(files.size(), 2),
             number(directory.size(), 4), number(zip.size(), 4), number(0, 2));
  return StrCat(zip, directory, end);
}

TEST_F(LocalDataprepTest, AnArchivesDocumentsAreListedAsSourcesOfTheirOwn) {
  Start();
  v1::IngestRequest request;
  AddFile(request, Write("mosaics.zip", Zip({{"stone.md", "# Stone\n\nStone is hard."},
                                             {"sub/glass.txt", "Glass breaks."},
                                             {"broken.pdf", "%PDF-1.4 no more"}})));
  AddFile(request, Write("bad.zip", Zip({{"broken.pdf", "%PDF-1.4 no more"}})));
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(retrieval_.Find("mosaics.zip/stone.md").chunks.size(), 1u);
  EXPECT_EQ(retrieval_.Find("mosaics.zip/sub/glass.txt").chunks.size(), 1u);
  std::map<std::string, v1::SourceState> states;
  for (const auto& progress : job.progress()) states[progress.name()] = progress.state();
  SCOPED_TRACE(job.DebugString());
  EXPECT_EQ(states["mosaics.zip"], v1::SOURCE_STATE_DONE);
  EXPECT_EQ(states["mosaics.zip/stone.md"], v1::SOURCE_STATE_DONE);
  EXPECT_EQ(states["mosaics.zip/broken.pdf"], v1::SOURCE_STATE_FAILED);
  EXPECT_EQ(states["bad.zip"], v1::SOURCE_STATE_FAILED) << "nothing within could be read";
  EXPECT_EQ(retrieval_.documents().size(), 2u);
}

TEST_F(LocalDataprepTest, AMailAndItsAttachmentAreDocuments) {
  Start();
  v1::IngestRequest request;
  AddFile(request, Write("letter.eml", Mail("Forty tiles.")));
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(job.failed(), 0u);
  const auto mail = retrieval_.Find("letter.eml");
  ASSERT_FALSE(mail.chunks.empty());
  EXPECT_EQ(mail.document.title(), "The floor");
  EXPECT_EQ(retrieval_.Find("letter.eml/bill.txt").chunks.size(), 1u);
}

TEST_F(LocalDataprepTest, ManySmallFilesShareBatches) {
  Start();
  v1::IngestRequest request;
  for (int i = 0; i < 300; ++i)
    AddFile(request, Write(StrCat("many/", i, ".txt"), StrCat("The text of file ", i, ".")));
  const v1::Job job = RunToEnd(request);
  EXPECT_EQ(job.succeeded(), 300u);
  EXPECT_EQ(retrieval_.documents().size(), 300u);
  EXPECT_LE(job.progress_size(), 1000);
}

}  // namespace
}  // namespace tessera
