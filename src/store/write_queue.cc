#include "store/write_queue.h"

#include <utility>

namespace tessera {

WriteQueue::WriteQueue(std::unique_ptr<SqliteConnection> connection, Executor& blocking,
                       Guard guard, std::size_t pending_max)
    : connection_(std::move(connection)),
      blocking_(blocking),
      guard_(std::move(guard)),
      pending_max_(pending_max),
      probe_("queue", "writes", [this] { return Use(); }) {}

WriteQueue::~WriteQueue() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !draining_; });
}

ResourceUse WriteQueue::Use() const {
  std::lock_guard lock(mutex_);
  ResourceUse use;
  use.capacity = static_cast<std::int64_t>(pending_max_);
  use.used = use.waiting = static_cast<std::int64_t>(pending_.size());
  use.done = taken_;
  use.rejected = rejected_;
  return use;
}

Task<Status> WriteQueue::Run(Ctx ctx, Write write) {
  CO_TRY(ctx.Check());
  auto entry = std::make_unique<Entry>();
  // Not with the caller's ctx: once begun, the caller must learn whether it was committed.
  Waiter done{Ctx()};
  entry->ctx = ctx;
  entry->write = std::move(write);
  entry->done = done.handle();
  bool start = false;
  {
    std::lock_guard lock(mutex_);
    if (pending_.size() >= pending_max_) {
      ++rejected_;
      co_return absl::ResourceExhaustedError(
          "too many writes are waiting for the disk; retry later");
    }
    ++taken_;
    pending_.push_back(std::move(entry));
    start = !std::exchange(draining_, true);
  }
  if (start) blocking_.Post([this] { Drain(); });
  Status status = co_await done;
  co_return status;
}

std::vector<std::unique_ptr<WriteQueue::Entry>> WriteQueue::NextBatch() {
  std::vector<std::unique_ptr<Entry>> batch;
  std::lock_guard lock(mutex_);
  while (!pending_.empty() && batch.size() < kBatchMax) {
    const bool alone = pending_.front()->write.alone || pending_.front()->write.unguarded;
    if (alone && !batch.empty()) break;
    batch.push_back(std::move(pending_.front()));
    pending_.pop_front();
    if (alone) break;
  }
  if (batch.empty()) {
    draining_ = false;
    idle_.notify_all();
  }
  return batch;
}

void WriteQueue::Drain() {
  for (;;) {
    const std::vector<std::unique_ptr<Entry>> batch = NextBatch();
    if (batch.empty()) return;
    std::vector<Entry*> live;
    for (const auto& entry : batch) {
      entry->status = entry->ctx.Check();
      if (entry->status.ok()) live.push_back(entry.get());
    }
    RunBatch(live);
    for (const auto& entry : batch) entry->done.Complete(entry->status);
  }
}

void WriteQueue::RunBatch(std::span<Entry*> batch) {
  if (batch.empty()) return;
  const Status status = ApplyAll(batch);
  if (status.ok()) {
    for (Entry* entry : batch)
      if (entry->applied && entry->write.committed) entry->write.committed();
    return;
  }
  for (Entry* entry : batch) {
    if (std::exchange(entry->applied, false) && entry->write.undo) entry->write.undo();
    if (entry->status.ok()) entry->status = status;
  }
  if (batch.size() == 1) return;
  // One write that asks too much (of the disk, say) must not fail its neighbours.
  for (Entry*& entry : batch) {
    entry->status = absl::OkStatus();
    RunBatch(std::span(&entry, 1));
  }
}

Status WriteQueue::ApplyAll(std::span<Entry*> batch) {
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
  if (guard_ && !batch.front()->write.unguarded) TRY(guard_(*connection_));
  bool any = false;
  for (Entry* entry : batch) {
    entry->status = ApplyOne(*entry);
    any |= entry->applied;
    // Some errors end the transaction as a whole.
    if (!connection_->InTransaction())
      return entry->status.ok() ? absl::InternalError("the transaction is gone") : entry->status;
  }
  if (!any) return absl::OkStatus();  // nothing to commit: the destructor rolls back
  TRY(transaction.Commit());
  commits_.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

Status WriteQueue::ApplyOne(Entry& entry) {
  TRY(connection_->Run("SAVEPOINT write"));
  Status status = entry.write.apply(*connection_);
  if (status.ok()) {
    entry.applied = true;
    return connection_->Run("RELEASE write");
  }
  if (entry.write.undo) entry.write.undo();
  if (connection_->InTransaction()) {
    TRY(connection_->Run("ROLLBACK TO write"));
    TRY(connection_->Run("RELEASE write"));
  }
  return status;
}

}  // namespace tessera
