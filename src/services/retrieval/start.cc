// Opening: schema, what dead runs left, the index.

#include <optional>

#include "base/clock.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

// An unfinished job is resumed with the next start, however long after.
constexpr std::chrono::hours kEndedKeysKept{24 * 90};

// False: the row is damaged in a way that cannot be mended from the text.
Result<bool> ReadRow(SqliteConnection& db, const SqliteStatement& statement,
                     std::uint32_t dimension, IndexRow& row) {
  row.chunk = statement.Int(0);
  const auto terms = statement.Blob(2);
  const auto vector = statement.Blob(3);
  if (vector.size() != dimension * sizeof(Half)) return false;
  row.vector.resize(dimension);
  if (dimension > 0) std::memcpy(row.vector.data(), vector.data(), vector.size());
  if (TermCounts::Decode({reinterpret_cast<const char*>(terms.data()), terms.size()}, row.terms))
    return true;
  TRY(SqliteStatement text, db.Prepare("SELECT text, heading FROM chunks WHERE id = ?"));
  text.Bind(row.chunk);
  TRY(const bool found, text.Step());
  if (found) row.terms = TermCounts::Of(text.Text(0), text.Text(1));
  return found;
}

// Puts `rows` (chunk, document, terms, vector) into the index that `index_of` names for their
// document, if any. Those that follow one another go together, so that the index is locked once for
// them. Returns the last chunk.
template <class IndexOf>
Result<std::int64_t> LoadRows(SqliteConnection& db, SqliteStatement& rows, IndexOf index_of) {
  std::int64_t document = 0;
  std::int64_t last = 0;
  std::shared_ptr<CollectionIndex> index;
  std::vector<IndexRow> together;
  std::uint64_t damaged = 0;
  const auto flush = [&] {
    if (!together.empty()) index->AddRows(document, std::exchange(together, {}));
  };
  for (;;) {
    TRY(const bool found, rows.Step());
    if (!found) break;
    last = rows.Int(0);
    if (rows.Int(1) != document) {
      flush();
      document = rows.Int(1);
      TRY(index, index_of(document));
    }
    if (index == nullptr) continue;
    IndexRow row;
    TRY(const bool whole, ReadRow(db, rows, index->dimension(), row));
    if (whole)
      together.push_back(std::move(row));
    else
      ++damaged;
  }
  flush();
  if (damaged > 0) {
    Log(LogLevel::kError, "chunks without a usable vector are left out of the search",
        {{"file", db.path()}, {"chunks", damaged}});
  }
  return last;
}

}  // namespace

// A half-written document without a resume key can be found by no one again; one with a key waits
// for a while.
Status LocalRetrieval::ClearDeadRuns(SqliteConnection& db, std::chrono::seconds kept) {
  const std::int64_t now = WallMillis();
  const std::int64_t oldest = now - std::chrono::milliseconds(kept).count();
  TRY(db.Run("DELETE FROM ended_keys WHERE ended_ms < ?",
             now - std::chrono::milliseconds(kEndedKeysKept).count()));
  return db.Run(
      "UPDATE documents SET state = 2 WHERE state = 0 AND (resume_key = '' OR updated_ms < ?)",
      oldest);
}

// When words are counted in another way than the file's, all are counted anew, in one transaction.
Status LocalRetrieval::RenewTerms(SqliteConnection& db) {
  TRY(const std::optional<std::int64_t> version,
      db.QueryInt("SELECT value FROM meta WHERE key = 'terms_version'"));
  if (version == kTermsVersion) return absl::OkStatus();
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(db));
  {
    TRY(SqliteStatement chunks, db.Prepare("SELECT id, text, heading FROM chunks"));
    for (;;) {
      TRY(const bool row, chunks.Step());
      if (!row) break;
      const std::string terms = TermCounts::Of(chunks.Text(1), chunks.Text(2)).Encode();
      TRY(db.Run("UPDATE chunk_index SET terms = ? WHERE chunk = ?",
                 std::as_bytes(std::span(terms.data(), terms.size())), chunks.Int(0)));
    }
  }
  TRY(db.Run("UPDATE meta SET value = ? WHERE key = 'terms_version'", kTermsVersion));
  return transaction.Commit();
}

