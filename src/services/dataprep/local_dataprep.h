#pragma once
// The Dataprep contract in this process.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/handover.h"
#include "runtime/thread_pool.h"
#include "runtime/write_gate.h"
#include "services/dataprep/dataprep_config.h"
#include "services/dataprep/job.h"
#include "services/dataprep/job_runner.h"
#include "services/dataprep/source_ingest.h"
#include "services/dataprep/url_fetch.h"
#include "store/data_folder.h"
#include "tessera/v1/dataprep.tessera.h"

namespace tessera {

/// Runs ingest jobs. A job is on the disk when Ingest returns; after a crash, a stop or a handover
/// whoever is active next goes on with it: documents that were committed are not done again, one
/// that was being written goes on at its first missing passage. Thread-safe. Life: Open, then it is
/// a standby; Start or Activate, calls, Stop, destroy. While it is not active all calls but
/// ReadText wait; streams of WatchJob go on wherever the job goes on.
class LocalDataprep final : public Dataprep, public Handover {
 public:
  using Config = DataprepConfig;

  /// Touches nothing on the disk. All that is given by reference, and what `open` needs, must
  /// outlive it. `loops` carry the fetching of links; nullptr: links are refused. `successor` is
  /// the router of the own contract, which Forward needs.
  static Result<std::unique_ptr<LocalDataprep>> Open(Config config, const DataFolder& data,
                                                     Retrieval& retrieval, Inference& inference,
                                                     ExtractionOpener open, IoLoops* loops,
                                                     Dataprep* successor = nullptr);
  ~LocalDataprep() override;

  /// Activate, for those who wait: blocks for a moment. Call it when retrieval and inference serve.
  Status Start();
  /// Goes on with the jobs of whoever was active before. Errors of the store.
  Task<Status> Activate(Ctx ctx) override;
  /// Interrupts the jobs at their next safe point and saves them. Yield dataprep before retrieval:
  /// a call that is being admitted may wait for that.
  Task<Status> Yield(Ctx ctx) override;
  Task<Status> Forward(Ctx ctx) override;
  /// Interrupts all work, keeps it for the next Start, and waits for it until ctx ends.
  Task<Status> Stop(Ctx ctx);

  /// Takes over the spooled files, also when it fails; they must lie in the data folder's tmp.
  /// INVALID_ARGUMENT names the field; RESOURCE_EXHAUSTED: the disk is (nearly) full, or too many
  /// jobs wait.
  Task<Result<v1::Job>> Ingest(Ctx ctx, v1::IngestRequest request) override;
  Task<Result<v1::Job>> GetJob(Ctx ctx, v1::GetJobRequest request) override;
  Task<Result<v1::ListJobsReply>> ListJobs(Ctx ctx, v1::ListJobsRequest request) override;
  Task<Result<v1::Job>> CancelJob(Ctx ctx, v1::CancelJobRequest request) override;
  Task<Result<StreamPtr<v1::Job>>> WatchJob(Ctx ctx, v1::GetJobRequest request) override;
  /// FAILED_PRECONDITION when the collection is embedded by that model already.
  Task<Result<v1::Job>> Reembed(Ctx ctx, v1::ReembedRequest request) override;
  /// Of a source with a path. INVALID_ARGUMENT says what is wrong with the file.
  Task<Result<v1::ReadTextReply>> ReadText(Ctx ctx, v1::ReadTextRequest request) override;

 private:
  LocalDataprep(Config config, const DataFolder& data, Retrieval& retrieval, Inference& inference,
                ExtractionOpener open, IoLoops* loops, Dataprep* successor);

  Result<std::shared_ptr<JobRunner>> TakeJobs();
  Task<Status> LetGo(Ctx ctx);
  std::shared_ptr<JobRunner> Runner() const;
  Task<Result<v1::Job>> Admit(Ctx ctx, v1::IngestRequest request);
  Task<Status> RefuseExisting(Ctx ctx, const StoredJob& job);
  Status Adopt(StoredJob& job);
  Task<Result<v1::Job>> Lookup(std::string id);
  Task<Result<StreamPtr<v1::Job>>> WatchOnce(Ctx ctx, v1::GetJobRequest request);

  const Config config_;
  const DataFolder& data_;
  Retrieval& retrieval_;
  Inference& inference_;
  const ExtractionOpener open_;
  Dataprep* const successor_;
  ThreadPool blocking_;  // files, extraction, jobs.db
  ThreadPool home_;      // where the coroutines run
  std::optional<UrlFetch> fetch_;
  WriteGate gate_{"dataprep"};
  mutable std::mutex mutex_;
  std::shared_ptr<JobRunner> runner_;  // while active, and until it has been stopped
};

}  // namespace tessera
