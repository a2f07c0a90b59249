#include "store/sqlite.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

bool DiskIsFull(int code, int system_error) {
  if ((code & 0xff) == SQLITE_FULL) return true;
  return (code & 0xff) == SQLITE_IOERR &&
         (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG);
}

absl::StatusCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_PROTOCOL:
      return absl::StatusCode::kUnavailable;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_CONSTRAINT:
      return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY
                 ? absl::StatusCode::kAlreadyExists
                 : absl::StatusCode::kFailedPrecondition;
    case SQLITE_INTERRUPT:
      return absl::StatusCode::kCancelled;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

Status MakeError(int code, int system_error, const std::string& path, const std::string& what,
                 const char* message) {
  if (DiskIsFull(code, system_error)) {
    return absl::ResourceExhaustedError(absl::StrCat("no space left to write ", path,
                                                     ": nothing was changed; free some and retry"));
  }
  const absl::StatusCode status = CodeOf(code);
  std::string text = absl::StrCat(path, ": ", what, ": ", message);
  if (status == absl::StatusCode::kDataLoss)
    absl::StrAppend(&text, "; the file is damaged: restore it from a backup");
  if ((code & 0xff) == SQLITE_IOERR && system_error != 0)
    absl::StrAppend(&text, " (", std::strerror(system_error), ")");
  return Status(status, text);
}

}  // namespace

// --- SqliteStatement

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      sql_(std::move(other.sql_)),
      bind_error_(other.bind_error_) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ != nullptr) connection_->GiveBack(statement_, std::move(sql_));
}

void SqliteStatement::BindOne(int index, std::int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_, index, value);
}
void SqliteStatement::BindOne(int index, double value) {
  bind_error_ |= sqlite3_bind_double(statement_, index, value);
}
void SqliteStatement::BindOne(int index, std::string_view text) {
  // A null data pointer would bind NULL instead of the empty text.
  const char* data = text.empty() ? "" : text.data();
  bind_error_ |=
      sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}
void SqliteStatement::BindOne(int index, std::span<const std::byte> blob) {
  bind_error_ |= blob.empty() ? sqlite3_bind_zeroblob(statement_, index, 0)
                              : sqlite3_bind_blob64(statement_, index, blob.data(), blob.size(),
                                                    SQLITE_TRANSIENT);
}
void SqliteStatement::BindOne(int index, std::nullopt_t) {
  bind_error_ |= sqlite3_bind_null(statement_, index);
}

Result<bool> SqliteStatement::Step() {
  if (bind_error_ != 0) return connection_->Error(sqlite3_errcode(connection_->handle_), "bind");
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Status error = connection_->Error(code, sqlite3_sql(statement_));
  sqlite3_reset(statement_);
  return error;
}

Status SqliteStatement::Run() {
  for (;;) {
    TRY(const bool row, Step());
    if (!row) break;
  }
  sqlite3_reset(statement_);
  return absl::OkStatus();
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bind_error_ = 0;
}

std::int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}
double SqliteStatement::Real(int column) const { return sqlite3_column_double(statement_, column); }
std::string_view SqliteStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
std::span<const std::byte> SqliteStatement::Blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
bool SqliteStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- SqliteConnection

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                 SqliteOptions options) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create && !options.read_only) flags |= SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return absl::ResourceExhaustedError("no memory to open " + path);
  std::unique_ptr<SqliteConnection> connection(
      new SqliteConnection(handle, path, options.statements_max));
  if (code != SQLITE_OK) return connection->Error(code, "open");
  TRY(connection->Configure(options));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Status SqliteConnection::Configure(const SqliteOptions& options) {
  sqlite3_busy_timeout(handle_, options.busy_timeout_ms);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (!options.read_only) {
    TRY(SqliteStatement journal, Prepare("PRAGMA journal_mode=WAL"));
    TRY(const bool row, journal.Step());
    if (!row || journal.Text(0) != "wal") {
      return absl::FailedPreconditionError(absl::StrCat(
          path_, ": this file system does not support a write-ahead log; use a local disk"));
    }
  }
  return Script(absl::StrCat(
      "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;",
      "PRAGMA cache_size=-", options.cache_bytes / 1024, ";PRAGMA mmap_size=", options.mmap_bytes,
      ";PRAGMA journal_size_limit=", options.journal_bytes_max, ";"));
}

Result<SqliteStatement> SqliteConnection::Prepare(std::string_view sql) {
  std::string key(sql);
  if (const auto cached = statements_.find(key); cached != statements_.end()) {
    sqlite3_stmt* statement = cached->second;
    statements_.erase(cached);
    return SqliteStatement(this, statement, std::move(key));
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Error(code, sql);
  return SqliteStatement(this, statement, std::move(key));
}

void SqliteConnection::GiveBack(sqlite3_stmt* statement, std::string sql) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (statements_.size() >= statements_max_) {
    sqlite3_finalize(statement);
    return;
  }
  statements_.emplace(std::move(sql), statement);
}

Status SqliteConnection::Script(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code, "script");
}

Status SqliteConnection::Error(int code, std::string_view what) const {
  return MakeError(code, sqlite3_system_errno(handle_), path_, std::string(what),
                   sqlite3_errmsg(handle_));
}

std::int64_t SqliteConnection::LastRowId() const { return sqlite3_last_insert_rowid(handle_); }
std::int64_t SqliteConnection::Changes() const { return sqlite3_changes64(handle_); }
bool SqliteConnection::InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }
void SqliteConnection::Interrupt() { sqlite3_interrupt(handle_); }

// --- SqliteTransaction

Result<SqliteTransaction> SqliteTransaction::Begin(SqliteConnection& connection, Kind kind) {
  TRY(connection.Run(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"));
  return SqliteTransaction(&connection);
}

Status SqliteTransaction::Commit() {
  Status status = connection_->Run("COMMIT");
  if (!status.ok()) Rollback();
  connection_ = nullptr;
  return status;
}

void SqliteTransaction::Rollback() {
  // Some errors (disk full) have rolled back already.
  if (connection_ != nullptr && connection_->InTransaction()) (void)connection_->Run("ROLLBACK");
  connection_ = nullptr;
}

Status MigrateSqlite(SqliteConnection& connection, std::span<const SqliteMigration> migrations) {
  TRY(const std::optional<std::int64_t> found, connection.QueryInt("PRAGMA user_version"));
  const std::int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  if (found.value_or(0) > newest) {
    return absl::FailedPreconditionError(
        absl::StrCat(connection.path(), ": written by a newer version of tessera (schema ", *found,
                     ", this one knows ", newest, "); use that version"));
  }
  for (const SqliteMigration& migration : migrations) {
    if (migration.version <= found.value_or(0)) continue;
    TRY(SqliteTransaction transaction, SqliteTransaction::Begin(connection));
    TRY(connection.Script(std::string(migration.sql)));
    TRY(connection.Script(absl::StrCat("PRAGMA user_version=", migration.version)));
    TRY(transaction.Commit());
  }
  return absl::OkStatus();
}

}  // namespace tessera
