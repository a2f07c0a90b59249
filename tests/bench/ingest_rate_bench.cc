// How near ingest comes to the bare embedder: ingest_rate_bench [EVERY]
//
// Ingests every EVERY-th page of PostgreSQL's manual (default 12: about a minute on two cores; 1 is
// all of it) with the real extractor, embedder and store, and records the texts that are embedded.
// The same texts then go through the embedder alone, in large calls, once before and once after a
// second ingest. Prints one JSON object: the ingest's passages a second, and the bare embedder's.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <mutex>

#include "base/json_writer.h"
#include "base/str.h"
#include "extract/extractor.h"
#include "runtime/when_all.h"
#include "services/dataprep/local_dataprep.h"
#include "services/inference/local_inference.h"
#include "services/retrieval/local_retrieval.h"
#include "store/test_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
constexpr const char* kManual = "/usr/share/doc/postgresql-doc-15/html";
constexpr int kCallTexts = 256;
constexpr int kCallsAtOnce = 4;

// Of this process; the extractor's children are not counted.
double CpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double Seconds(SteadyTime since) { return std::chrono::duration<double>(Now() - since).count(); }

/// Passes calls on and remembers the texts.
class RecordingInference final : public Inference {
 public:
  explicit RecordingInference(Inference& inference) : inference_(inference) {}
  Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx, v1::GenerateRequest r) override {
    return inference_.Generate(std::move(ctx), std::move(r));
  }
  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override {
    {
      std::lock_guard lock(mutex_);
      texts_.insert(texts_.end(), request.texts().begin(), request.texts().end());
    }
    return inference_.Embed(std::move(ctx), std::move(request));
  }
  Task<Result<v1::RerankReply>> Rerank(Ctx ctx, v1::RerankRequest r) override {
    return inference_.Rerank(std::move(ctx), std::move(r));
  }
  Task<Result<v1::CountTokensReply>> CountTokens(Ctx ctx, v1::CountTokensRequest r) override {
    return inference_.CountTokens(std::move(ctx), std::move(r));
  }
  Task<Result<v1::ListModelsReply>> ListModels(Ctx ctx, v1::ListModelsRequest r) override {
    return inference_.ListModels(std::move(ctx), std::move(r));
  }
  std::vector<std::string> Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(texts_, {});
  }

 private:
  Inference& inference_;
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

// Embeds texts[next…] call by call; several of these share `next`.
Task<Status> EmbedRest(Executor* executor, Inference* inference,
                       const std::vector<std::string>* texts, std::atomic<std::size_t>* next) {
  co_await SwitchTo(*executor);
  while (true) {
    const std::size_t begin = next->fetch_add(kCallTexts);
    if (begin >= texts->size()) co_return absl::OkStatus();
    v1::EmbedRequest request;
    for (std::size_t i = begin; i < std::min(begin + kCallTexts, texts->size()); ++i)
      request.add_texts((*texts)[i]);
    CO_TRY(co_await inference->Embed(SystemCtx(), std::move(request)));
  }
}

// Texts a second of the embedder alone.
double BareRate(Inference& inference, const std::vector<std::string>& texts) {
  ThreadPool pool("bare", 1);
  std::atomic<std::size_t> next{0};
  std::vector<Task<Status>> tasks;
  for (int i = 0; i < kCallsAtOnce; ++i)
    tasks.push_back(EmbedRest(&pool, &inference, &texts, &next));
  const SteadyTime start = Now();
  for (const Status& status : SyncWait(WhenAll(std::move(tasks)))) CHECK(status.ok());
  return static_cast<double>(texts.size()) / Seconds(start);
}

v1::IngestRequest Pages(const std::string& collection, int every) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(kManual))
    if (entry.path().extension() == ".html") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  v1::IngestRequest request;
  request.set_collection(collection);
  for (std::size_t i = 0; i < paths.size(); i += static_cast<std::size_t>(every))
    request.add_sources()->set_path(paths[i]);
  return request;
}

