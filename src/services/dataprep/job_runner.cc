#include "services/dataprep/job_runner.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/str.h"
#include "runtime/when_all.h"
#include "services/dataprep/collection_embedder.h"
#include "services/dataprep/collection_reembed.h"
#include "telemetry/trace_recorder.h"

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

IngestMetrics MakeMetrics() {
  Metrics& metrics = Metrics::Process();
  return {metrics.NewCounter("tessera_ingest_documents_total", "Documents ingested."),
          metrics.NewCounter("tessera_ingest_passages_total", "Passages embedded and stored."),
          metrics.NewCounter("tessera_ingest_failures_total", "Documents that failed.")};
}

// Spool folders of jobs that have ended, or never came to be.
void RemoveStaleSpool(const std::string& spool, const std::set<std::string>& alive) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(spool, ignored))
    if (!alive.contains(entry.path().filename().string())) fs::remove_all(entry.path(), ignored);
}

}  // namespace

JobRunner::JobRunner(Parts parts, std::unique_ptr<JobStore> jobs)
    : config_(parts.config),
      data_(parts.data),
      blocking_(parts.blocking),
      home_(parts.home),
      jobs_(std::move(jobs)),
      retrieval_(parts.retrieval),
      embeds_(QueueLimits(config_), parts.inference),
      tools_{config_,
             data_,
             retrieval_,
             parts.inference,
             embeds_,
             blocking_,
             std::move(parts.open),
             parts.fetch,
             MakeMetrics(),
             [this] { return jobs_->HasLease(); }} {}

Status JobRunner::Resume() {
  TRY(const std::vector<std::string> ids, jobs_->Unfinished());
  std::vector<StoredJob> jobs;
  for (const std::string& id : ids) {
    TRY(StoredJob stored, jobs_->Load(id));
    jobs.push_back(std::move(stored));
  }
  RemoveStaleSpool(data_.Path("spool"), {ids.begin(), ids.end()});
  embeds_.Start(scope_, home_);
  for (StoredJob& stored : jobs) Run(std::move(stored));
  return absl::OkStatus();
}

Task<Status> JobRunner::Stop(Ctx ctx) {
  CO_TRY(co_await scope_.Stop(std::move(ctx)));
  for (const std::shared_ptr<ActiveJob>& job : AllActive()) {
    const Status ignored = co_await Save(job);  // whoever goes on with it finds out by itself
    job->Release();
  }
  co_return absl::OkStatus();
}

// The lease is lost: whoever has it goes on with the jobs.
void JobRunner::Interrupt(Status why) {
  interrupt_.Cancel(std::move(why));
  for (const std::shared_ptr<ActiveJob>& job : AllActive()) job->Release();
}

std::vector<std::shared_ptr<ActiveJob>> JobRunner::AllActive() {
  std::vector<std::shared_ptr<ActiveJob>> jobs;
  std::lock_guard lock(mutex_);
  for (const auto& [id, job] : active_) jobs.push_back(job);
  return jobs;
}

Status JobRunner::CheckQueue() {
  std::lock_guard lock(mutex_);
  if (waiting_.size() < config_.jobs_queued_max) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      StrCat(waiting_.size(), " jobs wait already; try again later"));
}

std::shared_ptr<ActiveJob> JobRunner::Find(const std::string& id) {
  std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second;
}

v1::Job JobRunner::Run(StoredJob stored, const Ctx& origin) {
  auto job = std::make_shared<ActiveJob>(std::move(stored), interrupt_.token());
  job->SetOrigin(origin);
  v1::Job view = job->View();
  Enqueue(std::move(job));
  return view;
}

void JobRunner::Cancel(const std::shared_ptr<ActiveJob>& job) {
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
}

void JobRunner::Enqueue(std::shared_ptr<ActiveJob> job) {
  {
    std::lock_guard lock(mutex_);
    active_[job->id()] = job;
    waiting_.push_back(std::move(job));
  }
  StartJobs();
}

// Starts the jobs whose turn it is; cancelled ones have it at once.
void JobRunner::StartJobs() {
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

namespace {

// The platform's own work, in the trace of the request that asked for it; of a job that goes on
// after a restart, in one of its own.
Ctx BeginJobTrace(const ActiveJob& job) {
  const Ctx own = SystemCtx(job.token());
  TraceRecorder& recorder = TraceRecorder::Process();
  if (!recorder.on()) return own;
  auto info = std::make_shared<RequestInfo>(own.info());
  const RequestInfo& origin = job.origin().info();
  const bool has_origin = origin.trace.high != 0 || origin.trace.low != 0;
  if (has_origin) {
    info->trace = origin.trace;
    info->request_id = origin.request_id;
    info->trace_state = origin.trace_state;
    info->baggage = origin.baggage;
  }
  // What its caller decided on the trace holds for this part of it too.
  if (!has_origin) recorder.Begin(*info, false, false);
  if (!info->spans) info->spans = TraceSpans::Make(info->trace, false);
  TraceSpans& spans = *info->spans;
  spans.Begin("job", SpanKind::kConsumer, has_origin ? job.origin().span_id() : 0);
  spans.Set(0, "tessera.job_id", job.id());
  spans.Set(0, "tessera.collection", job.collection());
  spans.Set(0, "tessera.sources", job.given());
  spans.Set(0, "tessera.request_id", info->request_id);
  const std::uint64_t root = spans.IdOf(0);
  return Ctx(std::move(info), job.token()).WithSpan(root);
}

}  // namespace

Task<void> JobRunner::RunJob(std::shared_ptr<ActiveJob> job) {
  const Ctx ctx = BeginJobTrace(*job);
  job->SetState(v1::JOB_STATE_RUNNING);
  scope_.Spawn(home_, SaveWhileRunning(job));
  if (job->token().status().ok()) {
    if (job->kind() == v1::JOB_KIND_REEMBED) {
      co_await ReembedCollection(ctx, &tools_, job.get());
    } else {
      co_await RunSources(ctx, job);
    }
  }
  if (ctx.info().spans) ctx.info().spans->End(0, job->token().status().code());
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
    Ctx inner = ctx;
    SpanScope span(inner, "ingest source");
    span.Set("tessera.source", number);
    co_await source.Run(inner);
    span.End(inner.Check());
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<void> JobRunner::RunSources(Ctx ctx, std::shared_ptr<ActiveJob> job) {
  const Result<JobEmbedder> embedder =
      // Its making was part of taking the job on; should it be gone, somebody has deleted it since.
      co_await EnsureCollection(ctx, &retrieval_, &tools_.inference, &config_, job->collection(),
                                job->request().chunking(), Missing::kRefuse);
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
Task<void> JobRunner::SaveWhileRunning(std::shared_ptr<ActiveJob> job) {
  const Ctx ctx = SystemCtx(job->token());
  while (!job->ended()) {
    const Status slept = co_await SleepFor(ctx, kSaveInterval);
    if (!slept.ok()) co_return;
    const Status ignored = co_await Save(job);
  }
}

Task<Status> JobRunner::Save(std::shared_ptr<ActiveJob> job) {
  co_return co_await RunOn(blocking_, [this, &job] { return SaveNow(*job); });
}

// What fails to be saved is tried again with the next change.
Status JobRunner::SaveNow(ActiveJob& job) {
  std::lock_guard lock(saving_);
  std::vector<std::uint32_t> numbers;
  const StoredJob changes = job.TakeChanges(numbers);
  const Status saved = jobs_->Save(changes, numbers);
  if (!saved.ok()) {
    job.PutBack(numbers);
    if (jobs_->superseded()) Interrupt(saved);
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
