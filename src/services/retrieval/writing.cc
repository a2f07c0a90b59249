// Documents written in three steps, and removed.

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/ids.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"

namespace tessera {
namespace {

constexpr std::size_t kNameMax = 2048;
constexpr std::size_t kTextMax = 64 << 10;
constexpr std::size_t kHeadingMax = 4 << 10;
constexpr int kChunksMax = 4096;
constexpr std::size_t kMetadataMax = 64;
constexpr std::size_t kKeyMax = 128;
constexpr std::size_t kValueMax = 4 << 10;

Status CheckMetadata(const google::protobuf::Map<std::string, std::string>& metadata) {
  if (metadata.size() > kMetadataMax)
    return absl::InvalidArgumentError(StrCat("metadata: at most ", kMetadataMax, " entries"));
  for (const auto& [key, value] : metadata) {
    if (key.empty() || key.size() > kKeyMax)
      return absl::InvalidArgumentError(StrCat("metadata: a key has 1 to ", kKeyMax, " bytes"));
    if (value.size() > kValueMax)
      return absl::InvalidArgumentError(
          StrCat("metadata.", key, ": at most ", kValueMax, " bytes"));
  }
  return absl::OkStatus();
}

// Vectors of two embedders never mix, also when the collection's has changed under a running job.
Status CheckEmbedder(const v1::Embedder& will_write, const v1::Collection& collection) {
  const v1::Embedder& embedder = collection.embedder();
  const bool unknown = will_write.model().empty() || embedder.model().empty();
  const bool same = will_write.model() == embedder.model() &&
                    (will_write.digest() == embedder.digest() || will_write.digest().empty() ||
                     embedder.digest().empty());
  if (unknown || same) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("collection \"", collection.name(), "\" is embedded by \"", embedder.model(),
             "\" now, not by \"", will_write.model(), "\"; ingest the document again"));
}

Status CheckBegin(const v1::BeginDocumentRequest& request) {
  const v1::Document& document = request.document();
  if (document.name().empty() || document.name().size() > kNameMax)
    return absl::InvalidArgumentError(StrCat("document.name: want 1 to ", kNameMax, " bytes"));
  if (!document.original().empty()) {
    TRY(const std::string path, DataFolder::OriginalPath(document.sha256()));
    if (path != document.original())
      return absl::InvalidArgumentError(
          StrCat("document.original: want \"", path, "\", where KeepOriginal puts it"));
  }
  return CheckMetadata(document.metadata());
}

// Everything that needs no database: limits, words counted, vectors as halves.
Result<std::vector<IndexRow>> PrepareRows(const v1::AppendChunksRequest& request) {
  if (request.chunks_size() > kChunksMax)
    return absl::InvalidArgumentError(StrCat("chunks: at most ", kChunksMax, " a call"));
  std::vector<IndexRow> rows;
  rows.reserve(static_cast<std::size_t>(request.chunks_size()));
  std::uint32_t next = request.chunks_size() > 0 ? request.chunks(0).ordinal() : 0;
  for (const v1::Chunk& chunk : request.chunks()) {
    if (chunk.ordinal() != next++)
      return absl::InvalidArgumentError("chunks: ordinals must follow one another");
    if (chunk.text().size() > kTextMax || chunk.heading().size() > kHeadingMax)
      return absl::InvalidArgumentError(
          StrCat("chunks: at most ", kTextMax, " bytes of text and ", kHeadingMax, " of heading"));
    IndexRow& row = rows.emplace_back();
    row.terms = TermCounts::Of(chunk.text(), chunk.heading());
    const std::span<const float> values(chunk.vector().data(),
                                        static_cast<std::size_t>(chunk.vector_size()));
    for (const float value : values)
      if (!std::isfinite(value))
        return absl::InvalidArgumentError("chunks: vector: has a number that is not finite");
    row.vector = NormalisedHalves(values);
  }
  return rows;
}

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Status InsertChunk(SqliteConnection& db, std::int64_t document, const v1::Chunk& chunk,
                   IndexRow& row) {
  TRY(
      db.Run("INSERT INTO chunks (document, ordinal, text, heading, page, start, end) "
             "VALUES (?,?,?,?,?,?,?)",
             document, chunk.ordinal(), chunk.text(), chunk.heading(), chunk.page(), chunk.start(),
             chunk.end()));
  row.chunk = db.LastRowId();
  const std::string terms = row.terms.Encode();
  return db.Run("INSERT INTO chunk_index (chunk, document, terms, vector) VALUES (?,?,?,?)",
                row.chunk, document, AsBytes(terms), std::as_bytes(std::span(row.vector)));
}

void Chain(std::function<void()>& undo, std::function<void()> step) {
  undo = [before = std::move(undo), step = std::move(step)] {
    step();
    if (before) before();
  };
}

}  // namespace

