#pragma once
// The Dataprep contract in this process.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/scope.h"
#include "runtime/thread_pool.h"
#include "services/dataprep/dataprep_config.h"
#include "services/dataprep/job.h"
#include "services/dataprep/job_store.h"
#include "services/dataprep/passage_embedder.h"
#include "services/dataprep/source_ingest.h"
#include "store/data_folder.h"
#include "tessera/v1/dataprep.tessera.h"

namespace tessera {

/// Runs ingest jobs. A job is on the disk when Ingest returns; after a crash or a stop the next
/// Start goes on with it: documents that were committed are not done again, one that was being
/// written goes on at its first missing passage. Thread-safe. Life: Open, Start, calls, Stop,
/// destroy.
class LocalDataprep final : public Dataprep {
 public:
  using Config = DataprepConfig;

  /// All that is given by reference, and what `open` needs, must outlive it. `loops` carry the
  /// fetching of links; nullptr: links are refused. Errors of the store.
  static Result<std::unique_ptr<LocalDataprep>> Open(Config config, const DataFolder& data,
                                                     Retrieval& retrieval, Inference& inference,
                                                     ExtractionOpener open, IoLoops* loops);
  ~LocalDataprep() override;

  /// Goes on with the jobs of an earlier run. Call it when retrieval and inference serve. Blocks
  /// for a moment.
  Status Start();
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
                ExtractionOpener open, IoLoops* loops, std::unique_ptr<JobStore> jobs);

  Status CheckQueue();
  Task<Result<v1::Job>> Admit(Ctx ctx, v1::IngestRequest request);
  Task<Status> RefuseExisting(Ctx ctx, const StoredJob& job);
  Status Adopt(StoredJob& job);
  enum class Missing { kMake, kRefuse };
  Task<Result<JobEmbedder>> EnsureCollection(Ctx ctx, std::string name, v1::ChunkOptions chunking,
                                             Missing missing);
  Task<Result<v1::Job>> Lookup(std::string id);
  std::shared_ptr<ActiveJob> FindActive(const std::string& id);
  void Enqueue(std::shared_ptr<ActiveJob> job);
  void StartJobs();
  Task<void> RunJob(std::shared_ptr<ActiveJob> job);
  Task<void> RunSources(std::shared_ptr<ActiveJob> job);
  Task<void> SaveWhileRunning(std::shared_ptr<ActiveJob> job);
  Task<Status> Save(std::shared_ptr<ActiveJob> job);
  Status SaveNow(ActiveJob& job);

  const Config config_;
  const DataFolder& data_;
  Retrieval& retrieval_;
  Inference& inference_;
  const std::unique_ptr<JobStore> jobs_;
  ThreadPool blocking_;  // files, extraction, jobs.db
  ThreadPool home_;      // where the coroutines run
  PassageEmbedder embeds_;
  std::optional<UrlFetch> fetch_;
  const IngestTools tools_;
  Scope scope_;
  std::mutex saving_;  // from looking at a job to having it saved: the newest state comes last

  std::mutex mutex_;  // for all below
  std::map<std::string, std::shared_ptr<ActiveJob>> active_;
  std::deque<std::shared_ptr<ActiveJob>> waiting_;
  std::uint32_t running_ = 0;
};

}  // namespace tessera
