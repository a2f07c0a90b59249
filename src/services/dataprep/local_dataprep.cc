#include "services/dataprep/local_dataprep.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/field_error.h"
#include "base/ids.h"
#include "base/str.h"
#include "runtime/when_all.h"
#include "services/dataprep/collection_reembed.h"
#include "services/dataprep/content.h"
#include "services/dataprep/ingest_request.h"
#include "services/dataprep/read_text.h"
#include "services/dataprep/url_fetch.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr auto kSaveInterval = std::chrono::milliseconds(250);

PassageEmbedder::Limits QueueLimits(const DataprepConfig& config) {
  PassageEmbedder::Limits limits;
  limits.batch = config.embed_batch;
  limits.calls = config.embed_calls;
  limits.queued = std::size_t{config.embed_batch} * (config.embed_calls + 4);
  return limits;
}

std::optional<UrlFetch> MakeFetch(const DataprepConfig& config, IoLoops* loops,
                                  Executor& blocking) {
  if (loops == nullptr) return std::nullopt;
  UrlFetchLimits limits;
  limits.allow_private = config.url_allow_private;
  limits.trusted_hosts = config.url_trusted_hosts;
  limits.bytes_max = config.url_bytes_max.count;
  limits.timeout = config.url_timeout;
  return std::optional<UrlFetch>(std::in_place, std::move(limits), *loops, blocking);
}

IngestMetrics MakeMetrics() {
  Metrics& metrics = Metrics::Process();
  return {metrics.NewCounter("tessera_ingest_documents_total", "Documents ingested."),
          metrics.NewCounter("tessera_ingest_passages_total", "Passages embedded and stored."),
          metrics.NewCounter("tessera_ingest_failures_total", "Documents that failed.")};
}

JobEmbedder JobEmbedderOf(const v1::Model& model, const v1::ChunkOptions& options,
                          const DataprepConfig& config) {
  JobEmbedder embedder;
  embedder.model = model.name();
  embedder.digest = model.digest();
  const double context = model.context_tokens() == 0 ? 256 : model.context_tokens();
  // Room for the prefix, the two special tokens and an estimate that is a little too low.
  const double most = std::max(32.0, (context - kPrefixTokensMax - 2) / 1.06);
  double tokens = options.tokens_max() != 0 ? options.tokens_max() : config.chunk_tokens_max;
  if (tokens == 0) tokens = std::min(0.82 * context, 400.0);
  embedder.chunking.tokens_max = std::clamp(tokens, 16.0, most);
  embedder.chunking.tokens_min = embedder.chunking.tokens_max / 3;
  embedder.chunking.overlap_tokens =
      options.overlap_tokens() != 0 ? options.overlap_tokens() : config.chunk_overlap_tokens;
  return embedder;
}

// Spool folders of jobs that have ended, or never came to be.
void RemoveStaleSpool(const std::string& spool, const std::set<std::string>& alive) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(spool, ignored))
    if (!alive.contains(entry.path().filename().string())) fs::remove_all(entry.path(), ignored);
}

}  // namespace

Result<std::unique_ptr<LocalDataprep>> LocalDataprep::Open(Config config, const DataFolder& data,
                                                           Retrieval& retrieval,
                                                           Inference& inference,
                                                           ExtractionOpener open, IoLoops* loops) {
  TRY(std::unique_ptr<JobStore> jobs, JobStore::Open(data.Path("jobs.db")));
  std::error_code error;
  fs::create_directories(data.Path("spool"), error);
  if (error)
    return absl::UnavailableError(
        StrCat("make folder ", data.Path("spool"), ": ", error.message()));
  return std::unique_ptr<LocalDataprep>(new LocalDataprep(
      std::move(config), data, retrieval, inference, std::move(open), loops, std::move(jobs)));
}

LocalDataprep::LocalDataprep(Config config, const DataFolder& data, Retrieval& retrieval,
                             Inference& inference, ExtractionOpener open, IoLoops* loops,
                             std::unique_ptr<JobStore> jobs)
    : config_(std::move(config)),
      data_(data),
      retrieval_(retrieval),
      inference_(inference),
      jobs_(std::move(jobs)),
      // A thread a document that waits for its extractor, and two for what is short.
      blocking_("dp-files", static_cast<int>(config_.documents_in_flight) + 2),
      home_("dataprep", 1),
      embeds_(QueueLimits(config_), inference),
      fetch_(MakeFetch(config_, loops, blocking_)),
      tools_{config_,      data_,     retrieval_,      inference_,
             embeds_,      blocking_, std::move(open), fetch_ ? &*fetch_ : nullptr,
             MakeMetrics()} {}