Result<v1::BeginDocumentReply> LocalRetrieval::ApplyBegin(SqliteConnection& db,
                                                          const v1::BeginDocumentRequest& request) {
  const v1::Document& document = request.document();
  TRY(const CollectionRecord collection, FindCollection(db, document.collection()));
  TRY(CheckEmbedder(request.embedder(), collection.message));
  v1::BeginDocumentReply reply;
  if (!document.sha256().empty()) {
    TRY(SqliteStatement same,
        db.Prepare("SELECT public_id, chunks FROM documents "
                   "WHERE collection = ? AND name = ? AND sha256 = ? AND state = 1"));
    same.Bind(collection.id, document.name(), document.sha256());
    TRY(const bool unchanged, same.Step());
    if (unchanged) {
      reply.set_id(std::string(same.Text(0)));
      reply.set_next_ordinal(static_cast<std::uint32_t>(same.Int(1)));
      reply.set_unchanged(true);
      return reply;
    }
  }
  const std::int64_t now = WallMillis();
  if (!request.resume_key().empty()) {
    TRY(const std::optional<std::int64_t> ended,
        db.QueryInt("SELECT 1 FROM ended_keys WHERE resume_key = ?", request.resume_key()));
    if (ended) {
      reply.set_unchanged(true);
      return reply;
    }
    TRY(SqliteStatement unfinished,
        db.Prepare("SELECT public_id, chunks FROM documents WHERE resume_key = ? AND state = 0 "
                   "AND resume_key <> '' AND collection = ? AND name = ? AND sha256 = ?"));
    unfinished.Bind(request.resume_key(), collection.id, document.name(), document.sha256());
    TRY(const bool found, unfinished.Step());
    if (found) {
      reply.set_id(std::string(unfinished.Text(0)));
      reply.set_next_ordinal(static_cast<std::uint32_t>(unfinished.Int(1)));
      return reply;
    }
    // What another content left under this key will never be finished.
    TRY(
        db.Run("UPDATE documents SET state = 2, updated_ms = ? WHERE resume_key = ? AND state = 0 "
               "AND resume_key <> ''",
               now, request.resume_key()));
  }
  reply.set_id(NewId("file-"));
  TRY(
      db.Run("INSERT INTO documents (public_id, collection, state, name, title, media_type, bytes, "
             "sha256, original, pages, created_ms, updated_ms, resume_key) "
             "VALUES (?,?,0,?,?,?,?,?,?,?,?,?,?)",
             reply.id(), collection.id, document.name(), document.title(), document.media_type(),
             document.bytes(), document.sha256(), document.original(), document.pages(), now, now,
             request.resume_key()));
  TRY(WriteMetadata(db, db.LastRowId(), document.metadata()));
  return reply;
}

Task<Result<v1::BeginDocumentReply>> LocalRetrieval::BeginDocument(
    Ctx ctx, v1::BeginDocumentRequest request) {
  CO_TRY(CheckBegin(request));
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->BeginDocument(std::move(ctx), std::move(request));
  auto apply = [this, &request](SqliteConnection& db, Undo&) { return ApplyBegin(db, request); };
  auto result = co_await WriteNow<v1::BeginDocumentReply>(ctx, std::move(apply));
  co_return result;
}

