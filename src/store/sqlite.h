#pragma once
// SQLite as a value: connections, statements, transactions, errors as Status. sqlite3.h stays
// inside sqlite.cc.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tessera {

/// How a connection is opened. The defaults suit a file that must survive kill -9 and power cuts.
struct SqliteOptions {
  bool read_only = false;
  bool create = true;
  int busy_timeout_ms = 10'000;
  std::int64_t cache_bytes = 8 << 20;   ///< page cache of this connection
  std::int64_t mmap_bytes = 256 << 20;  ///< pages read by mapping; 0: none
  std::int64_t journal_bytes_max =
      64 << 20;                      ///< the write-ahead log is cut to this after a checkpoint
  std::size_t statements_max = 128;  ///< prepared statements kept
};

class SqliteConnection;

/// A prepared statement, lent by its connection's cache and given back by the destructor. Used by
/// one thread at a time, like its connection, and not longer than it. Views of columns are valid
/// until the next Step.
class SqliteStatement {
 public:
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&&) = delete;
  ~SqliteStatement();

  /// Binds parameters 1, 2, … in order: integers, bool, double, text, std::span<const std::byte> (a
  /// blob), std::nullopt and std::optional of these. Text and blobs are copied.
  template <class... Args>
  void Bind(const Args&... args) {
    int index = 0;
    (BindOne(++index, args), ...);
  }
  void BindOne(int index, std::int64_t value);
  void BindOne(int index, int value) { BindOne(index, std::int64_t{value}); }
  void BindOne(int index, std::uint32_t value) { BindOne(index, std::int64_t{value}); }
  void BindOne(int index, std::uint64_t value) { BindOne(index, static_cast<std::int64_t>(value)); }
  void BindOne(int index, bool value) { BindOne(index, std::int64_t{value}); }
  void BindOne(int index, double value);
  void BindOne(int index, std::string_view text);
  void BindOne(int index, const char* text) { BindOne(index, std::string_view(text)); }
  void BindOne(int index, const std::string& text) { BindOne(index, std::string_view(text)); }
  void BindOne(int index, std::span<const std::byte> blob);
  void BindOne(int index, std::nullopt_t);
  template <class T>
  void BindOne(int index, const std::optional<T>& value) {
    if (value)
      BindOne(index, *value);
    else
      BindOne(index, std::nullopt);
  }

  /// True: there is a row to read. False: finished. A bind that failed is reported here.
  Result<bool> Step();
  /// Steps to the end, discarding rows.
  Status Run();
  /// Makes it ready to be bound and stepped again.
  void Reset();

  std::int64_t Int(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;
  std::span<const std::byte> Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class SqliteConnection;
  SqliteStatement(SqliteConnection* connection, sqlite3_stmt* statement, std::string sql)
      : connection_(connection), statement_(statement), sql_(std::move(sql)) {}

  SqliteConnection* connection_;
  sqlite3_stmt* statement_;
  std::string sql_;  // key in the cache; empty: not cached
  int bind_error_ = 0;
};

/// One connection: WAL, synchronous=FULL, foreign keys on. Used by one thread at a time. Errors:
/// RESOURCE_EXHAUSTED (disk full; names the file), DATA_LOSS (the file is damaged), UNAVAILABLE
/// (locked by another process, or the disk fails), PERMISSION_DENIED, ALREADY_EXISTS (a unique
/// constraint), FAILED_PRECONDITION (another constraint), CANCELLED (interrupted).
class SqliteConnection {
 public:
  static Result<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                        SqliteOptions options = {});
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;

  /// A statement ready to bind: from the cache, or prepared now.
  Result<SqliteStatement> Prepare(std::string_view sql);
  /// Prepares, binds and runs to the end.
  template <class... Args>
  Status Run(std::string_view sql, const Args&... args) {
    TRY(SqliteStatement statement, Prepare(sql));
    statement.Bind(args...);
    return statement.Run();
  }
  /// The first column of the first row as an integer; nothing if there is no row.
  template <class... Args>
  Result<std::optional<std::int64_t>> QueryInt(std::string_view sql, const Args&... args) {
    TRY(SqliteStatement statement, Prepare(sql));
    statement.Bind(args...);
    TRY(const bool row, statement.Step());
    if (!row || statement.IsNull(0)) return std::optional<std::int64_t>();
    return std::optional<std::int64_t>(statement.Int(0));
  }
  /// One or more statements without parameters; not cached. For schemas and pragmas.
  Status Script(const std::string& sql);

  std::int64_t LastRowId() const;
  std::int64_t Changes() const;
  bool InTransaction() const;
  const std::string& path() const { return path_; }
  /// The raw handle, for what this class does not wrap (fts5 functions, backup).
  sqlite3* handle() const { return handle_; }
  /// Thread-safe: makes the running statement end with CANCELLED.
  void Interrupt();

 private:
  friend class SqliteStatement;
  SqliteConnection(sqlite3* handle, std::string path, std::size_t statements_max)
      : handle_(handle), path_(std::move(path)), statements_max_(statements_max) {}
  Status Configure(const SqliteOptions& options);
  void GiveBack(sqlite3_stmt* statement, std::string sql);
  Status Error(int code, std::string_view what) const;

  sqlite3* handle_;
  std::string path_;
  std::size_t statements_max_;
  std::unordered_multimap<std::string, sqlite3_stmt*> statements_;
};

/// A transaction: rolled back by the destructor unless committed. After Commit() returned OK the
/// change is on the disk. A Commit that fails rolls back.
class SqliteTransaction {
 public:
  enum class Kind { kWrite, kRead };
  static Result<SqliteTransaction> Begin(SqliteConnection& connection, Kind kind = Kind::kWrite);
  SqliteTransaction(SqliteTransaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction() { Rollback(); }
  Status Commit();
  void Rollback();

 private:
  explicit SqliteTransaction(SqliteConnection* connection) : connection_(connection) {}
  SqliteConnection* connection_;
};

/// A step of a schema's history. Steps are numbered from 1 without gaps and never changed once
/// released.
struct SqliteMigration {
  int version;
  std::string_view sql;
};

/// Brings the file's schema to the newest version, each step in its own transaction, from
/// `PRAGMA user_version`. A file written by a newer program is refused with FAILED_PRECONDITION and
/// left as it is.
Status MigrateSqlite(SqliteConnection& connection, std::span<const SqliteMigration> migrations);

}  // namespace tessera
