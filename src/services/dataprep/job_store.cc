#include "services/dataprep/job_store.h"

#include <array>
#include <optional>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::array kMigrations = {SqliteMigration{1, R"sql(
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,   -- v1.JobState
    job BLOB NOT NULL,        -- v1.Job without progress
    request BLOB NOT NULL     -- v1.IngestRequest without sources
  ) WITHOUT ROWID;
  CREATE INDEX jobs_by_time ON jobs (created_ms);
  CREATE TABLE entries (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    parent INTEGER,           -- number of the source that it was found in
    source BLOB NOT NULL,     -- v1.Source
    progress BLOB NOT NULL,   -- v1.SourceProgress
    PRIMARY KEY (job, number)
  ) WITHOUT ROWID;
)sql"},
                                    // The token of the one that may write (docs/adr/0012).
                                    SqliteMigration{2, R"sql(
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('fence', 0);
)sql"}};

constexpr char kReadFence[] = "SELECT value FROM meta WHERE key = 'fence'";

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <class Message>
Status Parse(std::span<const std::byte> bytes, Message& message) {
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::DataLossError("jobs.db: a record cannot be read");
}

}  // namespace

Result<std::unique_ptr<JobStore>> JobStore::Open(const std::string& path) {
  SqliteOptions options;
  options.cache_bytes = 2 << 20;
  options.mmap_bytes = 0;
  TRY(auto connection, SqliteConnection::Open(path, options));
  TRY(MigrateSqlite(*connection, kMigrations));
  return std::unique_ptr<JobStore>(new JobStore(std::move(connection)));
}

Status JobStore::TakeLease() {
  std::lock_guard lock(mutex_);
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
  TRY(connection_->Run("UPDATE meta SET value = value + 1 WHERE key = 'fence'"));
  TRY(const std::optional<std::int64_t> fence, connection_->QueryInt(kReadFence));
  TRY(transaction.Commit());
  fence_ = fence.value_or(0);
  return absl::OkStatus();
}

bool JobStore::HasLease() {
  std::lock_guard lock(mutex_);
  const Result<std::optional<std::int64_t>> fence = connection_->QueryInt(kReadFence);
  return fence.ok() && *fence == fence_;
}

Result<SqliteTransaction> JobStore::BeginWrite() {
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
  TRY(const std::optional<std::int64_t> fence, connection_->QueryInt(kReadFence));
  if (fence == fence_) return transaction;
  superseded_ = true;
  return absl::FailedPreconditionError(
      StrCat(connection_->path(), ": another instance of dataprep has taken over the jobs (lease ",
             fence.value_or(0), ", this one had ", fence_, "); call that one"));
}

Status JobStore::WriteEntry(const std::string& id, std::uint32_t number, const JobEntry& entry) {
  const std::string source = entry.source.SerializeAsString();
  const std::string progress = entry.progress.SerializeAsString();
  return connection_->Run(
      "INSERT INTO entries (job, number, parent, source, progress) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT (job, number) DO UPDATE SET progress = excluded.progress",
      id, number, entry.parent, Bytes(source), Bytes(progress));
}

Status JobStore::Insert(const StoredJob& job) {
  std::lock_guard lock(mutex_);
  TRY(SqliteTransaction transaction, BeginWrite());
  const std::string header = job.job.SerializeAsString();
  const std::string request = job.request.SerializeAsString();
  TRY(connection_->Run(
      "INSERT INTO jobs (id, created_ms, state, job, request) VALUES (?, ?, ?, ?, ?)", job.job.id(),
      job.job.created_ms(), static_cast<int>(job.job.state()), Bytes(header), Bytes(request)));
  for (std::uint32_t i = 0; i < job.entries.size(); ++i)
    TRY(WriteEntry(job.job.id(), i, job.entries[i]));
  return transaction.Commit();
}

Status JobStore::Save(const StoredJob& changes, std::span<const std::uint32_t> numbers) {
  std::lock_guard lock(mutex_);
  TRY(SqliteTransaction transaction, BeginWrite());
  const std::string header = changes.job.SerializeAsString();
  TRY(connection_->Run("UPDATE jobs SET state = ?, job = ? WHERE id = ?",
                       static_cast<int>(changes.job.state()), Bytes(header), changes.job.id()));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    TRY(WriteEntry(changes.job.id(), numbers[i], changes.entries[i]));
  return transaction.Commit();
}

Result<StoredJob> JobStore::Load(const std::string& id) {
  std::lock_guard lock(mutex_);
  StoredJob stored;
  {
    TRY(SqliteStatement select, connection_->Prepare("SELECT job, request FROM jobs WHERE id = ?"));
    select.Bind(id);
    TRY(const bool found, select.Step());
    if (!found) return absl::NotFoundError(StrCat("job ", id, " does not exist"));
    TRY(Parse(select.Blob(0), stored.job));
    TRY(Parse(select.Blob(1), stored.request));
  }
  TRY(SqliteStatement select, connection_->Prepare("SELECT parent, source, progress FROM entries "
                                                   "WHERE job = ? ORDER BY number"));
  select.Bind(id);
  while (true) {
    TRY(const bool row, select.Step());
    if (!row) return stored;
    JobEntry entry;
    if (!select.IsNull(0)) entry.parent = static_cast<std::uint32_t>(select.Int(0));
    TRY(Parse(select.Blob(1), entry.source));
    TRY(Parse(select.Blob(2), entry.progress));
    stored.entries.push_back(std::move(entry));
  }
}

Result<std::vector<std::string>> JobStore::Unfinished() {
  std::lock_guard lock(mutex_);
  TRY(SqliteStatement select,
      connection_->Prepare("SELECT id FROM jobs WHERE state < ? ORDER BY created_ms, id"));
  select.Bind(static_cast<int>(v1::JOB_STATE_DONE));
  std::vector<std::string> ids;
  while (true) {
    TRY(const bool row, select.Step());
    if (!row) return ids;
    ids.emplace_back(select.Text(0));
  }
}

Result<std::vector<v1::Job>> JobStore::List(std::uint32_t limit) {
  std::lock_guard lock(mutex_);
  TRY(SqliteStatement select,
      connection_->Prepare("SELECT job FROM jobs ORDER BY created_ms DESC, id DESC LIMIT ?"));
  select.Bind(limit);
  std::vector<v1::Job> jobs;
  while (true) {
    TRY(const bool row, select.Step());
    if (!row) return jobs;
    TRY(Parse(select.Blob(0), jobs.emplace_back()));
  }
}

Status JobStore::Trim(std::uint32_t keep) {
  std::lock_guard lock(mutex_);
  TRY(SqliteTransaction transaction, BeginWrite());
  TRY(connection_->Run(
      "DELETE FROM jobs WHERE state >= ? AND id NOT IN "
      "(SELECT id FROM jobs WHERE state >= ? ORDER BY created_ms DESC, id DESC LIMIT ?)",
      static_cast<int>(v1::JOB_STATE_DONE), static_cast<int>(v1::JOB_STATE_DONE), keep));
  return transaction.Commit();
}

}  // namespace tessera
