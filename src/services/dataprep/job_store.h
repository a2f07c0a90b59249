#pragma once
// Jobs on the disk: DATA/jobs.db.

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "services/dataprep/job.h"
#include "store/sqlite.h"

namespace tessera {

/// Only the one that took the lease last may write; writes of others say FAILED_PRECONDITION. Every
/// call blocks, and what it wrote is on the disk when it returns.
/// Thread-safe. Errors are SqliteConnection's.
class JobStore {
 public:
  static Result<std::unique_ptr<JobStore>> Open(const std::string& path);

  Status TakeLease();
  /// False: another took it since, or the file cannot be read.
  bool HasLease();
  /// A write was refused because another has the lease.
  bool superseded() const { return superseded_; }

  /// A new job with its sources.
  Status Insert(const StoredJob& job);
  /// The job's header and the entries numbered `numbers`, in the same order.
  Status Save(const StoredJob& changes, std::span<const std::uint32_t> numbers);
  /// NOT_FOUND when there is none of that id.
  Result<StoredJob> Load(const std::string& id);
  /// Ids of the jobs that have not ended, oldest first.
  Result<std::vector<std::string>> Unfinished();
  /// Newest first, without their entries.
  Result<std::vector<v1::Job>> List(std::uint32_t limit);
  /// Removes ended jobs, but not the newest `keep`.
  Status Trim(std::uint32_t keep);

 private:
  explicit JobStore(std::unique_ptr<SqliteConnection> connection)
      : connection_(std::move(connection)) {}
  // A transaction in which the lease is ours.
  Result<SqliteTransaction> BeginWrite();
  Status WriteEntry(const std::string& id, std::uint32_t number, const JobEntry& entry);

  std::mutex mutex_;
  const std::unique_ptr<SqliteConnection> connection_;
  std::int64_t fence_ = -1;  // never had the lease
  std::atomic<bool> superseded_{false};
};

}  // namespace tessera
