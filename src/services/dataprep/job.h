#pragma once
// A job that runs: what its sources are at, who watches it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ctx.h"
#include "base/stream.h"
#include "runtime/waiter.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

/// One line of a job's progress: a source as given, or a document found within one (an archive's).
struct JobEntry {
  v1::Source source;  ///< of given sources
  v1::SourceProgress progress;
  std::optional<std::uint32_t> parent;  ///< number of the given source that it was found in
};

/// A job as it is stored.
struct StoredJob {
  v1::Job job;                ///< without progress
  v1::IngestRequest request;  ///< without sources
  std::vector<JobEntry> entries;
};

bool HasEnded(v1::SourceState state);
bool HasEnded(v1::JobState state);

/// The job as clients see it: counts, and at most `progress_max` entries, failed and running first.
v1::Job ViewOfJob(const v1::Job& job, const std::vector<JobEntry>& entries,
                  std::size_t progress_max = 1000);

/// The live state of a job. Thread-safe.
class ActiveJob {
 public:
  /// Cancelled with `shutdown`.
  ActiveJob(StoredJob stored, const CancelToken& shutdown);

  const std::string& id() const { return id_; }
  const std::string& collection() const { return collection_; }
  const v1::IngestRequest& request() const { return request_; }
  v1::JobKind kind() const { return kind_; }
  /// Of a re-embedding.
  const std::string& embedder() const { return embedder_; }

  v1::Job View() const;
  JobEntry Entry(std::uint32_t number) const;
  /// Sources as given come first, numbered from 0.
  std::uint32_t given() const { return given_; }
  /// The entry of a document within a source: the one of that name, or a new one.
  std::uint32_t FindDocument(std::uint32_t parent, const std::string& name);

  /// Changes an entry's progress and tells the watchers.
  template <class Change>
  void Update(std::uint32_t number, Change change) {
    {
      std::lock_guard lock(mutex_);
      change(entries_[number].progress);
      Touch(number);
    }
    Notify();
  }
  void AddBytes(std::uint64_t done);
  void SetChunksTotal(std::uint64_t total);
  void SetState(v1::JobState state);
  /// Every entry that has not ended is cancelled.
  void CancelEntries();
  bool ended() const;

  /// What changed since the last call, for the store.
  StoredJob TakeChanges(std::vector<std::uint32_t>& numbers);
  /// The entries that TakeChanges gave could not be stored.
  void PutBack(const std::vector<std::uint32_t>& numbers);

  /// Stops the work for good; a shutdown only interrupts it.
  void Cancel();
  bool cancelled_by_user() const { return cancelled_by_user_.load(); }
  CancelToken token() const { return cancel_.token(); }

  /// The request that gave the job, in whose trace its work is shown; before it runs.
  void SetOrigin(const Ctx& origin) { origin_ = origin; }
  const Ctx& origin() const { return origin_; }

  /// Nobody here works on it any more; another may go on with it.
  void Release();
  bool released() const;

  /// Waits until the job has changed since `version` (updated), has ended or was released.
  Task<Status> WaitForChange(Ctx ctx, std::uint64_t& version);

 private:
  void Touch(std::uint32_t number);
  void Notify();

  const std::string id_;
  const std::string collection_;
  const v1::IngestRequest request_;
  const v1::JobKind kind_;
  const std::string embedder_;
  const std::uint32_t given_;
  Ctx origin_;
  CancelSource cancel_;
  std::atomic<bool> cancelled_by_user_{false};
  mutable std::mutex mutex_;  // for all below
  v1::Job job_;
  std::vector<JobEntry> entries_;
  std::vector<bool> dirty_;
  SteadyTime started_ = SteadyTime::max();
  std::uint64_t chunks_before_ = 0;  // of an earlier run
  std::uint64_t version_ = 1;
  bool released_ = false;
  std::vector<WaiterHandle> watchers_;
};

/// The job now and after changes, at most one item in `interval`; the last item is the ended job,
/// unless it is released before.
StreamPtr<v1::Job> WatchActiveJob(std::shared_ptr<ActiveJob> job, Duration interval);

/// A stream of one item.
StreamPtr<v1::Job> OneJob(v1::Job job);

}  // namespace tessera