LocalDataprep::~LocalDataprep() = default;

Status LocalDataprep::Start() {
  embeds_.Start(scope_, home_);
  TRY(const std::vector<std::string> ids, jobs_->Unfinished());
  RemoveStaleSpool(data_.Path("spool"), {ids.begin(), ids.end()});
  for (const std::string& id : ids) {
    TRY(StoredJob stored, jobs_->Load(id));
    Enqueue(std::make_shared<ActiveJob>(std::move(stored), scope_.token()));
  }
  return absl::OkStatus();
}

Task<Status> LocalDataprep::Stop(Ctx ctx) {
  const Status stopped = co_await scope_.Stop(std::move(ctx));
  std::vector<std::shared_ptr<ActiveJob>> jobs;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, job] : active_) jobs.push_back(job);
  }
  for (const std::shared_ptr<ActiveJob>& job : jobs) {
    const Status ignored = co_await Save(job);  // the next start finds out by itself
  }
  co_return stopped;
}

Task<Result<v1::Job>> LocalDataprep::Ingest(Ctx ctx, v1::IngestRequest request) {
  v1::IngestRequest spooled;  // what to remove should it come to nothing
  for (const v1::Source& source : request.sources()) {
    if (!source.spooled()) continue;
    spooled.add_sources()->set_path(source.path());
    spooled.mutable_sources(spooled.sources_size() - 1)->set_spooled(true);
  }
  Result<v1::Job> job = co_await Admit(std::move(ctx), std::move(request));
  if (!job.ok())
    co_await RunOn(blocking_, [this, &spooled] { RemoveSpooled(spooled, data_.tmp()); });
  co_return job;
}

Status LocalDataprep::CheckQueue() {
  std::lock_guard lock(mutex_);
  if (waiting_.size() < config_.jobs_queued_max) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      StrCat(waiting_.size(), " jobs wait already; try again later"));
}

Task<Result<v1::Job>> LocalDataprep::Admit(Ctx ctx, v1::IngestRequest request) {
  CO_TRY(CheckQueue());
  const bool refuse_existing = request.refuse_existing();
  Result<StoredJob> made = co_await RunOn(
      blocking_, [this, &request] { return MakeJob(std::move(request), config_, data_.tmp()); });
  if (!made.ok()) co_return made.status();
  StoredJob& stored = *made;
  CO_TRY(CheckRoom(data_.path(), stored.job.bytes_total(), config_.disk_reserve.count));
  const Result<JobEmbedder> embedder = co_await EnsureCollection(
      ctx, stored.job.collection(), stored.request.chunking(), Missing::kMake);
  if (!embedder.ok()) co_return embedder.status();
  if (refuse_existing) CO_TRY(co_await RefuseExisting(ctx, stored));
  CO_TRY(ctx.Check());
  const Status durable = co_await RunOn(blocking_, [this, &stored] {
    Status adopted = Adopt(stored);
    return adopted.ok() ? jobs_->Insert(stored) : adopted;
  });
  if (!durable.ok()) {
    std::error_code ignored;
    fs::remove_all(StrCat(data_.Path("spool"), "/", stored.job.id()), ignored);
    co_return durable;
  }
  auto job = std::make_shared<ActiveJob>(std::move(stored), scope_.token());
  v1::Job view = job->View();
  Enqueue(std::move(job));
  co_return view;
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): awaited at once
Task<Status> LocalDataprep::RefuseExisting(Ctx ctx, const StoredJob& job) {
  for (const JobEntry& entry : job.entries) {
    v1::ListDocumentsRequest request;
    request.set_collection(job.job.collection());
    request.set_name(entry.progress.name());
    request.set_limit(1);
    CO_TRY(const v1::ListDocumentsReply reply,
           co_await retrieval_.ListDocuments(ctx, std::move(request)));
    if (reply.documents_size() > 0) {
      co_return absl::AlreadyExistsError(StrCat("document ", entry.progress.name(),
                                                " exists already; delete it first, or choose "
                                                "another name"));
    }
  }
  co_return absl::OkStatus();
}

