// Search: candidates from memory, their order, their text from the database.

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "services/retrieval/filter.h"
#include "services/retrieval/local_retrieval.h"
#include "telemetry/trace.h"

namespace tessera {
namespace {

constexpr std::uint32_t kLimitDefault = 10;
constexpr std::uint32_t kLimitMax = 200;
constexpr std::uint32_t kFetchDefault = 100;
constexpr std::uint32_t kFetchMax = 2000;
constexpr std::size_t kQueryMax = 64 << 10;
constexpr int kFreshTries = 8;

RankBy ByOf(v1::SearchMode mode) {
  if (mode == v1::SEARCH_MODE_BM25) return RankBy::kWords;
  if (mode == v1::SEARCH_MODE_VECTOR) return RankBy::kVector;
  return RankBy::kFused;
}

Status CheckSearch(const v1::SearchRequest& request, const CollectionRecord& collection) {
  if (request.query().size() > kQueryMax)
    return absl::InvalidArgumentError(StrCat("query: at most ", kQueryMax, " bytes"));
  if (request.limit() > kLimitMax)
    return absl::InvalidArgumentError(StrCat("limit: at most ", kLimitMax));
  if (request.fetch() > kFetchMax)
    return absl::InvalidArgumentError(StrCat("fetch: at most ", kFetchMax));
  if (request.has_mmr_lambda() && !(request.mmr_lambda() >= 0 && request.mmr_lambda() <= 1))
    return absl::InvalidArgumentError("mmr_lambda: want a number from 0 to 1");
  const v1::Embedder& embedder = collection.message.embedder();
  const RankBy by = ByOf(request.mode());
  const auto size = static_cast<std::uint32_t>(request.vector_size());
  if (by == RankBy::kVector && (size == 0 || embedder.dimension() == 0))
    return absl::InvalidArgumentError("vector: is needed for a search by vector");
  if (size != 0 && size != embedder.dimension()) {
    return absl::InvalidArgumentError(StrCat("vector: has ", size, " numbers, but collection \"",
                                             collection.message.name(), "\" is embedded by \"",
                                             embedder.model(), "\" with ", embedder.dimension(),
                                             "; embed the query with that model"));
  }
  for (const float value : request.vector())
    if (!std::isfinite(value))
      return absl::InvalidArgumentError("vector: has a number that is not finite");
  return absl::OkStatus();
}

Result<std::unordered_set<std::int64_t>> FittingDocuments(SqliteConnection& db,
                                                          std::int64_t collection,
                                                          const v1::Filter& filter) {
  TRY(const SqlCondition condition, ToSql(filter));
  TRY(SqliteStatement statement,
      db.Prepare(StrCat("SELECT d.id FROM documents d WHERE d.state = 1 AND d.collection = ? AND ",
                        condition.sql)));
  statement.BindOne(1, collection);
  condition.Bind(statement, 2);
  std::unordered_set<std::int64_t> documents;
  for (;;) {
    TRY(const bool row, statement.Step());
    if (!row) return documents;
    documents.insert(statement.Int(0));
  }
}

class HitReader {
 public:
  explicit HitReader(SqliteConnection& db) : db_(db) {}

  /// False when the chunk is not visible in this snapshot.
  Result<bool> Read(const Candidate& candidate, v1::Hit& hit) {
    TRY(SqliteStatement row,
        db_.Prepare("SELECT ordinal, text, heading, page, start, end FROM chunks WHERE id = ?"));
    row.Bind(candidate.chunk);
    TRY(const bool found, row.Step());
    if (!found) return false;
    auto document = documents_.find(candidate.document);
    if (document == documents_.end()) {
      TRY(DocumentRecord record, FindDocument(db_, candidate.document));
      TRY(ReadMetadata(db_, record));
      document = documents_.emplace(candidate.document, std::move(record)).first;
    }
    if (document->second.state != DocumentState::kCommitted) return false;
    *hit.mutable_document() = document->second.message;
    v1::Chunk& chunk = *hit.mutable_chunk();
    chunk.set_ordinal(static_cast<std::uint32_t>(row.Int(0)));
    chunk.set_text(std::string(row.Text(1)));
    chunk.set_heading(std::string(row.Text(2)));
    chunk.set_page(static_cast<std::uint32_t>(row.Int(3)));
    chunk.set_start(static_cast<std::uint64_t>(row.Int(4)));
    chunk.set_end(static_cast<std::uint64_t>(row.Int(5)));
    hit.set_score(candidate.score);
    hit.set_cosine(candidate.cosine);
    hit.set_bm25(candidate.bm25);
    return true;
  }

