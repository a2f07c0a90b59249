// Another embedder for a collection: vectors gather beside the old ones, then all change at once.

#include <cmath>

#include "base/clock.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"

namespace tessera {
namespace {

constexpr int kPassagesABatch = 64;

// Remembers what the collection is being embedded for; vectors gathered for another embedder go.
Result<std::int64_t> BeginReembed(SqliteConnection& db, const std::string& name,
                                  const v1::Embedder& embedder) {
  TRY(const CollectionRecord collection, FindCollection(db, name));
  TRY(const std::optional<std::int64_t> same,
      db.QueryInt("SELECT 1 FROM collections WHERE id = ? AND next_model = ? AND next_digest = ? "
                  "AND next_dimension = ?",
                  collection.id, embedder.model(), embedder.digest(), embedder.dimension()));
  if (same) return collection.id;
  TRY(db.Run("DELETE FROM next_vectors WHERE collection = ?", collection.id));
  TRY(
      db.Run("UPDATE collections SET next_model = ?, next_digest = ?, next_dimension = ? "
             "WHERE id = ?",
             embedder.model(), embedder.digest(), embedder.dimension(), collection.id));
  return collection.id;
}

constexpr char kLacking[] =
    "FROM chunks c JOIN documents d ON d.id = c.document "
    "WHERE d.collection = ? AND d.state = 1 AND NOT EXISTS "
    "(SELECT 1 FROM next_vectors n WHERE n.chunk = c.id) ";

}  // namespace

Task<Status> LocalRetrieval::StoreNextVectors(Ctx ctx, std::int64_t collection, ReembedBatch batch,
                                              TextEmbedder& passages, std::uint32_t dimension) {
  auto made = co_await passages.Embed(ctx, std::move(batch.document), std::move(batch.passages));
  if (!made.ok()) co_return made.status();
  if (made->size() != batch.chunks.size())
    co_return absl::InternalError("the embedder made another number of vectors than passages");
  for (const std::vector<float>& vector : *made) {
    if (vector.size() != dimension)
      co_return absl::InvalidArgumentError(StrCat("the embedder makes ", vector.size(),
                                                  " numbers a vector, ", dimension, " were said"));
    for (const float value : vector)
      if (!std::isfinite(value))
        co_return absl::InvalidArgumentError("the embedder made a number that is not finite");
  }
  auto store = [&](SqliteConnection& db, Undo&) -> Result<bool> {
    for (std::size_t i = 0; i < made->size(); ++i) {
      const std::vector<Half> halves = NormalisedHalves((*made)[i]);
      TRY(db.Run("INSERT OR REPLACE INTO next_vectors (chunk, collection, vector) VALUES (?,?,?)",
                 batch.chunks[i], collection, std::as_bytes(std::span(halves))));
    }
    return true;
  };
  auto stored = co_await WriteNow<bool>(ctx, std::move(store));
  co_return stored.status();
}

// False: documents came meanwhile that lack a vector.
Task<Result<bool>> LocalRetrieval::SwitchVectors(Ctx ctx, std::int64_t collection,
                                                 v1::Embedder embedder) {
  Indexes renewed;
  bool complete = false;
  Write write;
  write.alone = true;
  write.apply = [&](SqliteConnection& db) -> Status {
    TRY(const std::optional<std::int64_t> lacking,
        db.QueryInt(StrCat("SELECT 1 ", kLacking, "LIMIT 1"), collection));
    complete = !lacking;
    if (!complete) return absl::OkStatus();
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
    TRY(NextSeq(db));
    TRY(renewed, LoadIndexes(db, collection));
    return absl::OkStatus();
  };
  write.committed = [&] {
    const auto index = renewed.find(collection);
    if (complete && index != renewed.end()) PutIndex(collection, index->second);
  };
  CO_TRY(co_await writes_.Run(ctx, std::move(write)));
  co_return complete;
}

Task<Status> LocalRetrieval::Reembed(Ctx ctx, std::string collection, v1::Embedder embedder,
                                     TextEmbedder& passages) {
  if (embedder.dimension() == 0) co_return absl::InvalidArgumentError("embedder.dimension: is 0");
  auto begin = [&](SqliteConnection& db, Undo&) { return BeginReembed(db, collection, embedder); };
  CO_TRY(const std::int64_t id, co_await WriteNow<std::int64_t>(ctx, std::move(begin)));
  for (;;) {
    CO_TRY(ctx.Check());
    auto next = [id](SqliteConnection& db) -> Result<ReembedBatch> {
      ReembedBatch batch;
      TRY(SqliteStatement rows,
          db.Prepare(StrCat("SELECT c.id, c.document, c.ordinal, c.text, c.heading, c.page ",
                            kLacking, "ORDER BY c.document, c.id LIMIT ?")));
      rows.Bind(id, kPassagesABatch);
      std::int64_t document = 0;
      for (;;) {
        TRY(const bool row, rows.Step());
        if (!row || (document != 0 && rows.Int(1) != document)) break;
        document = rows.Int(1);
        batch.chunks.push_back(rows.Int(0));
        v1::Chunk& chunk = batch.passages.emplace_back();
        chunk.set_ordinal(static_cast<std::uint32_t>(rows.Int(2)));
        chunk.set_text(std::string(rows.Text(3)));
        chunk.set_heading(std::string(rows.Text(4)));
        chunk.set_page(static_cast<std::uint32_t>(rows.Int(5)));
      }
      if (document == 0) return batch;
      TRY(DocumentRecord record, FindDocument(db, document));
      batch.document = std::move(record.message);
      return batch;
    };
    CO_TRY(ReembedBatch batch, co_await Read(std::move(next)));
    if (!batch.chunks.empty()) {
      CO_TRY(co_await StoreNextVectors(ctx, id, std::move(batch), passages, embedder.dimension()));
      continue;
    }
    CO_TRY(const bool switched, co_await SwitchVectors(ctx, id, embedder));
    if (switched) break;
  }
  WantSweep();
  co_return absl::OkStatus();
}

}  // namespace tessera