v1::Job Ingest(LocalDataprep& dataprep, const std::string& collection, int every) {
  Result<v1::Job> job = SyncWait(dataprep.Ingest(SystemCtx(), Pages(collection, every)));
  if (!job.ok()) std::fprintf(stderr, "%s\n", job.status().ToString().c_str());
  CHECK(job.ok());
  v1::GetJobRequest get;
  get.set_id(job->id());
  auto stream = SyncWait(dataprep.WatchJob(SystemCtx(), get));
  CHECK(stream.ok());
  v1::Job last;
  while (true) {
    auto event = SyncWait((*stream)->Next(SystemCtx()));
    CHECK(event.ok());
    if (!event->has_value()) return last;
    last = **std::move(event);
  }
}

double IngestRate(LocalDataprep& dataprep, const std::string& collection, int every) {
  const SteadyTime start = Now();
  const v1::Job job = Ingest(dataprep, collection, every);
  CHECK(job.failed() == 0);
  return static_cast<double>(job.chunks()) / Seconds(start);
}

int Run(int every) {
  if (!fs::is_directory(kManual)) {
    std::fprintf(stderr, "%s is missing: install postgresql-doc-15\n", kManual);
    return 1;
  }
  TestFolder folder;
  Result<DataFolder> data = DataFolder::Open(folder.Path("data"));
  CHECK(data.ok());
  ThreadPool blocking("blocking", 4);
  ThreadPool cpu("cpu", 2);
  IoLoops loops(1);
  auto inference = LocalInference::Open({}, data->path(), cpu, &loops);
  if (!inference.ok()) std::fprintf(stderr, "%s\n", inference.status().ToString().c_str());
  CHECK(inference.ok());
  auto retrieval = LocalRetrieval::Open({}, *data, blocking);
  CHECK(retrieval.ok());
  ExtractConfig extract;
  extract.worker = {TESSERA_EXTRACT_WORKER};
  Extractor extractor(extract);
  RecordingInference recording(**inference);
  auto dataprep = LocalDataprep::Open(
      {}, *data, **retrieval, recording,
      [&extractor](const std::string& path, const std::string& name, CancelToken cancel) {
        return extractor.Open(path, name, cancel);
      },
      &loops);
  CHECK(dataprep.ok());
  CHECK((*dataprep)->Start().ok());

  IngestRate(**dataprep, "warm", 200);  // models, caches
  recording.Take();
  // Turn by turn, so that what else the machine does weighs on both alike.
  const double cpu_0 = CpuSeconds();
  const double first = IngestRate(**dataprep, "first", every);
  const std::vector<std::string> texts = recording.Take();
  const double cpu_1 = CpuSeconds();
  const double bare_first = BareRate(**inference, texts);
  const double cpu_2 = CpuSeconds();
  const double second = IngestRate(**dataprep, "second", every);
  const double cpu_3 = CpuSeconds();
  const double bare_second = BareRate(**inference, texts);
  const double cpu_4 = CpuSeconds();
  const double cpu_ingest = (cpu_1 - cpu_0 + cpu_3 - cpu_2) / 2;
  const double cpu_bare = (cpu_2 - cpu_1 + cpu_4 - cpu_3) / 2;
  const double ingest = 2 / (1 / first + 1 / second);
  const double bare = 2 / (1 / bare_first + 1 / bare_second);

  const auto passages = static_cast<double>(texts.size());
  JsonWriter json;
  json.BeginObject().Field("name", "ingest of the PostgreSQL manual").Field("value", ingest);
  json.Field("unit", "passages/s").Field("baseline", bare).Field("ratio", ingest / bare);
  json.Field("goal", ">= 0.85").Field("met", ingest / bare >= 0.85);
  json.Field("how", StrCat("one page of ", every, ", ", texts.size(),
                           " passages, extractor, embedder and store real; baseline: the same "
                           "texts through the embedder alone, ",
                           kCallTexts, " a call, ", kCallsAtOnce, " calls at once; turns ",
                           static_cast<int>(first), "/", static_cast<int>(bare_first), " ",
                           static_cast<int>(second), "/", static_cast<int>(bare_second),
                           "; processor ms a passage ", 1e3 * cpu_ingest / passages, " and ",
                           1e3 * cpu_bare / passages));
  json.EndObject();
  std::printf("%s\n", json.text().c_str());
  const Ctx ctx = Ctx().WithTimeout(std::chrono::seconds(20));
  CHECK(SyncWait((*dataprep)->Stop(ctx)).ok());
  CHECK(SyncWait((*inference)->Stop(ctx)).ok());
  CHECK(SyncWait((*retrieval)->Stop(ctx)).ok());
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  return tessera::Run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 12);
}