 private:
  SqliteConnection& db_;
  std::unordered_map<std::int64_t, DocumentRecord> documents_;
};

}  // namespace

Result<v1::SearchReply> LocalRetrieval::SearchNow(SqliteConnection& db,
                                                  const v1::SearchRequest& request) {
  TRY(const CollectionRecord collection, FindCollection(db, request.collection()));
  TRY(CheckSearch(request, collection));
  TRY(const std::uint64_t seq, ReadSeq(db));
  TRY(Follow(db, seq));
  const IndexPtr index = FindIndex(collection.id);
  // The index was made anew after this snapshot was taken: the caller tries again with a fresh one.
  if (index == nullptr || index->built_at() > seq) return absl::AbortedError("stale snapshot");

  CollectionIndex::Question question;
  const RankBy by = ByOf(request.mode());
  question.terms = QueryTerms(request.query());
  question.vector = std::span<const float>(request.vector().data(),
                                           static_cast<std::size_t>(request.vector_size()));
  question.lexical = by != RankBy::kVector;
  question.semantic = by != RankBy::kWords;
  const std::uint32_t limit = request.limit() == 0 ? kLimitDefault : request.limit();
  question.fetch = request.fetch() == 0 ? std::max(kFetchDefault, 2 * limit) : request.fetch();
  question.with_vectors = request.has_mmr_lambda();
  std::unordered_set<std::int64_t> documents;
  if (request.has_filter()) {
    TRY(documents, FittingDocuments(db, collection.id, request.filter()));
    question.documents = &documents;
  }

  RankingOrder order;
  order.by = by == RankBy::kFused && question.vector.empty() ? RankBy::kWords : by;
  order.group = request.group_by_document();
  order.limit = limit;
  if (request.has_score_threshold()) order.score_threshold = request.score_threshold();
  if (request.has_distance_threshold()) order.distance_threshold = request.distance_threshold();
  if (request.has_mmr_lambda()) order.mmr_lambda = request.mmr_lambda();
  const std::vector<Candidate> ranked = Rank(index->Search(seq, question), order);

  v1::SearchReply reply;
  HitReader reader(db);
  for (const Candidate& candidate : ranked) {
    v1::Hit hit;
    TRY(const bool visible, reader.Read(candidate, hit));
    if (visible) *reply.add_hits() = std::move(hit);
  }
  return reply;
}

Task<Result<v1::SearchReply>> LocalRetrieval::Search(Ctx ctx, v1::SearchRequest request) {
  SpanScope span(ctx, "sqlite search", SpanKind::kClient);
  span.Set("db.system.name", "sqlite");
  span.Set("db.operation.name", "search");
  span.Set("db.collection.name", request.collection());
  for (int i = 0; i < kFreshTries; ++i) {
    CO_TRY(ctx.Check());
    auto read = [this, &request](SqliteConnection& db) { return SearchNow(db, request); };
    auto result = co_await Read(std::move(read));
    if (absl::IsAborted(result.status())) continue;
    if (result.ok()) span.Set("db.response.returned_rows", result->hits_size());
    span.End(result.status());
    co_return result;
  }
  co_return absl::UnavailableError("the index is being renewed; retry");
}

}  // namespace tessera
