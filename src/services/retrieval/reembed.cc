// Another embedder for a collection: vectors gather beside the old ones, then all change at once.

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"

namespace tessera {
namespace {

constexpr std::uint32_t kPassagesDefault = 64;
constexpr std::uint32_t kPassagesMax = 1000;

constexpr char kLacking[] =
    "FROM chunks c JOIN documents d ON d.id = c.document "
    "WHERE d.collection = ? AND d.state = 1 AND NOT EXISTS "
    "(SELECT 1 FROM next_vectors n WHERE n.chunk = c.id) ";

Result<bool> IsBegun(SqliteConnection& db, std::int64_t collection, const v1::Embedder& embedder) {
  TRY(const std::optional<std::int64_t> same,
      db.QueryInt("SELECT 1 FROM collections WHERE id = ? AND next_model = ? AND next_digest = ? "
                  "AND next_dimension = ?",
                  collection, embedder.model(), embedder.digest(), embedder.dimension()));
  return same.has_value();
}

Status CheckBegun(SqliteConnection& db, std::int64_t collection, const v1::Embedder& embedder) {
  TRY(const bool begun, IsBegun(db, collection, embedder));
  if (begun) return absl::OkStatus();
  return absl::AbortedError(
      StrCat("the collection is not being embedded by \"", embedder.model(),
             "\" any more: another re-embedding has begun since, or this one has ended"));
}

// Remembers what the collection is being embedded for; vectors gathered for another embedder go.
Result<v1::BeginReembedReply> ApplyBeginReembed(SqliteConnection& db,
                                                const v1::BeginReembedRequest& request) {
  TRY(const CollectionRecord collection, FindCollection(db, request.collection()));
  const v1::Embedder& embedder = request.embedder();
  TRY(const bool begun, IsBegun(db, collection.id, embedder));
  if (!begun) {
    TRY(db.Run("DELETE FROM next_vectors WHERE collection = ?", collection.id));
    TRY(
        db.Run("UPDATE collections SET next_model = ?, next_digest = ?, next_dimension = ? "
               "WHERE id = ?",
               embedder.model(), embedder.digest(), embedder.dimension(), collection.id));
  }
  v1::BeginReembedReply reply;
  TRY(const std::optional<std::int64_t> lacking,
      db.QueryInt(StrCat("SELECT count(*) ", kLacking), collection.id));
  const auto missing = static_cast<std::uint64_t>(lacking.value_or(0));
  reply.set_passages(collection.message.chunks());
  reply.set_embedded(collection.message.chunks() - std::min(collection.message.chunks(), missing));
  return reply;
}

// The next passages, document by document.
Result<v1::ListUnembeddedReply> ReadUnembedded(SqliteConnection& db,
                                               const v1::ListUnembeddedRequest& request) {
  TRY(const CollectionRecord collection, FindCollection(db, request.collection()));
  const std::uint32_t limit =
      request.limit() == 0 ? kPassagesDefault : std::min(request.limit(), kPassagesMax);
  TRY(SqliteStatement rows,
      db.Prepare(StrCat("SELECT c.document, c.ordinal, c.text, c.heading, c.page ", kLacking,
                        "ORDER BY c.document, c.id LIMIT ?")));
  rows.Bind(collection.id, limit);
  v1::ListUnembeddedReply reply;
  std::int64_t document = 0;
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) return reply;
    if (rows.Int(0) != document) {
      document = rows.Int(0);
      TRY(DocumentRecord record, FindDocument(db, document));
      *reply.add_documents()->mutable_document() = std::move(record.message);
    }
    v1::Chunk& chunk = *reply.mutable_documents(reply.documents_size() - 1)->add_chunks();
    chunk.set_ordinal(static_cast<std::uint32_t>(rows.Int(1)));
    chunk.set_text(std::string(rows.Text(2)));
    chunk.set_heading(std::string(rows.Text(3)));
    chunk.set_page(static_cast<std::uint32_t>(rows.Int(4)));
  }
}

Result<std::vector<std::vector<Half>>> PrepareVectors(const v1::StoreVectorsRequest& request) {
  if (static_cast<std::uint32_t>(request.chunks_size()) > kPassagesMax)
    return absl::InvalidArgumentError(StrCat("chunks: at most ", kPassagesMax, " a call"));
  const std::uint32_t dimension = request.embedder().dimension();
  std::vector<std::vector<Half>> vectors;
  for (const v1::Chunk& chunk : request.chunks()) {
    const std::span<const float> values(chunk.vector().data(),
                                        static_cast<std::size_t>(chunk.vector_size()));
    if (values.size() != dimension)
      return absl::InvalidArgumentError(StrCat("the embedder makes ", values.size(),
                                               " numbers a vector, ", dimension, " were said"));
    for (const float value : values)
      if (!std::isfinite(value))
        return absl::InvalidArgumentError("the embedder made a number that is not finite");
    vectors.push_back(NormalisedHalves(values));
  }
  return vectors;
}

