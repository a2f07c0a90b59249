#pragma once
// One writer for all: writes that come together are committed together, with one fsync.

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ctx.h"
#include "base/task.h"
#include "runtime/resource_use.h"
#include "runtime/waiter.h"
#include "store/sqlite.h"

namespace tessera {

/// A change of the database. `apply` runs inside a transaction, on the writer's thread; when it
/// fails, or the transaction does, all it did to the database is undone and `undo` (may be empty)
/// must take back what it did to memory. It may then be applied again.
struct Write {
  absl::AnyInvocable<Status(SqliteConnection&)> apply;
  absl::AnyInvocable<void()> undo;
  /// Runs once the change is on the disk, before any later write is applied. May be empty.
  absl::AnyInvocable<void()> committed;
  bool alone = false;      ///< in a transaction of its own
  bool unguarded = false;  ///< alone, and without asking the queue's guard
};

/// Owns the writing connection. Thread-safe. Must outlive the writes given to it.
class WriteQueue {
 public:
  /// Runs first in every transaction, on the writer's thread; while it fails, nothing is written
  /// and every write ends with its status.
  using Guard = absl::AnyInvocable<Status(SqliteConnection&)>;
  /// At most `pending_max` writes wait; more are refused with RESOURCE_EXHAUSTED.
  WriteQueue(std::unique_ptr<SqliteConnection> connection, Executor& blocking,
             Guard guard = nullptr, std::size_t pending_max = 1024);
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;

  /// OK: the change is on the disk. A write whose ctx has ended before its turn is not applied;
  /// one that has begun is seen through.
  Task<Status> Run(Ctx ctx, Write write);

  /// Writes that wait for their turn.
  std::size_t pending() const {
    std::lock_guard lock(mutex_);
    return pending_.size();
  }
  /// fsyncs so far, for tests and metrics.
  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    Ctx ctx;
    Write write;
    WaiterHandle done;
    Status status;
    bool applied = false;
  };
  static constexpr std::size_t kBatchMax = 64;

  ResourceUse Use() const;
  void Drain();
  std::vector<std::unique_ptr<Entry>> NextBatch();
  void RunBatch(std::span<Entry*> batch);
  Status ApplyAll(std::span<Entry*> batch);
  Status ApplyOne(Entry& entry);

  const std::unique_ptr<SqliteConnection> connection_;
  Executor& blocking_;
  Guard guard_;
  const std::size_t pending_max_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::deque<std::unique_ptr<Entry>> pending_;
  bool draining_ = false;
  std::atomic<std::uint64_t> commits_{0};
  std::uint64_t taken_ = 0;     // under mutex_
  std::uint64_t rejected_ = 0;  // under mutex_
  ResourceProbe probe_;
};

}  // namespace tessera
