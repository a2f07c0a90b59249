#pragma once
// Runs the jobs while this instance has the lease on jobs.db: made by an Activate, stopped by the
// Yield that follows.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/scope.h"
#include "services/dataprep/dataprep_config.h"
#include "services/dataprep/job.h"
#include "services/dataprep/job_store.h"
#include "services/dataprep/passage_embedder.h"
#include "services/dataprep/patient_retrieval.h"
#include "services/dataprep/source_ingest.h"

namespace tessera {

/// Thread-safe. Must be stopped before it is destroyed. When the lease is lost it interrupts its
/// jobs by itself.
class JobRunner {
 public:
  /// All of it outlives the runner.
  struct Parts {
    const DataprepConfig& config;
    const DataFolder& data;
    Retrieval& retrieval;
    Inference& inference;
    ExtractionOpener open;
    UrlFetch* fetch;
    Executor& blocking;  ///< files, extraction, jobs.db
    Executor& home;      ///< where the coroutines run
  };
  JobRunner(Parts parts, std::unique_ptr<JobStore> jobs);
  JobRunner(const JobRunner&) = delete;

  /// Goes on with the jobs that have not ended. Once, first of all. Blocks for a moment.
  Status Resume();
  /// Interrupts all work, waits for that until ctx ends, and saves it. May be repeated. Streams of
  /// WatchActiveJob end without the end of their jobs.
  Task<Status> Stop(Ctx ctx);

  JobStore& store() { return *jobs_; }
  /// RESOURCE_EXHAUSTED: too many jobs wait.
  Status CheckQueue();
  /// Of a job that has not ended; nullptr for others.
  std::shared_ptr<ActiveJob> Find(const std::string& id);
  /// Runs a job that is in the store, in its turn. How it is now.
  v1::Job Run(StoredJob stored, const Ctx& origin = Ctx());
  void Cancel(const std::shared_ptr<ActiveJob>& job);

 private:
  void Enqueue(std::shared_ptr<ActiveJob> job);
  void StartJobs();
  Task<void> RunJob(std::shared_ptr<ActiveJob> job);
  Task<void> RunSources(Ctx ctx, std::shared_ptr<ActiveJob> job);
  Task<void> SaveWhileRunning(std::shared_ptr<ActiveJob> job);
  Task<Status> Save(std::shared_ptr<ActiveJob> job);
  Status SaveNow(ActiveJob& job);
  std::vector<std::shared_ptr<ActiveJob>> AllActive();
  void Interrupt(Status why);

  const DataprepConfig& config_;
  const DataFolder& data_;
  Executor& blocking_;
  Executor& home_;
  const std::unique_ptr<JobStore> jobs_;
  PatientRetrieval retrieval_;
  PassageEmbedder embeds_;
  const IngestTools tools_;
  Scope scope_;
  CancelSource interrupt_{scope_.token()};
  std::mutex saving_;  // from looking at a job to having it saved: the newest state comes last

  std::mutex mutex_;  // for all below
  std::map<std::string, std::shared_ptr<ActiveJob>> active_;
  std::deque<std::shared_ptr<ActiveJob>> waiting_;
  std::uint32_t running_ = 0;
};

}  // namespace tessera