Result<LocalRetrieval::Indexes> LocalRetrieval::LoadIndexes(SqliteConnection& db,
                                                            std::int64_t only_collection,
                                                            const std::function<bool()>& wanted) {
  TRY(const std::uint64_t seq, ReadSeq(db));
  Indexes indexes;
  TRY(SqliteStatement collections,
      db.Prepare(
          "SELECT id, dimension FROM collections WHERE removed = 0 AND (?1 = 0 OR id = ?1)"));
  collections.Bind(only_collection);
  for (;;) {
    TRY(const bool row, collections.Step());
    if (!row) break;
    indexes[collections.Int(0)] =
        std::make_shared<CollectionIndex>(static_cast<std::uint32_t>(collections.Int(1)), seq);
  }

  std::unordered_map<std::int64_t, IndexPtr> index_of_document;
  TRY(SqliteStatement documents,
      db.Prepare("SELECT id, collection, state, title, name FROM documents WHERE state IN (0, 1)"));
  for (;;) {
    TRY(const bool row, documents.Step());
    if (!row) break;
    const auto index = indexes.find(documents.Int(1));
    if (index == indexes.end()) continue;
    const std::int64_t id = documents.Int(0);
    index_of_document[id] = index->second;
    if (documents.Int(2) == static_cast<int>(DocumentState::kCommitted))
      index->second->Publish(id, 0, StrCat(documents.Text(3), " ", documents.Text(4)));
  }

  TRY(SqliteStatement rows, db.Prepare("SELECT chunk, document, terms, vector FROM chunk_index"));
  const auto index_of = [&](std::int64_t document) -> Result<IndexPtr> {
    if (wanted && !wanted()) return absl::CancelledError("the index is not wanted any more");
    const auto index = index_of_document.find(document);
    return index == index_of_document.end() ? nullptr : index->second;
  };
  TRY(LoadRows(db, rows, index_of));
  return indexes;
}

// Passages that came since the last time; numbers only rise. Of collections in `whole` all are
// there already.
Status LocalRetrieval::CatchUpRows(SqliteConnection& db,
                                   const std::unordered_set<std::int64_t>& whole) {
  const auto index_of = [&](std::int64_t document) -> Result<IndexPtr> {
    TRY(const std::optional<std::int64_t> collection,
        db.QueryInt("SELECT collection FROM documents WHERE id = ? AND state < 2", document));
    if (!collection || whole.contains(*collection)) return nullptr;
    return FindIndex(*collection);
  };
  TRY(SqliteStatement rows,
      db.Prepare("SELECT chunk, document, terms, vector FROM chunk_index WHERE chunk > ? "
                 "ORDER BY chunk"));
  rows.Bind(last_chunk_.value_or(0));
  TRY(const std::int64_t last, LoadRows(db, rows, index_of));
  last_chunk_ = std::max(last_chunk_.value_or(0), last);
  return absl::OkStatus();
}

Result<bool> LocalRetrieval::SchemaIsReady(SqliteConnection& db) {
  TRY(const std::optional<std::int64_t> version, db.QueryInt("PRAGMA user_version"));
  const std::int64_t newest = RetrievalMigrations().back().version;
  if (version.value_or(0) < newest) return false;
  if (version.value_or(0) > newest) TRY(MigrateSqlite(db, RetrievalMigrations()));  // says why not
  TRY(const std::optional<std::int64_t> terms,
      db.QueryInt("SELECT value FROM meta WHERE key = 'terms_version'"));
  return terms == kTermsVersion;
}

Status LocalRetrieval::MakeSchemaReady() {
  TRY(const auto db, SqliteConnection::Open(data_.Path("tessera.db")));
  TRY(const bool ready, SchemaIsReady(*db));
  if (ready) return absl::OkStatus();
  TRY(MigrateSqlite(*db, RetrievalMigrations()));
  TRY(RenewTerms(*db));
  // What was loaded from the old form is loaded anew.
  std::lock_guard following(follow_mutex_);
  last_chunk_.reset();
  return absl::OkStatus();
}

Result<std::unique_ptr<LocalRetrieval>> LocalRetrieval::Make(Config config, const DataFolder& data,
                                                             Executor& blocking,
                                                             Retrieval* successor) {
  TRY(std::unique_ptr<SqliteConnection> writer,
      SqliteConnection::Open(data.Path("tessera.db"), {.cache_bytes = 16 << 20}));
  return std::unique_ptr<LocalRetrieval>(
      new LocalRetrieval(config, data, blocking, successor, std::move(writer)));
}

Result<std::unique_ptr<LocalRetrieval>> LocalRetrieval::Open(Config config, const DataFolder& data,
                                                             Executor& blocking,
                                                             Retrieval* successor) {
  TRY(std::unique_ptr<LocalRetrieval> retrieval, Make(config, data, blocking, successor));
  TRY(SyncWait(retrieval->ActivateAs(SystemCtx(), Start::kFirst)));
  retrieval->RemoveStrayGraphs();
  return retrieval;
}

Result<std::unique_ptr<LocalRetrieval>> LocalRetrieval::OpenStandby(Config config,
                                                                    const DataFolder& data,
                                                                    Executor& blocking,
                                                                    Retrieval* successor) {
  TRY(std::unique_ptr<LocalRetrieval> retrieval, Make(config, data, blocking, successor));
  {
    TRY(SqliteReaders::Lease db, retrieval->readers_.Take());
    TRY(SqliteTransaction snapshot, SqliteTransaction::Begin(*db, SqliteTransaction::Kind::kRead));
    TRY(const bool ready, retrieval->SchemaIsReady(*db));
    if (!ready) return retrieval;
    std::lock_guard following(retrieval->follow_mutex_);
    TRY(retrieval->LoadAll(*db));
  }
  TRY(retrieval->GrowGraphs(Graphs::kLoad));
  retrieval->background_.Spawn(blocking, retrieval->FollowWhileStandby());
  return retrieval;
}

}  // namespace tessera
