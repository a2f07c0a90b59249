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

// A half-written document without a resume key can be found by no one again; one with a key waits
// for a while.
Status ClearDeadRuns(SqliteConnection& db, std::chrono::seconds kept) {
  const std::int64_t now = WallMillis();
  const std::int64_t oldest = now - std::chrono::milliseconds(kept).count();
  TRY(db.Run("DELETE FROM ended_keys WHERE ended_ms < ?",
             now - std::chrono::milliseconds(kEndedKeysKept).count()));
  return db.Run(
      "UPDATE documents SET state = 2 WHERE state = 0 AND (resume_key = '' OR updated_ms < ?)",
      oldest);
}

// When words are counted in another way than the file's, all are counted anew, in one transaction.
Status RenewTerms(SqliteConnection& db) {
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

// Collects the rows of one document that follow one another, so that the index is locked once for
// them.
class Loader {
 public:
  void Begin(std::int64_t document, std::shared_ptr<CollectionIndex> index) {
    if (document == document_) return;
    Flush();
    document_ = document;
    index_ = std::move(index);
  }
  void Add(IndexRow row) { rows_.push_back(std::move(row)); }
  std::uint32_t dimension() const { return index_->dimension(); }
  void Flush() {
    if (!rows_.empty()) index_->AddRows(document_, std::move(rows_));
    rows_.clear();
  }

 private:
  std::int64_t document_ = 0;
  std::shared_ptr<CollectionIndex> index_;
  std::vector<IndexRow> rows_;
};

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

}  // namespace

Result<LocalRetrieval::Indexes> LocalRetrieval::LoadIndexes(SqliteConnection& db,
                                                            std::int64_t only_collection) {
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
  Loader loader;
  std::uint64_t damaged = 0;
  for (;;) {
    TRY(const bool found, rows.Step());
    if (!found) break;
    const std::int64_t document = rows.Int(1);
    const auto index = index_of_document.find(document);
    if (index == index_of_document.end()) continue;
    loader.Begin(document, index->second);
    IndexRow row;
    TRY(const bool whole, ReadRow(db, rows, loader.dimension(), row));
    if (whole)
      loader.Add(std::move(row));
    else
      ++damaged;
  }
  loader.Flush();
  if (damaged > 0) {
    Log(LogLevel::kError, "chunks without a usable vector are left out of the search",
        {{"file", db.path()}, {"chunks", damaged}});
  }
  return indexes;
}

Result<std::unique_ptr<LocalRetrieval>> LocalRetrieval::Open(Config config, const DataFolder& data,
                                                             Executor& blocking) {
  TRY(std::unique_ptr<SqliteConnection> writer,
      SqliteConnection::Open(data.Path("tessera.db"), {.cache_bytes = 16 << 20}));
  TRY(MigrateSqlite(*writer, RetrievalMigrations()));
  TRY(ClearDeadRuns(*writer, config.unfinished_kept));
  TRY(RenewTerms(*writer));
  TRY(Indexes indexes, LoadIndexes(*writer));
  std::unique_ptr<LocalRetrieval> retrieval(
      new LocalRetrieval(config, data, blocking, std::move(writer)));
  retrieval->indexes_ = std::move(indexes);
  retrieval->RemoveStrayGraphs();
  retrieval->WantSweep();
  return retrieval;
}

}  // namespace tessera
