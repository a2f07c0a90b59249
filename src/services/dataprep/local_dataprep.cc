#include "services/dataprep/local_dataprep.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "base/field_error.h"
#include "base/ids.h"
#include "base/str.h"
#include "services/dataprep/collection_embedder.h"
#include "services/dataprep/collection_reembed.h"
#include "services/dataprep/content.h"
#include "services/dataprep/ingest_request.h"
#include "services/dataprep/lasting_stream.h"
#include "services/dataprep/read_text.h"
#include "services/dataprep/url_fetch.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

Result<std::unique_ptr<LocalDataprep>> LocalDataprep::Open(Config config, const DataFolder& data,
                                                           Retrieval& retrieval,
                                                           Inference& inference,
                                                           ExtractionOpener open, IoLoops* loops,
                                                           Dataprep* successor) {
  return std::unique_ptr<LocalDataprep>(new LocalDataprep(
      std::move(config), data, retrieval, inference, std::move(open), loops, successor));
}

LocalDataprep::LocalDataprep(Config config, const DataFolder& data, Retrieval& retrieval,
                             Inference& inference, ExtractionOpener open, IoLoops* loops,
                             Dataprep* successor)
    : config_(std::move(config)),
      data_(data),
      retrieval_(retrieval),
      inference_(inference),
      open_(std::move(open)),
      successor_(successor),
      // A thread a document that waits for its extractor, and two for what is short.
      blocking_("dp-files", static_cast<int>(config_.documents_in_flight) + 2),
      home_("dataprep", 1),
      fetch_(MakeFetch(config_, loops, blocking_)) {}

LocalDataprep::~LocalDataprep() = default;

Status LocalDataprep::Start() { return SyncWait(Activate(SystemCtx())); }

Result<std::shared_ptr<JobRunner>> LocalDataprep::TakeJobs() {
  std::error_code error;
  fs::create_directories(data_.Path("spool"), error);
  if (error)
    return absl::UnavailableError(
        StrCat("make folder ", data_.Path("spool"), ": ", error.message()));
  TRY(std::unique_ptr<JobStore> jobs, JobStore::Open(data_.Path("jobs.db")));
  TRY(jobs->TakeLease());
  auto runner =
      std::make_shared<JobRunner>(JobRunner::Parts{config_, data_, retrieval_, inference_, open_,
                                                   fetch_ ? &*fetch_ : nullptr, blocking_, home_},
                                  std::move(jobs));
  TRY(runner->Resume());
  return runner;
}

Task<Status> LocalDataprep::Activate(Ctx ctx) {
  CO_TRY(const WriteGate::Turn turn, co_await gate_.TakeTurn(ctx));
  if (gate_.active()) {
    const std::shared_ptr<JobRunner> runner = Runner();
    const bool has = co_await RunOn(blocking_, [&runner] { return runner->store().HasLease(); });
    if (has) co_return absl::OkStatus();
    CO_TRY(co_await gate_.Close(ctx));
  }
  CO_TRY(co_await LetGo(ctx));
  Result<std::shared_ptr<JobRunner>> taken =
      co_await RunOn(blocking_, [this] { return TakeJobs(); });
  if (!taken.ok()) co_return taken.status();
  {
    std::lock_guard lock(mutex_);
    runner_ = *std::move(taken);
  }
  gate_.Open();
  co_return absl::OkStatus();
}

Task<Status> LocalDataprep::Yield(Ctx ctx) {
  CO_TRY(const WriteGate::Turn turn, co_await gate_.TakeTurn(ctx));
  CO_TRY(co_await gate_.Close(ctx));
  co_return co_await LetGo(std::move(ctx));
}

// Interrupts the jobs and keeps them for whoever goes on with them.
Task<Status> LocalDataprep::LetGo(Ctx ctx) {
  if (const std::shared_ptr<JobRunner> runner = Runner()) {
    CO_TRY(co_await runner->Stop(std::move(ctx)));
    std::lock_guard lock(mutex_);
    runner_ = nullptr;
  }
  co_return absl::OkStatus();
}

Task<Status> LocalDataprep::Forward(Ctx ctx) {
  CO_TRY(const WriteGate::Turn turn, co_await gate_.TakeTurn(std::move(ctx)));
  if (successor_ == nullptr)
    co_return absl::FailedPreconditionError("dataprep was opened without a router to forward to");
  co_return gate_.Forward();
}

Task<Status> LocalDataprep::Stop(Ctx ctx) {
  gate_.Stop();
  // Calls that are inside use the runner.
  CO_TRY(co_await gate_.Close(ctx));
  co_return co_await LetGo(std::move(ctx));
}

std::shared_ptr<JobRunner> LocalDataprep::Runner() const {
  std::lock_guard lock(mutex_);
  return runner_;
}

Task<Result<v1::Job>> LocalDataprep::Ingest(Ctx ctx, v1::IngestRequest request) {
  v1::IngestRequest spooled;  // what to remove should it come to nothing
  for (const v1::Source& source : request.sources()) {
    if (!source.spooled()) continue;
    spooled.add_sources()->set_path(source.path());
    spooled.mutable_sources(spooled.sources_size() - 1)->set_spooled(true);
  }
  const Result<WriteGate::Pass> pass = co_await gate_.Enter(ctx);
  // The successor sees to the files then.
  if (pass.ok() && !pass->here())
    co_return co_await successor_->Ingest(std::move(ctx), std::move(request));
  Result<v1::Job> job = absl::CancelledError();
  if (pass.ok())
    job = co_await Admit(std::move(ctx), std::move(request));
  else
    job = pass.status();
  if (!job.ok())
    co_await RunOn(blocking_, [this, &spooled] { RemoveSpooled(spooled, data_.tmp()); });
  co_return job;
}