// Moves the spooled files to where the job keeps them, and makes that durable. Blocks.
Status LocalDataprep::Adopt(StoredJob& job) {
  const std::string folder = StrCat(data_.Path("spool"), "/", job.job.id());
  bool any = false;
  for (std::uint32_t i = 0; i < job.entries.size(); ++i) {
    v1::Source& source = job.entries[i].source;
    if (!source.spooled()) continue;
    std::error_code error;
    if (!any) fs::create_directory(folder, error);
    any = true;
    TRY(SyncFile(source.path()));
    fs::rename(source.path(), SpoolPath(data_, job.job.id(), i), error);
    if (error) {
      return absl::UnavailableError(
          StrCat("cannot take over ", source.path(), ": ", error.message()));
    }
  }
  if (!any) return absl::OkStatus();
  TRY(SyncFolder(folder));
  return SyncFolder(data_.Path("spool"));
}

Task<Result<JobEmbedder>> LocalDataprep::EnsureCollection(Ctx ctx, std::string name,
                                                          v1::ChunkOptions chunking,
                                                          Missing missing) {
  CO_TRY(const v1::ListModelsReply models,
         co_await inference_.ListModels(ctx, v1::ListModelsRequest()));
  v1::GetCollectionRequest get;
  get.set_name(name);
  Result<v1::Collection> collection = co_await retrieval_.GetCollection(ctx, std::move(get));
  const bool make = missing == Missing::kMake && absl::IsNotFound(collection.status());
  if (!collection.ok() && !make) co_return collection.status();
  const std::string wanted = collection.ok() ? collection->embedder().model() : "";
  const v1::Model* const model = FindEmbedder(models, wanted);
  if (model == nullptr) {
    if (wanted.empty())
      co_return absl::FailedPreconditionError(
          "no embedder is configured; add one under services.inference.models");
    co_return absl::FailedPreconditionError(
        StrCat("collection ", name, " needs the embedder ", wanted,
               ", which is not configured; configure it, or embed the collection anew: tessera "
               "collections reembed ",
               name));
  }
  if (!collection.ok() || wanted.empty()) {
    v1::CreateCollectionRequest create;
    create.set_name(collection.ok() ? collection->name() : name);
    *create.mutable_embedder() = EmbedderOf(*model);
    collection = co_await retrieval_.CreateCollection(ctx, std::move(create));
    // Somebody else may have made it in the meantime.
    if (!collection.ok() && !absl::IsAlreadyExists(collection.status()))
      co_return collection.status();
  } else if (!wanted.empty() && collection->embedder().digest() != model->digest()) {
    co_return absl::FailedPreconditionError(StrCat(
        "collection ", name, " was made with another version of the embedder ", wanted,
        "; embed it anew (tessera collections reembed ", name, "), or use a new collection"));
  }
  co_return JobEmbedderOf(*model, chunking, config_);
}

std::shared_ptr<ActiveJob> LocalDataprep::FindActive(const std::string& id) {
  std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second;
}

Task<Result<v1::Job>> LocalDataprep::Lookup(std::string id) {
  if (const std::shared_ptr<ActiveJob> job = FindActive(id)) co_return job->View();
  const Result<StoredJob> stored =
      co_await RunOn(blocking_, [this, &id] { return jobs_->Load(id); });
  if (!stored.ok()) co_return stored.status();
  co_return ViewOfJob(stored->job, stored->entries);
}

Task<Result<v1::Job>> LocalDataprep::GetJob(Ctx, v1::GetJobRequest request) {
  co_return co_await Lookup(request.id());
}

Task<Result<v1::ListJobsReply>> LocalDataprep::ListJobs(Ctx, v1::ListJobsRequest request) {
  const std::uint32_t limit = request.limit() == 0 ? 50 : std::min(request.limit(), 1000u);
  Result<std::vector<v1::Job>> jobs =
      co_await RunOn(blocking_, [this, limit] { return jobs_->List(limit); });
  if (!jobs.ok()) co_return jobs.status();
  v1::ListJobsReply reply;
  for (v1::Job& job : *jobs) {
    if (const std::shared_ptr<ActiveJob> active = FindActive(job.id())) {
      job = active->View();
      job.clear_progress();
    }
    *reply.add_jobs() = std::move(job);
  }
  co_return reply;
}