Result<v1::StoreVectorsReply> ApplyVectors(SqliteConnection& db,
                                           const v1::StoreVectorsRequest& request,
                                           const std::vector<std::vector<Half>>& vectors) {
  const Result<DocumentRecord> document = FindDocument(db, request.document_id());
  // One that was removed meanwhile needs no vectors.
  if (absl::IsNotFound(document.status())) return v1::StoreVectorsReply();
  TRY(Status(document.status()));
  TRY(CheckBegun(db, document->collection, request.embedder()));
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    TRY(
        db.Run("INSERT OR REPLACE INTO next_vectors (chunk, collection, vector) "
               "SELECT id, ?, ? FROM chunks WHERE document = ? AND ordinal = ?",
               document->collection, std::as_bytes(std::span(vectors[i])), document->id,
               request.chunks(static_cast<int>(i)).ordinal()));
  }
  return v1::StoreVectorsReply();
}

}  // namespace

Result<bool> LocalRetrieval::SwitchVectors(SqliteConnection& db, std::int64_t collection,
                                           const v1::Embedder& embedder, Indexes& renewed) {
  TRY(const std::optional<std::int64_t> lacking,
      db.QueryInt(StrCat("SELECT 1 ", kLacking, "LIMIT 1"), collection));
  if (lacking) return false;
  const std::int64_t now = WallMillis();
  TRY(db.Run("UPDATE documents SET state = 2, updated_ms = ? WHERE collection = ? AND state = 0",
             now, collection));
  TRY(
      db.Run("UPDATE chunk_index SET vector = n.vector FROM next_vectors n "
             "WHERE n.chunk = chunk_index.chunk AND n.collection = ?",
             collection));
  TRY(db.Run("DELETE FROM next_vectors WHERE collection = ?", collection));
  TRY(
      db.Run("UPDATE collections SET model = ?, digest = ?, dimension = ?, next_model = '', "
             "next_digest = '', next_dimension = 0, updated_ms = ? WHERE id = ?",
             embedder.model(), embedder.digest(), embedder.dimension(), now, collection));
  TRY(const std::uint64_t seq, Advance(db));
  TRY(db.Run("UPDATE collections SET vectors_seq = ? WHERE id = ?", seq, collection));
  TRY(renewed, LoadIndexes(db, collection));
  return true;
}

Task<Result<v1::BeginReembedReply>> LocalRetrieval::BeginReembed(Ctx ctx,
                                                                 v1::BeginReembedRequest request) {
  if (request.embedder().dimension() == 0)
    co_return absl::InvalidArgumentError("embedder.dimension: is 0");
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->BeginReembed(std::move(ctx), std::move(request));
  auto begin = [&request](SqliteConnection& db, Undo&) { return ApplyBeginReembed(db, request); };
  auto result = co_await WriteNow<v1::BeginReembedReply>(ctx, std::move(begin));
  co_return result;
}

Task<Result<v1::ListUnembeddedReply>> LocalRetrieval::ListUnembedded(
    Ctx ctx, v1::ListUnembeddedRequest request) {
  CO_TRY(ctx.Check());
  auto read = [&request](SqliteConnection& db) { return ReadUnembedded(db, request); };
  auto result = co_await Read(std::move(read));
  co_return result;
}

Task<Result<v1::StoreVectorsReply>> LocalRetrieval::StoreVectors(Ctx ctx,
                                                                 v1::StoreVectorsRequest request) {
  CO_TRY(ctx.Check());
  auto prepare = [&request] { return PrepareVectors(request); };
  CO_TRY(const std::vector<std::vector<Half>> vectors,
         co_await RunOn(blocking_, std::move(prepare)));
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here()) co_return co_await successor_->StoreVectors(std::move(ctx), std::move(request));
  auto store = [&](SqliteConnection& db, Undo&) { return ApplyVectors(db, request, vectors); };
  auto result = co_await WriteNow<v1::StoreVectorsReply>(ctx, std::move(store));
  co_return result;
}

Task<Result<v1::FinishReembedReply>> LocalRetrieval::FinishReembed(
    Ctx ctx, v1::FinishReembedRequest request) {
  CO_TRY(const WriteGate::Pass pass, co_await gate_.Enter(ctx));
  if (!pass.here())
    co_return co_await successor_->FinishReembed(std::move(ctx), std::move(request));
  v1::FinishReembedReply reply;
  Indexes renewed;
  std::int64_t id = 0;
  Write write;
  write.alone = true;
  write.apply = [&](SqliteConnection& db) -> Status {
    TRY(const CollectionRecord collection, FindCollection(db, request.collection()));
    id = collection.id;
    const v1::Embedder& now = collection.message.embedder();
    const v1::Embedder& next = request.embedder();
    reply.set_finished(now.model() == next.model() && now.digest() == next.digest() &&
                       now.dimension() == next.dimension());
    if (reply.finished()) return absl::OkStatus();  // asked again
    TRY(CheckBegun(db, id, request.embedder()));
    TRY(const bool switched, SwitchVectors(db, id, request.embedder(), renewed));
    reply.set_finished(switched);
    return absl::OkStatus();
  };
  write.committed = [&] {
    const auto index = renewed.find(id);
    if (reply.finished() && index != renewed.end()) PutIndex(id, index->second);
  };
  CO_TRY(co_await writes_.Run(ctx, std::move(write)));
  if (reply.finished()) WantSweep();
  co_return reply;
}

}  // namespace tessera
