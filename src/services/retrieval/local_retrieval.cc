#include "services/retrieval/local_retrieval.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/str.h"
#include "services/retrieval/backup.h"

namespace tessera {
namespace {

constexpr std::uint32_t kPageDefault = 100;
constexpr std::uint32_t kPageMax = 1000;
constexpr std::uint32_t kDimensionMax = 8192;

std::uint32_t PageSize(std::uint32_t limit) {
  return limit == 0 ? kPageDefault : std::min(limit, kPageMax);
}

Status CheckCollectionName(const std::string& name) {
  const auto first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto rest = [&](char c) { return first(c) || c == '_' || c == '-'; };
  if (!name.empty() && name.size() <= 64 && first(name[0]) &&
      std::all_of(name.begin(), name.end(), rest) && !name.starts_with("vs_"))
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      "name: want 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit, not with "
      "\"vs_\"");
}

// A collection that was made without an embedder and is still empty takes the one that is named
// now. False: there is no such collection.
Result<bool> ApplyEmbedder(SqliteConnection& db, const v1::CreateCollectionRequest& request) {
  const v1::Embedder& embedder = request.embedder();
  if (embedder.dimension() == 0) return false;
  const Result<CollectionRecord> found = FindCollection(db, request.name());
  if (!found.ok() || found->message.embedder().dimension() > 0 || found->message.documents() > 0) {
    return false;
  }
  TRY(db.Run("UPDATE collections SET model = ?, digest = ?, dimension = ? WHERE id = ?",
             embedder.model(), embedder.digest(), embedder.dimension(), found->id));
  return true;
}

Result<v1::Collection> ApplyCreate(SqliteConnection& db, const v1::CreateCollectionRequest& request,
                                   std::uint32_t collections_max) {
  TRY(const std::optional<std::int64_t> count,
      db.QueryInt("SELECT count(*) FROM collections WHERE removed = 0"));
  if (count.value_or(0) >= collections_max) {
    return absl::ResourceExhaustedError(
        StrCat("there are ", *count, " collections already; delete one, or raise collections_max"));
  }
  TRY(const bool adopted, ApplyEmbedder(db, request));
  if (adopted) {
    TRY(CollectionRecord record, FindCollection(db, request.name()));
    return std::move(record.message);
  }
  const std::int64_t now = WallMillis();
  const v1::Embedder& embedder = request.embedder();
  Status status = db.Run(
      "INSERT INTO collections (public_id, name, model, digest, dimension, created_ms, updated_ms) "
      "VALUES (?,?,?,?,?,?,?)",
      NewId("vs_"), request.name(), embedder.model(), embedder.digest(), embedder.dimension(), now,
      now);
  if (absl::IsAlreadyExists(status))
    return absl::AlreadyExistsError(
        StrCat("there is a collection \"", request.name(), "\" already"));
  if (!status.ok()) return status;
  TRY(CollectionRecord record, FindCollection(db, request.name()));
  return std::move(record.message);
}

// A token of ours (the row of the last document), or the id of a document to go on after.
Result<std::int64_t> PageStart(SqliteConnection& db, const std::string& token) {
  std::int64_t row = 0;
  if (absl::SimpleAtoi(token, &row) && row >= 0) return row;
  TRY(const std::optional<std::int64_t> found,
      db.QueryInt("SELECT id FROM documents WHERE public_id = ?", token));
  if (!found) return absl::InvalidArgumentError("page_token: not one of this listing; start again");
  return *found;
}

Result<v1::ListDocumentsReply> ListNow(SqliteConnection& db,
                                       const v1::ListDocumentsRequest& request) {
  TRY(const CollectionRecord collection, FindCollection(db, request.collection()));
  std::int64_t after = 0;
  if (!request.page_token().empty()) {
    TRY(after, PageStart(db, request.page_token()));
  }
  const std::uint32_t limit = PageSize(request.limit());
  TRY(SqliteStatement statement,
      db.Prepare(StrCat(kSelectDocument, "WHERE d.state = 1 AND d.collection = ?1 AND d.id > ?2 ",
                        request.name().empty() ? "" : "AND d.name = ?4 ",
                        "ORDER BY d.id LIMIT ?3")));
  statement.Bind(collection.id, after, limit + 1);
  if (!request.name().empty()) statement.BindOne(4, request.name());
  v1::ListDocumentsReply reply;
  std::int64_t last = 0;
  for (;;) {
    TRY(const bool row, statement.Step());
    if (!row) break;
    if (reply.documents_size() == static_cast<int>(limit)) {
      reply.set_next_page_token(StrCat(last));
      break;
    }
    DocumentRecord record = ReadDocument(statement);
    TRY(ReadMetadata(db, record));
    last = record.id;
    *reply.add_documents() = std::move(record.message);
  }
  return reply;
}

Result<v1::ListChunksReply> ListChunksNow(SqliteConnection& db,
                                          const v1::ListChunksRequest& request) {
  TRY(const DocumentRecord document, FindDocument(db, request.document_id()));
  if (document.state != DocumentState::kCommitted)
    return absl::NotFoundError(StrCat("there is no document \"", request.document_id(), "\""));
  TRY(SqliteStatement statement,
      db.Prepare("SELECT ordinal, text, heading, page, start, end FROM chunks "
                 "WHERE document = ? AND ordinal >= ? ORDER BY ordinal LIMIT ?"));
  statement.Bind(document.id, request.first(), PageSize(request.limit()));
  v1::ListChunksReply reply;
  reply.set_total(document.message.chunks());
  for (;;) {
    TRY(const bool row, statement.Step());
    if (!row) return reply;
    v1::Chunk& chunk = *reply.add_chunks();
    chunk.set_ordinal(static_cast<std::uint32_t>(statement.Int(0)));
    chunk.set_text(std::string(statement.Text(1)));
    chunk.set_heading(std::string(statement.Text(2)));
    chunk.set_page(static_cast<std::uint32_t>(statement.Int(3)));
    chunk.set_start(static_cast<std::uint64_t>(statement.Int(4)));
    chunk.set_end(static_cast<std::uint64_t>(statement.Int(5)));
  }
}

}  // namespace