Task<Result<v1::Job>> LocalDataprep::Admit(Ctx ctx, v1::IngestRequest request) {
  const std::shared_ptr<JobRunner> runner = Runner();
  CO_TRY(runner->CheckQueue());
  const bool refuse_existing = request.refuse_existing();
  Result<StoredJob> made = co_await RunOn(
      blocking_, [this, &request] { return MakeJob(std::move(request), config_, data_.tmp()); });
  if (!made.ok()) co_return made.status();
  StoredJob& stored = *made;
  CO_TRY(CheckRoom(data_.path(), stored.job.bytes_total(), config_.disk_reserve.count));
  const Result<JobEmbedder> embedder =
      co_await EnsureCollection(ctx, &retrieval_, &inference_, &config_, stored.job.collection(),
                                stored.request.chunking(), Missing::kMake);
  if (!embedder.ok()) co_return embedder.status();
  if (refuse_existing) CO_TRY(co_await RefuseExisting(ctx, stored));
  CO_TRY(ctx.Check());
  const Status durable = co_await RunOn(blocking_, [this, &runner, &stored] {
    Status adopted = Adopt(stored);
    return adopted.ok() ? runner->store().Insert(stored) : adopted;
  });
  if (!durable.ok()) {
    std::error_code ignored;
    fs::remove_all(StrCat(data_.Path("spool"), "/", stored.job.id()), ignored);
    co_return durable;
  }
  co_return runner->Run(std::move(stored), ctx);
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

Task<Result<v1::Job>> LocalDataprep::Lookup(std::string id) {
  const std::shared_ptr<JobRunner> runner = Runner();
  if (const std::shared_ptr<ActiveJob> job = runner->Find(id)) co_return job->View();
  const Result<StoredJob> stored =
      co_await RunOn(blocking_, [&runner, &id] { return runner->store().Load(id); });
  if (!stored.ok()) co_return stored.status();
  co_return ViewOfJob(stored->job, stored->entries);
}

Task<Result<v1::Job>> LocalDataprep::GetJob(Ctx ctx, v1::GetJobRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->GetJob(std::move(ctx), std::move(request));
  co_return co_await Lookup(request.id());
}

Task<Result<v1::ListJobsReply>> LocalDataprep::ListJobs(Ctx ctx, v1::ListJobsRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->ListJobs(std::move(ctx), std::move(request));
  const std::shared_ptr<JobRunner> runner = Runner();
  const std::uint32_t limit = request.limit() == 0 ? 50 : std::min(request.limit(), 1000u);
  Result<std::vector<v1::Job>> jobs =
      co_await RunOn(blocking_, [&runner, limit] { return runner->store().List(limit); });
  if (!jobs.ok()) co_return jobs.status();
  v1::ListJobsReply reply;
  for (v1::Job& job : *jobs) {
    if (const std::shared_ptr<ActiveJob> active = runner->Find(job.id())) {
      job = active->View();
      job.clear_progress();
    }
    *reply.add_jobs() = std::move(job);
  }
  co_return reply;
}

Task<Result<v1::Job>> LocalDataprep::CancelJob(Ctx ctx, v1::CancelJobRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->CancelJob(std::move(ctx), std::move(request));
  const std::shared_ptr<JobRunner> runner = Runner();
  const std::shared_ptr<ActiveJob> job = runner->Find(request.id());
  if (!job) co_return co_await Lookup(request.id());  // ended, or unknown
  runner->Cancel(job);
  co_return job->View();
}

Task<Result<StreamPtr<v1::Job>>> LocalDataprep::WatchJob(Ctx ctx, v1::GetJobRequest request) {
  CO_TRY(StreamPtr<v1::Job> first, co_await WatchOnce(std::move(ctx), request));
  StreamPtr<v1::Job> lasting = std::make_unique<LastingJobStream>(
      [this, request](Ctx again) { return WatchOnce(std::move(again), request); },
      std::move(first));
  co_return lasting;
}

// Where the job is now: here, or with the successor.
Task<Result<StreamPtr<v1::Job>>> LocalDataprep::WatchOnce(Ctx ctx, v1::GetJobRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->WatchJob(std::move(ctx), std::move(request));
  if (std::shared_ptr<ActiveJob> job = Runner()->Find(request.id())) {
    if (job->released())
      co_return absl::FailedPreconditionError(
          StrCat("job ", request.id(), " has been taken over by another instance; watch it there"));
    co_return WatchActiveJob(std::move(job), config_.watch_interval);
  }
  CO_TRY(v1::Job job, co_await Lookup(request.id()));
  co_return OneJob(std::move(job));
}

Task<Result<v1::Job>> LocalDataprep::Reembed(Ctx ctx, v1::ReembedRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->Reembed(std::move(ctx), std::move(request));
  const std::shared_ptr<JobRunner> runner = Runner();
  CO_TRY(runner->CheckQueue());
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
  CO_TRY(co_await RunOn(blocking_, [&runner, &stored] { return runner->store().Insert(stored); }));
  co_return runner->Run(std::move(stored), ctx);
}

Task<Result<v1::ReadTextReply>> LocalDataprep::ReadText(Ctx ctx, v1::ReadTextRequest request) {
  const v1::Source& source = request.source();
  if (source.path().empty()) co_return absl::InvalidArgumentError("source.path: is missing");
  CO_TRY(CheckSource(source, "source", data_.tmp()));
  const auto read = [this, &ctx, &source]() -> Result<v1::ReadTextReply> {
    TRY(std::unique_ptr<Extraction> extraction, open_(source.path(), NameOf(source), ctx.cancel()));
    return ReadTextOf(std::move(extraction), config_.read_text_max.count);
  };
  co_return co_await RunOn(blocking_, read);
}

}  // namespace tessera