Task<Result<v1::Job>> LocalDataprep::CancelJob(Ctx, v1::CancelJobRequest request) {
  const std::shared_ptr<ActiveJob> job = FindActive(request.id());
  if (!job) co_return co_await Lookup(request.id());  // ended, or unknown
  job->Cancel();
  {
    // One that waits need not wait for its turn to end.
    std::lock_guard lock(mutex_);
    const auto found = std::find(waiting_.begin(), waiting_.end(), job);
    if (found != waiting_.end()) {
      waiting_.erase(found);
      waiting_.push_front(job);
    }
  }
  StartJobs();
  co_return job->View();
}

Task<Result<StreamPtr<v1::Job>>> LocalDataprep::WatchJob(Ctx, v1::GetJobRequest request) {
  if (std::shared_ptr<ActiveJob> job = FindActive(request.id()))
    co_return WatchActiveJob(std::move(job), config_.watch_interval);
  CO_TRY(v1::Job job, co_await Lookup(request.id()));
  co_return OneJob(std::move(job));
}

Task<Result<v1::Job>> LocalDataprep::Reembed(Ctx ctx, v1::ReembedRequest request) {
  CO_TRY(CheckQueue());
  v1::GetCollectionRequest get;
  get.set_name(request.collection());
  CO_TRY(const v1::Collection collection, co_await retrieval_.GetCollection(ctx, std::move(get)));
  CO_TRY(const v1::ListModelsReply models,
         co_await inference_.ListModels(ctx, v1::ListModelsRequest()));
  const v1::Model* const model = FindEmbedder(models, request.model());
  if (model == nullptr) {
    co_return InvalidField("model", StrCat("there is no embedder \"", request.model(),
                                           "\"; GET /v1/models lists the models"));
  }
  if (model->name() == collection.embedder().model() &&
      model->digest() == collection.embedder().digest()) {
    co_return absl::FailedPreconditionError(StrCat(
        "collection \"", collection.name(), "\" is embedded by \"", model->name(), "\" already"));
  }
  StoredJob stored;
  stored.job.set_id(NewId("job_"));
  stored.job.set_kind(v1::JOB_KIND_REEMBED);
  stored.job.set_collection(collection.name());
  stored.job.set_embedder(model->name());
  stored.job.set_chunks_total(collection.chunks());
  stored.job.set_state(v1::JOB_STATE_QUEUED);
  stored.job.set_created_ms(WallMillis());
  stored.job.set_sources(1);
  JobEntry& entry = stored.entries.emplace_back();
  entry.progress.set_name(collection.name());
  entry.progress.set_state(v1::SOURCE_STATE_QUEUED);
  CO_TRY(co_await RunOn(blocking_, [this, &stored] { return jobs_->Insert(stored); }));
  auto job = std::make_shared<ActiveJob>(std::move(stored), scope_.token());
  v1::Job view = job->View();
  Enqueue(std::move(job));
  co_return view;
}

Task<Result<v1::ReadTextReply>> LocalDataprep::ReadText(Ctx ctx, v1::ReadTextRequest request) {
  const v1::Source& source = request.source();
  if (source.path().empty()) co_return absl::InvalidArgumentError("source.path: is missing");
  CO_TRY(CheckSource(source, "source", data_.tmp()));
  const auto read = [this, &ctx, &source]() -> Result<v1::ReadTextReply> {
    TRY(std::unique_ptr<Extraction> extraction,
        tools_.open(source.path(), NameOf(source), ctx.cancel()));
    return ReadTextOf(std::move(extraction), config_.read_text_max.count);
  };
  co_return co_await RunOn(blocking_, read);
}

void LocalDataprep::Enqueue(std::shared_ptr<ActiveJob> job) {
  {
    std::lock_guard lock(mutex_);
    active_[job->id()] = job;
    waiting_.push_back(std::move(job));
  }
  StartJobs();
}

// Starts the jobs whose turn it is; cancelled ones have it at once.
void LocalDataprep::StartJobs() {
  while (true) {
    std::shared_ptr<ActiveJob> job;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty()) return;
      if (running_ >= config_.jobs_in_flight && !waiting_.front()->cancelled_by_user()) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_;
    }
    if (!scope_.Spawn(home_, RunJob(std::move(job)))) return;
  }
}