void LocalRetrieval::Config::Describe(Fields<Config>& f) {
  f.Optional(
      "memory_max", &Config::memory_max,
      "Most memory for the search index of all collections; documents beyond it are refused.",
      16_MiB, Bytes{1ULL << 42});
  f.Optional("readers", &Config::readers, "Searches that read the disk at the same time.", 1u, 64u);
  f.Optional("collections_max", &Config::collections_max, "Most collections.", 1u, 100'000u);
  f.Optional("unfinished_kept", &Config::unfinished_kept,
             "How long a half-written document waits to be resumed after a crash.",
             std::chrono::minutes(1), std::chrono::hours(24 * 365));
  f.Optional("dead_rows_max", &Config::dead_rows_max,
             "Removed passages that a collection's index may hold before it is made anew.", 0u,
             100'000'000u);
  f.Optional(
      "exact_rows_max", &Config::exact_rows_max,
      "Passages of a collection up to which a search compares all vectors; above, it uses a graph.",
      1u, 100'000'000u);
  f.Optional("original_kept", &Config::original_kept,
             "How long an original that no document refers to stays on the disk.",
             std::chrono::seconds(0), std::chrono::hours(24 * 365));
}

LocalRetrieval::LocalRetrieval(Config config, const DataFolder& data, Executor& blocking,
                               Retrieval* successor, std::unique_ptr<SqliteConnection> writer)
    : config_(config),
      data_(data),
      blocking_(blocking),
      successor_(successor),
      readers_(data.Path("tessera.db"), config.readers),
      writes_(std::move(writer), blocking,
              [this](SqliteConnection& db) { return CheckLease(db); }) {}

LocalRetrieval::~LocalRetrieval() = default;

Task<Status> LocalRetrieval::Stop(Ctx ctx) {
  gate_.Stop();
  Status status = co_await background_.Stop(ctx);
  co_return status;
}

LocalRetrieval::IndexPtr LocalRetrieval::FindIndex(std::int64_t collection) const {
  std::lock_guard lock(indexes_mutex_);
  const auto found = indexes_.find(collection);
  return found == indexes_.end() ? nullptr : found->second;
}

void LocalRetrieval::PutIndex(std::int64_t collection, IndexPtr index) {
  std::lock_guard lock(indexes_mutex_);
  indexes_[collection] = std::move(index);
}

std::uint64_t LocalRetrieval::IndexMemory() const {
  std::lock_guard lock(indexes_mutex_);
  std::uint64_t memory = 0;
  for (const auto& [id, index] : indexes_) memory += index->size().memory;
  return memory;
}

Task<Result<v1::Collection>> LocalRetrieval::CreateCollection(Ctx ctx,
                                                              v1::CreateCollectionRequest request) {
  CO_TRY(CheckCollectionName(request.name()));
  if (request.embedder().dimension() > kDimensionMax)
    co_return absl::InvalidArgumentError(StrCat("embedder.dimension: at most ", kDimensionMax));
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->CreateCollection(std::move(ctx), std::move(request));
  auto apply = [this, &request](SqliteConnection& db, Undo& undo) -> Result<v1::Collection> {
    TRY(v1::Collection created, ApplyCreate(db, request, config_.collections_max));
    TRY(const CollectionRecord record, FindCollection(db, created.id()));
    TRY(const std::uint64_t seq, Advance(db));
    TRY(db.Run("UPDATE collections SET vectors_seq = ? WHERE id = ?", seq, record.id));
    const IndexPtr before = FindIndex(record.id);
    PutIndex(record.id, std::make_shared<CollectionIndex>(request.embedder().dimension(), seq));
    undo = [this, id = record.id, before] {
      std::lock_guard lock(indexes_mutex_);
      if (before) {
        indexes_[id] = before;
      } else {
        indexes_.erase(id);
      }
    };
    return created;
  };
  auto result = co_await WriteNow<v1::Collection>(ctx, std::move(apply));
  co_return result;
}

Task<Result<v1::ListCollectionsReply>> LocalRetrieval::ListCollections(
    Ctx ctx, v1::ListCollectionsRequest request) {
  CO_TRY(ctx.Check());
  auto read = [](SqliteConnection& db) -> Result<v1::ListCollectionsReply> {
    TRY(SqliteStatement statement,
        db.Prepare(StrCat(kSelectCollection, "WHERE removed = 0 ORDER BY name")));
    v1::ListCollectionsReply reply;
    for (;;) {
      TRY(const bool row, statement.Step());
      if (!row) return reply;
      *reply.add_collections() = ReadCollection(statement).message;
    }
  };
  auto result = co_await Read(std::move(read));
  co_return result;
}

Task<Result<v1::Collection>> LocalRetrieval::GetCollection(Ctx ctx,
                                                           v1::GetCollectionRequest request) {
  CO_TRY(ctx.Check());
  auto read = [&request](SqliteConnection& db) -> Result<v1::Collection> {
    TRY(CollectionRecord record, FindCollection(db, request.name()));
    return std::move(record.message);
  };
  auto result = co_await Read(std::move(read));
  co_return result;
}

Task<Result<v1::DeleteCollectionReply>> LocalRetrieval::DeleteCollection(
    Ctx ctx, v1::DeleteCollectionRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->DeleteCollection(std::move(ctx), std::move(request));
  // Its name is free at once; its documents follow in the background.
  std::int64_t id = 0;
  auto apply = [this, &request, &id](SqliteConnection& db,
                                     Undo&) -> Result<v1::DeleteCollectionReply> {
    TRY(const CollectionRecord record, FindCollection(db, request.name()));
    id = record.id;
    TRY(Advance(db));
    TRY(db.Run("UPDATE collections SET removed = 1, name = name || '#' || id WHERE id = ?", id));
    return v1::DeleteCollectionReply();
  };
  auto result = co_await WriteNow<v1::DeleteCollectionReply>(ctx, std::move(apply));
  if (!result.ok()) co_return result;
  {
    std::lock_guard lock(indexes_mutex_);
    indexes_.erase(id);
  }
  WantSweep();
  co_return result;
}

Task<Result<v1::ListDocumentsReply>> LocalRetrieval::ListDocuments(
    Ctx ctx, v1::ListDocumentsRequest request) {
  CO_TRY(ctx.Check());
  auto read = [&request](SqliteConnection& db) { return ListNow(db, request); };
  auto result = co_await Read(std::move(read));
  co_return result;
}

Task<Result<v1::Document>> LocalRetrieval::GetDocument(Ctx ctx, v1::GetDocumentRequest request) {
  CO_TRY(ctx.Check());
  auto read = [&request](SqliteConnection& db) -> Result<v1::Document> {
    TRY(DocumentRecord record, FindDocument(db, request.id()));
    if (record.state != DocumentState::kCommitted)
      return absl::NotFoundError(StrCat("there is no document \"", request.id(), "\""));
    TRY(ReadMetadata(db, record));
    return std::move(record.message);
  };
  auto result = co_await Read(std::move(read));
  co_return result;
}

Task<Result<v1::ListChunksReply>> LocalRetrieval::ListChunks(Ctx ctx,
                                                             v1::ListChunksRequest request) {
  CO_TRY(ctx.Check());
  auto read = [&request](SqliteConnection& db) { return ListChunksNow(db, request); };
  auto result = co_await Read(std::move(read));
  co_return result;
}

Task<Result<v1::BackupReply>> LocalRetrieval::Backup(Ctx ctx, v1::BackupRequest request) {
  CO_TRY(ctx.Check());
  if (request.folder().empty() || request.folder()[0] != '/')
    co_return absl::InvalidArgumentError("folder: want an absolute path on the server");
  auto write = [this, &request]() -> Result<v1::BackupReply> {
    // Originals stay while they are linked.
    TRY(const DataFolder::OriginalsLock shared, data_.ShareOriginals());
    TRY(const BackupSize size, WriteBackup(data_, request.folder()));
    v1::BackupReply reply;
    reply.set_bytes(size.bytes);
    reply.set_documents(size.documents);
    return reply;
  };
  auto result = co_await RunOn(blocking_, std::move(write));
  co_return result;
}

}  // namespace tessera