Result<v1::AppendChunksReply> LocalRetrieval::ApplyAppend(SqliteConnection& db,
                                                          const v1::AppendChunksRequest& request,
                                                          const std::vector<IndexRow>& prepared,
                                                          Undo& undo) {
  TRY(const DocumentRecord document, FindDocument(db, request.id()));
  const std::uint32_t stored = document.message.chunks();
  v1::AppendChunksReply reply;
  reply.set_next_ordinal(stored);
  const auto beyond =
      std::find_if(request.chunks().begin(), request.chunks().end(),
                   [&](const v1::Chunk& chunk) { return chunk.ordinal() >= stored; });
  if (beyond == request.chunks().end()) return reply;  // all of them are stored already
  if (document.state != DocumentState::kStaging)
    return absl::FailedPreconditionError(StrCat("document \"", request.id(), "\" is finished"));
  if (beyond->ordinal() != stored) {
    return absl::InvalidArgumentError(
        StrCat("chunks: ordinal ", beyond->ordinal(), " came, ", stored, " is next"));
  }
  const IndexPtr index = FindIndex(document.collection);
  if (index == nullptr) return absl::NotFoundError("the collection is gone");

  const auto first = static_cast<std::size_t>(beyond - request.chunks().begin());
  std::vector<IndexRow> rows(prepared.begin() + static_cast<std::ptrdiff_t>(first), prepared.end());
  std::uint64_t memory = 0;
  for (const IndexRow& row : rows) {
    if (row.vector.size() != index->dimension()) {
      return absl::InvalidArgumentError(StrCat(
          "chunks: vectors have ", row.vector.size(), " numbers, the embedder of collection \"",
          document.message.collection(), "\" makes ", index->dimension(),
          "; use that embedder or re-embed the collection"));
    }
    memory += CollectionIndex::RowBytes(index->dimension(), row.terms.entries.size());
  }
  if (IndexMemory() + memory > config_.memory_max.count) {
    return absl::ResourceExhaustedError(
        StrCat("the search index is at its limit of ", config_.memory_max.count >> 20,
               " MiB; delete documents or raise services.retrieval.memory_max"));
  }
  for (std::size_t i = 0; i < rows.size(); ++i)
    TRY(InsertChunk(db, document.id, request.chunks(static_cast<int>(first + i)), rows[i]));
  const auto total = stored + static_cast<std::uint32_t>(rows.size());
  TRY(db.Run("UPDATE documents SET chunks = ?, updated_ms = ? WHERE id = ?", total, WallMillis(),
             document.id));
  std::vector<std::int64_t> chunks;
  for (const IndexRow& row : rows) chunks.push_back(row.chunk);
  index->AddRows(document.id, std::move(rows));
  undo = [index, id = document.id, chunks = std::move(chunks)] { index->DropRows(id, chunks); };
  reply.set_next_ordinal(total);
  return reply;
}

Task<Result<v1::AppendChunksReply>> LocalRetrieval::AppendChunks(Ctx ctx,
                                                                 v1::AppendChunksRequest request) {
  CO_TRY(ctx.Check());
  auto prepare = [&request] { return PrepareRows(request); };
  CO_TRY(std::vector<IndexRow> rows, co_await RunOn(blocking_, std::move(prepare)));
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->AppendChunks(std::move(ctx), std::move(request));
  auto apply = [this, &request, &rows](SqliteConnection& db, Undo& undo) {
    return ApplyAppend(db, request, rows, undo);
  };
  auto result = co_await WriteNow<v1::AppendChunksReply>(ctx, std::move(apply));
  co_return result;
}

Status LocalRetrieval::ApplyRemove(SqliteConnection& db, const DocumentRecord& document,
                                   std::uint64_t seq, Undo& undo) {
  const std::int64_t now = WallMillis();
  TRY(db.Run("UPDATE documents SET state = 2, updated_ms = ? WHERE id = ?", now, document.id));
  TRY(
      db.Run("INSERT OR REPLACE INTO ended_keys SELECT resume_key, ? FROM documents "
             "WHERE id = ? AND resume_key <> ''",
             now, document.id));
  TRY(
      db.Run("UPDATE collections SET documents = documents - 1, chunks = chunks - ?, "
             "bytes = bytes - ?, updated_ms = ? WHERE id = ?",
             document.message.chunks(), document.message.bytes(), now, document.collection));
  if (const IndexPtr index = FindIndex(document.collection)) {
    index->Remove(document.id, seq);
    Chain(undo, [index, id = document.id] { index->Unremove(id); });
  }
  return absl::OkStatus();
}

