// Background work: the rows of removed documents, originals that nothing refers to, indexes that
// are mostly dead.

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "runtime/timer.h"
#include "services/retrieval/local_retrieval.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::int64_t kChunksAStep = 256;  // a step holds the writer for a few milliseconds
constexpr std::int64_t kDocumentsAStep = 256;
constexpr std::size_t kOriginalsAStep = 64;
constexpr auto kEndedDocumentsKept = std::chrono::minutes(10);  // longer than any call is retried
constexpr auto kPause = std::chrono::milliseconds(200);

struct Purged {
  std::int64_t rows = 0;
  bool more = false;
};

Result<Purged> PurgeDocument(SqliteConnection& db, std::int64_t document, std::int64_t rows_max) {
  Purged purged;
  {
    TRY(SqliteStatement chunks, db.Prepare("SELECT id FROM chunks WHERE document = ? LIMIT ?"));
    chunks.Bind(document, rows_max);
    for (;;) {
      TRY(const bool row, chunks.Step());
      if (!row) break;
      TRY(db.Run("DELETE FROM chunk_index WHERE chunk = ?", chunks.Int(0)));
      ++purged.rows;
    }
  }
  TRY(db.Run("DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE document = ? LIMIT ?)",
             document, rows_max));
  purged.more = purged.rows == rows_max;
  if (purged.more) return purged;
  TRY(db.Run("DELETE FROM metadata WHERE document = ?", document));
  TRY(
      db.Run("INSERT OR REPLACE INTO ended_documents SELECT public_id, ? FROM documents "
             "WHERE id = ?",
             WallMillis(), document));
  TRY(db.Run("DELETE FROM documents WHERE id = ?", document));
  return purged;
}

// The number of documents and rows dealt with; 0: nothing is left.
Result<std::int64_t> PurgeStep(SqliteConnection& db) {
  TRY(
      db.Run("UPDATE documents SET state = 2 WHERE id IN (SELECT d.id FROM documents d JOIN "
             "collections c ON c.id = d.collection WHERE c.removed = 1 AND d.state < 2 LIMIT ?)",
             kDocumentsAStep));
  std::int64_t done = db.Changes();
  std::vector<std::int64_t> documents;
  {
    TRY(SqliteStatement removed, db.Prepare("SELECT id FROM documents WHERE state = 2 LIMIT ?"));
    removed.Bind(kDocumentsAStep);
    for (;;) {
      TRY(const bool row, removed.Step());
      if (!row) break;
      documents.push_back(removed.Int(0));
    }
  }
  std::int64_t rows = 0;
  for (const std::int64_t document : documents) {
    if (rows >= kChunksAStep) break;
    TRY(const Purged purged, PurgeDocument(db, document, kChunksAStep - rows));
    rows += purged.rows;
    ++done;
    if (purged.more) break;
  }
  TRY(db.Run("DELETE FROM ended_documents WHERE ended_ms < ?",
             WallMillis() - std::chrono::milliseconds(kEndedDocumentsKept).count()));
  TRY(
      db.Run("DELETE FROM collections WHERE removed = 1 AND NOT EXISTS "
             "(SELECT 1 FROM documents d WHERE d.collection = collections.id)"));
  return done;
}

bool IsOldFile(const std::string& path, std::chrono::seconds kept) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  return WallMillis() - info.st_mtim.tv_sec * 1000 >= std::chrono::milliseconds(kept).count();
}

Result<bool> IsNamed(SqliteConnection& db, const std::string& original) {
  TRY(const std::optional<std::int64_t> used,
      db.QueryInt("SELECT 1 FROM documents WHERE original = ? AND state < 2 LIMIT 1", original));
  return used.has_value();
}

}  // namespace

void LocalRetrieval::WantSweep() {
  if (!gate_.active()) return;
  if (sweep_coming_.exchange(true)) return;
  if (!background_.Spawn(blocking_, SweepSoon())) sweep_coming_ = false;
}

Task<void> LocalRetrieval::SweepSoon() {
  const Ctx ctx = SystemCtx(background_.token());
  const Status slept = co_await SleepFor(ctx, kPause);
  sweep_coming_ = false;
  if (!slept.ok()) co_return;
  const Status swept = co_await Sweep(ctx);
  if (!swept.ok() && !absl::IsCancelled(swept))
    Log(LogLevel::kWarning, "clearing up after removed documents failed",
        {{"why", swept.ToString()}});
  if (originals_coming_.exchange(true)) co_return;
  if (!background_.Spawn(blocking_, RemoveOriginalsLater())) originals_coming_ = false;
}