Task<void> LocalDataprep::RunJob(std::shared_ptr<ActiveJob> job) {
  job->SetState(v1::JOB_STATE_RUNNING);
  scope_.Spawn(home_, SaveWhileRunning(job));
  if (job->token().status().ok()) {
    if (job->kind() == v1::JOB_KIND_REEMBED) {
      co_await ReembedCollection(SystemCtx(job->token()), &tools_, job.get());
    } else {
      co_await RunSources(job);
    }
  }
  if (job->token().status().ok() || job->cancelled_by_user()) {
    if (job->cancelled_by_user()) job->CancelEntries();
    // The spooled files go when it is on the disk that no source needs them, and before anybody
    // hears of the end.
    const Status saved = co_await Save(job);
    co_await RunOn(blocking_, [this, &job, &saved] {
      std::error_code ignored;
      if (saved.ok()) fs::remove_all(StrCat(data_.Path("spool"), "/", job->id()), ignored);
    });
    job->SetState(job->cancelled_by_user() ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_DONE);
    const Status ignored = co_await Save(job);
    co_await RunOn(blocking_, [this] { const Status ignored = jobs_->Trim(config_.jobs_kept); });
    std::lock_guard lock(mutex_);
    active_.erase(job->id());
  }
  {
    std::lock_guard lock(mutex_);
    --running_;
  }
  StartJobs();
}

namespace {

struct SourceQueue {
  const IngestTools& tools;
  const JobEmbedder& embedder;
  ActiveJob& job;
  std::atomic<std::uint32_t> next{0};
};

// Takes one source after the other until there is none left or the job is cancelled.
Task<Status> IngestSources(Ctx ctx, SourceQueue* queue) {
  while (ctx.Check().ok()) {
    const std::uint32_t number = queue->next.fetch_add(1);
    if (number >= queue->job.given()) break;
    SourceIngest source(queue->tools, queue->embedder, queue->job, number);
    co_await source.Run(ctx);
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<void> LocalDataprep::RunSources(std::shared_ptr<ActiveJob> job) {
  const Ctx ctx = SystemCtx(job->token());
  const Result<JobEmbedder> embedder =
      // Its making was part of taking the job on; should it be gone, somebody has deleted it since.
      co_await EnsureCollection(ctx, job->collection(), job->request().chunking(),
                                Missing::kRefuse);
  if (!embedder.ok()) {
    if (!ctx.Check().ok()) co_return;
    const char* const code = absl::IsNotFound(embedder.status()) ? "not_found" : "unavailable";
    for (std::uint32_t i = 0; i < job->given(); ++i) {
      job->Update(i, [&embedder, code](v1::SourceProgress& progress) {
        if (HasEnded(progress.state())) return;
        progress.set_state(v1::SOURCE_STATE_FAILED);
        progress.set_error_code(code);
        progress.set_error(std::string(StdView(embedder.status().message())));
      });
    }
    co_return;
  }
  SourceQueue queue{tools_, *embedder, *job};
  std::vector<Task<Status>> workers;
  for (std::uint32_t i = 0; i < std::min(config_.documents_in_flight, job->given()); ++i)
    workers.push_back(IngestSources(ctx, &queue));
  co_await WhenAll(std::move(workers));
}

// Keeps the stored job near the live one; what is lost in a crash is found again by the retrieval
// store's own records.
Task<void> LocalDataprep::SaveWhileRunning(std::shared_ptr<ActiveJob> job) {
  const Ctx ctx = SystemCtx(job->token());
  while (!job->ended()) {
    const Status slept = co_await SleepFor(ctx, kSaveInterval);
    if (!slept.ok()) co_return;
    const Status ignored = co_await Save(job);
  }
}

Task<Status> LocalDataprep::Save(std::shared_ptr<ActiveJob> job) {
  co_return co_await RunOn(blocking_, [this, &job] { return SaveNow(*job); });
}

// What fails to be saved is tried again with the next change.
Status LocalDataprep::SaveNow(ActiveJob& job) {
  std::lock_guard lock(saving_);
  std::vector<std::uint32_t> numbers;
  const StoredJob changes = job.TakeChanges(numbers);
  const Status saved = jobs_->Save(changes, numbers);
  if (!saved.ok()) {
    job.PutBack(numbers);
    return saved;
  }
  // Only now does no restart need the spooled file of a source that has ended.
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const JobEntry& entry = changes.entries[i];
    std::error_code ignored;
    if (entry.source.spooled() && HasEnded(entry.progress.state()))
      fs::remove(SpoolPath(data_, job.id(), numbers[i]), ignored);
  }
  return saved;
}

}  // namespace tessera
