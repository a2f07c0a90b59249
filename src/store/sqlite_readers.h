#pragma once
// Read-only connections of one file, lent to threads.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/resource_use.h"
#include "store/sqlite.h"

namespace tessera {

/// Opens up to `connections_max` connections as they are needed. Thread-safe. Must outlive its
/// leases.
class SqliteReaders {
 public:
  SqliteReaders(std::string path, std::size_t connections_max)
      : path_(std::move(path)),
        connections_max_(connections_max),
        probe_("connections", "sqlite", [this] { return Use(); }) {}

  /// A connection for one thread; goes back when destroyed.
  class Lease {
   public:
    Lease(SqliteReaders* readers, std::unique_ptr<SqliteConnection> connection)
        : readers_(readers), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    SqliteConnection& operator*() const { return *connection_; }
    SqliteConnection* operator->() const { return connection_.get(); }

   private:
    SqliteReaders* readers_;
    std::unique_ptr<SqliteConnection> connection_;
  };

  /// Blocks while all are lent: call it on threads that may block.
  Result<Lease> Take();

 private:
  ResourceUse Use() const;
  void GiveBack(std::unique_ptr<SqliteConnection> connection);

  const std::string path_;
  const std::size_t connections_max_;
  mutable std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<SqliteConnection>> idle_;
  std::size_t opened_ = 0;
  std::int64_t waiting_ = 0;
  std::uint64_t taken_ = 0;
  ResourceProbe probe_;
};

}  // namespace tessera