Task<void> LocalRetrieval::RemoveOriginalsLater() {
  const Ctx ctx = SystemCtx(background_.token());
  const Status slept = co_await SleepFor(ctx, config_.original_kept + std::chrono::seconds(1));
  originals_coming_ = false;
  if (!slept.ok()) co_return;
  const Status removed = co_await RemoveOriginals(ctx);
  if (!removed.ok())
    Log(LogLevel::kWarning, "removing unused originals failed", {{"why", removed.ToString()}});
}

Task<Status> LocalRetrieval::Sweep(Ctx ctx) {
  for (;;) {
    auto step = [](SqliteConnection& db, Undo&) { return PurgeStep(db); };
    const std::optional<WriteGate::Pass> pass = gate_.TryEnter();
    if (!pass) co_return absl::OkStatus();  // whoever writes now sweeps
    CO_TRY(const std::int64_t done, co_await WriteNow<std::int64_t>(ctx, std::move(step)));
    if (done == 0) break;
  }
  CO_TRY(co_await RemoveOriginals(ctx));
  CO_TRY(co_await CompactIndexes(ctx));
  WantGraphs();
  co_return absl::OkStatus();
}

// Old enough, so that none belongs to a document that is about to begin (see KeepOriginal), and
// named by none. Blocks.
Result<std::vector<std::string>> LocalRetrieval::UnusedOriginals() {
  namespace fs = std::filesystem;
  TRY(SqliteReaders::Lease db, readers_.Take());
  std::vector<std::string> unused;
  std::error_code error;
  for (fs::recursive_directory_iterator it(data_.Path("originals"), error), end;
       !error && it != end; it.increment(error)) {
    if (!IsOldFile(it->path().string(), config_.original_kept)) continue;
    const std::string relative = fs::relative(it->path(), data_.path(), error).string();
    TRY(const bool used, IsNamed(*db, relative));
    if (!used) unused.push_back(relative);
  }
  return unused;
}

// As writes: the lease is checked and held while files go, so that one that writes no more can
// remove nothing that its successor has come to need.
Task<Status> LocalRetrieval::RemoveOriginals(Ctx ctx) {
  auto find = [this] { return UnusedOriginals(); };
  CO_TRY(const std::vector<std::string> unused, co_await RunOn(blocking_, std::move(find)));
  for (std::size_t first = 0; first < unused.size(); first += kOriginalsAStep) {
    const std::span step =
        std::span(unused).subspan(first, std::min(kOriginalsAStep, unused.size() - first));
    const std::optional<WriteGate::Pass> pass = gate_.TryEnter();
    if (!pass) co_return absl::OkStatus();
    Write write;
    write.alone = true;
    write.apply = [this, step](SqliteConnection& db) -> Status {
      // A backup links originals, or a document is about to name one: later.
      TRY(const auto own, data_.TryOwnOriginals());
      if (!own) return absl::OkStatus();
      for (const std::string& relative : step) {
        const std::string path = data_.Path(relative);
        TRY(const bool used, IsNamed(db, relative));
        if (!used && IsOldFile(path, config_.original_kept)) ::unlink(path.c_str());
      }
      return absl::OkStatus();
    };
    CO_TRY(co_await writes_.Run(ctx, std::move(write)));
  }
  co_return absl::OkStatus();
}

Task<Status> LocalRetrieval::CompactIndexes(Ctx ctx) {
  std::vector<std::int64_t> wanted;
  {
    std::lock_guard lock(indexes_mutex_);
    for (const auto& [id, index] : indexes_) {
      const CollectionIndex::Size size = index->size();
      if (size.dead_rows > config_.dead_rows_max && size.dead_rows * 4 > size.rows)
        wanted.push_back(id);
    }
  }
  for (const std::int64_t id : wanted) {
    // As a write of its own: nothing else changes the index meanwhile, and searches go on with the
    // old one until the new one holds.
    Indexes renewed;
    Write write;
    write.alone = true;
    write.apply = [&](SqliteConnection& db) -> Status {
      // Nobody who hands over waits for it.
      TRY(renewed, LoadIndexes(db, id, [this] { return gate_.active(); }));
      return absl::OkStatus();
    };
    write.committed = [&] {
      if (const auto index = renewed.find(id); index != renewed.end()) PutIndex(id, index->second);
    };
    const std::optional<WriteGate::Pass> pass = gate_.TryEnter();
    if (!pass) co_return absl::OkStatus();
    CO_TRY(co_await writes_.Run(ctx, std::move(write)));
  }
  co_return absl::OkStatus();
}

}  // namespace tessera
