#include "store/sqlite_readers.h"

namespace tessera {

SqliteReaders::Lease::~Lease() {
  if (connection_ != nullptr) readers_->GiveBack(std::move(connection_));
}

Result<SqliteReaders::Lease> SqliteReaders::Take() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  free_.wait(lock, [this] { return !idle_.empty() || opened_ < connections_max_; });
  --waiting_;
  ++taken_;
  if (!idle_.empty()) {
    Lease lease(this, std::move(idle_.back()));
    idle_.pop_back();
    return lease;
  }
  ++opened_;
  lock.unlock();
  // Not SQLITE_OPEN_READONLY: such a connection cannot make the shared memory file of the log.
  auto connection = SqliteConnection::Open(path_, {.create = false});
  Status status = connection.status();
  if (status.ok()) status = (*connection)->Script("PRAGMA query_only=ON");
  if (!status.ok()) {
    lock.lock();
    --opened_;
    free_.notify_one();
    return status;
  }
  return Lease(this, *std::move(connection));
}

ResourceUse SqliteReaders::Use() const {
  std::lock_guard lock(mutex_);
  ResourceUse use;
  use.capacity = static_cast<std::int64_t>(connections_max_);
  use.used = static_cast<std::int64_t>(opened_ - idle_.size());
  use.waiting = waiting_;
  use.done = taken_;
  return use;
}

void SqliteReaders::GiveBack(std::unique_ptr<SqliteConnection> connection) {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
  free_.notify_one();
}

}  // namespace tessera