Result<v1::Document> LocalRetrieval::ApplyCommit(SqliteConnection& db,
                                                 const v1::CommitDocumentRequest& request,
                                                 Undo& undo) {
  TRY(DocumentRecord document, FindDocument(db, request.id()));
  if (document.state == DocumentState::kRemoved)
    return absl::NotFoundError(StrCat("there is no document \"", request.id(), "\""));
  if (document.state == DocumentState::kCommitted) {
    TRY(ReadMetadata(db, document));
    return std::move(document.message);
  }
  TRY(const std::uint64_t seq, Advance(db));
  TRY(const std::optional<std::int64_t> old,
      db.QueryInt("SELECT id FROM documents WHERE collection = ? AND name = ? AND state = 1",
                  document.collection, document.message.name()));
  if (old) {
    TRY(const DocumentRecord before, FindDocument(db, *old));
    TRY(ApplyRemove(db, before, seq, undo));
  }
  v1::Document& message = document.message;
  if (!request.title().empty()) message.set_title(request.title());
  if (request.pages() > 0) message.set_pages(request.pages());
  const std::int64_t now = WallMillis();
  TRY(db.Run("UPDATE documents SET state = 1, title = ?, pages = ?, updated_ms = ? WHERE id = ?",
             message.title(), message.pages(), now, document.id));
  TRY(WriteMetadata(db, document.id, request.metadata()));
  TRY(
      db.Run("UPDATE collections SET documents = documents + 1, chunks = chunks + ?, "
             "bytes = bytes + ?, updated_ms = ? WHERE id = ?",
             message.chunks(), message.bytes(), now, document.collection));
  TRY(ReadMetadata(db, document));
  const IndexPtr index = FindIndex(document.collection);
  if (index == nullptr) return absl::NotFoundError("the collection is gone");
  index->Publish(document.id, seq, TitleText(message));
  Chain(undo, [index, id = document.id] { index->Unpublish(id); });
  return std::move(message);
}

Task<Result<v1::Document>> LocalRetrieval::CommitDocument(Ctx ctx,
                                                          v1::CommitDocumentRequest request) {
  CO_TRY(CheckMetadata(request.metadata()));
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->CommitDocument(std::move(ctx), std::move(request));
  auto apply = [this, &request](SqliteConnection& db, Undo& undo) {
    return ApplyCommit(db, request, undo);
  };
  auto result = co_await WriteNow<v1::Document>(ctx, std::move(apply));
  if (result.ok()) WantSweep();  // it may have replaced another
  co_return result;
}

Task<Result<v1::AbortDocumentReply>> LocalRetrieval::AbortDocument(
    Ctx ctx, v1::AbortDocumentRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->AbortDocument(std::move(ctx), std::move(request));
  auto apply = [&request](SqliteConnection& db, Undo&) -> Result<v1::AbortDocumentReply> {
    TRY(db.Run("UPDATE documents SET state = 2, updated_ms = ? WHERE public_id = ? AND state = 0",
               WallMillis(), request.id()));
    return v1::AbortDocumentReply();
  };
  auto result = co_await WriteNow<v1::AbortDocumentReply>(ctx, std::move(apply));
  if (result.ok()) WantSweep();
  co_return result;
}

Task<Result<v1::DeleteDocumentReply>> LocalRetrieval::DeleteDocument(
    Ctx ctx, v1::DeleteDocumentRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->DeleteDocument(std::move(ctx), std::move(request));
  auto apply = [this, &request](SqliteConnection& db,
                                Undo& undo) -> Result<v1::DeleteDocumentReply> {
    v1::DeleteDocumentReply reply;
    Result<DocumentRecord> document = FindDocument(db, request.id());
    if (absl::IsNotFound(document.status())) {
      TRY(const std::optional<std::int64_t> ended,
          db.QueryInt("SELECT 1 FROM ended_documents WHERE public_id = ?", request.id()));
      reply.set_deleted(ended.has_value());
      return reply;
    }
    if (!document.ok()) return document.status();
    reply.set_deleted(document->state != DocumentState::kStaging);  // repeated: the same reply
    if (document->state != DocumentState::kCommitted) return reply;
    TRY(const std::uint64_t seq, Advance(db));
    TRY(ApplyRemove(db, *document, seq, undo));
    return reply;
  };
  auto result = co_await WriteNow<v1::DeleteDocumentReply>(ctx, std::move(apply));
  if (result.ok()) WantSweep();
  co_return result;
}

}  // namespace tessera
