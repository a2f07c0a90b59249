#pragma once
// The retrieval service on SQLite and an index in memory.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "config/fields.h"
#include "runtime/handover.h"
#include "runtime/scope.h"
#include "runtime/thread_pool.h"
#include "runtime/write_gate.h"
#include "services/retrieval/collection_index.h"
#include "services/retrieval/ranking.h"
#include "services/retrieval/records.h"
#include "store/data_folder.h"
#include "store/sqlite_readers.h"
#include "store/write_queue.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// Collections of documents in DATA/tessera.db and DATA/originals. One instance writes at a time,
/// the one that has the lease; the others follow what it writes. Any thread may call; all work runs
/// on the blocking executor. What a reply acknowledged is on the disk. Writing after another has
/// taken the lease: FAILED_PRECONDITION.
class LocalRetrieval final : public Retrieval, public Handover {
 public:
  struct Config {
    Bytes memory_max = 4_GiB;  ///< of the index in memory, all collections together
    std::uint32_t readers = 4;
    std::uint32_t collections_max = 1000;
    std::chrono::seconds unfinished_kept = std::chrono::hours(24);
    std::chrono::seconds original_kept = std::chrono::minutes(10);
    std::uint32_t dead_rows_max = 4096;
    std::uint32_t exact_rows_max = 100'000;
    static void Describe(Fields<Config>& f);
  };

  /// Opens or makes the database, brings its schema up to date, clears what dead runs left and
  /// loads the index; active. For the first of a platform's life. All given must outlive it;
  /// `successor` is the router of the own contract, which Forward needs. Blocks.
  static Result<std::unique_ptr<LocalRetrieval>> Open(Config config, const DataFolder& data,
                                                      Executor& blocking,
                                                      Retrieval* successor = nullptr);
  /// Loads the index beside one that writes, and follows it until Activate; clears nothing. Where
  /// the database is to be made or brought up to date, Activate does it. Blocks.
  static Result<std::unique_ptr<LocalRetrieval>> OpenStandby(Config config, const DataFolder& data,
                                                             Executor& blocking,
                                                             Retrieval* successor = nullptr);
  ~LocalRetrieval() override;

  Task<Status> Activate(Ctx ctx) override;
  Task<Status> Yield(Ctx ctx) override;
  Task<Status> Forward(Ctx ctx) override;

  /// Ends the background work; nothing may be called after it.
  Task<Status> Stop(Ctx ctx);

  Task<Result<v1::Collection>> CreateCollection(Ctx ctx,
                                                v1::CreateCollectionRequest request) override;
  Task<Result<v1::ListCollectionsReply>> ListCollections(
      Ctx ctx, v1::ListCollectionsRequest request) override;
  Task<Result<v1::Collection>> GetCollection(Ctx ctx, v1::GetCollectionRequest request) override;
  Task<Result<v1::DeleteCollectionReply>> DeleteCollection(
      Ctx ctx, v1::DeleteCollectionRequest request) override;

  Task<Result<v1::BeginDocumentReply>> BeginDocument(Ctx ctx,
                                                     v1::BeginDocumentRequest request) override;
  Task<Result<v1::AppendChunksReply>> AppendChunks(Ctx ctx,
                                                   v1::AppendChunksRequest request) override;
  Task<Result<v1::Document>> CommitDocument(Ctx ctx, v1::CommitDocumentRequest request) override;
  Task<Result<v1::AbortDocumentReply>> AbortDocument(Ctx ctx,
                                                     v1::AbortDocumentRequest request) override;

  Task<Result<v1::ListDocumentsReply>> ListDocuments(Ctx ctx,
                                                     v1::ListDocumentsRequest request) override;
  Task<Result<v1::Document>> GetDocument(Ctx ctx, v1::GetDocumentRequest request) override;
  Task<Result<v1::DeleteDocumentReply>> DeleteDocument(Ctx ctx,
                                                       v1::DeleteDocumentRequest request) override;
  Task<Result<v1::ListChunksReply>> ListChunks(Ctx ctx, v1::ListChunksRequest request) override;

  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override;
  Task<Result<v1::BackupReply>> Backup(Ctx ctx, v1::BackupRequest request) override;

  Task<Result<v1::BeginReembedReply>> BeginReembed(Ctx ctx,
                                                   v1::BeginReembedRequest request) override;
  Task<Result<v1::ListUnembeddedReply>> ListUnembedded(Ctx ctx,
                                                       v1::ListUnembeddedRequest request) override;
  Task<Result<v1::StoreVectorsReply>> StoreVectors(Ctx ctx,
                                                   v1::StoreVectorsRequest request) override;
  /// Documents half-written with the old model are given up: their next call says NOT_FOUND.
  Task<Result<v1::FinishReembedReply>> FinishReembed(Ctx ctx,
                                                     v1::FinishReembedRequest request) override;

  /// Removes the rows of removed documents, and originals that nothing refers to. Runs by itself in
  /// the background; tests call it.
  Task<Status> Sweep(Ctx ctx);
  /// Gives collections of more than exact_rows_max passages a graph, or extends the one they have;
  /// searches look at all vectors meanwhile. Also runs by itself.
  Status GrowGraphs();

 private:
  using IndexPtr = std::shared_ptr<CollectionIndex>;

  LocalRetrieval(Config config, const DataFolder& data, Executor& blocking, Retrieval* successor,
                 std::unique_ptr<SqliteConnection> writer);
  static Result<std::unique_ptr<LocalRetrieval>> Make(Config config, const DataFolder& data,
                                                      Executor& blocking, Retrieval* successor);

  // Handover (handover.cc).
  enum class Start { kFirst, kTakeover };
  Task<Status> ActivateAs(Ctx ctx, Start start);
  Task<Status> TakeLease(Ctx ctx, Start start);
  Status NoteYielded();
  // True: the file is as this program wants it. FAILED_PRECONDITION: a newer one wrote it.
  Result<bool> SchemaIsReady(SqliteConnection& db);
  Status MakeSchemaReady();
  Status CheckLease(SqliteConnection& db);
  Result<bool> HasLease();
  Result<std::uint64_t> Advance(SqliteConnection& db);
  // Brings the index to the state of the snapshot that `db` reads, unless it is there.
  Status Follow(SqliteConnection& db, std::uint64_t seq);
  Task<void> FollowWhileStandby();
  // Under follow_mutex_, as all below.
  Status CatchUp(SqliteConnection& db);
  Status LoadAll(SqliteConnection& db);
  Result<std::unordered_set<std::int64_t>> CatchUpCollections(SqliteConnection& db);
  Status CatchUpRows(SqliteConnection& db, const std::unordered_set<std::int64_t>& whole);
  Status CatchUpDocuments(SqliteConnection& db, std::uint64_t seq);

  // Start (start.cc): the indexes of all collections, or of one.
  using Indexes = std::unordered_map<std::int64_t, IndexPtr>;
  static Status ClearDeadRuns(SqliteConnection& db, std::chrono::seconds kept);
  static Status RenewTerms(SqliteConnection& db);
  // CANCELLED once `wanted`, where it is given, says no.
  static Result<Indexes> LoadIndexes(SqliteConnection& db, std::int64_t only_collection = 0,
                                     const std::function<bool()>& wanted = {});

  IndexPtr FindIndex(std::int64_t collection) const;
  void PutIndex(std::int64_t collection, IndexPtr index);
  std::uint64_t IndexMemory() const;

  // Runs fn(connection) in a read transaction on the blocking executor.
  template <class Fn>
  auto Read(Fn fn) -> Task<std::invoke_result_t<Fn, SqliteConnection&>>;

  // Runs fn(connection, undo) as a write of the queue. What it does to memory it takes back in the
  // closure that it leaves in `undo`.
  using Undo = std::function<void()>;
  template <class T>
  Task<Result<T>> WriteNow(Ctx ctx, std::function<Result<T>(SqliteConnection&, Undo&)> fn);

  // Writing (writing.cc): what CommitDocument and the like do inside their transaction.
  Result<v1::BeginDocumentReply> ApplyBegin(SqliteConnection& db,
                                            const v1::BeginDocumentRequest& request);
  Result<v1::AppendChunksReply> ApplyAppend(SqliteConnection& db,
                                            const v1::AppendChunksRequest& request,
                                            const std::vector<IndexRow>& rows, Undo& undo);
  Result<v1::Document> ApplyCommit(SqliteConnection& db, const v1::CommitDocumentRequest& request,
                                   Undo& undo);
  Status ApplyRemove(SqliteConnection& db, const DocumentRecord& document, std::uint64_t seq,
                     Undo& undo);

  // Embedding anew (reembed.cc): true when all vectors have changed.
  Result<bool> SwitchVectors(SqliteConnection& db, std::int64_t collection,
                             const v1::Embedder& embedder, Indexes& renewed);

  // Search (search.cc).
  Result<v1::SearchReply> SearchNow(SqliteConnection& db, const v1::SearchRequest& request);

  // Upkeep (upkeep.cc).
  void WantSweep();
  Task<void> SweepSoon();
  Task<void> RemoveOriginalsLater();
  Task<Status> RemoveOriginals(Ctx ctx);
  Result<std::vector<std::string>> UnusedOriginals();
  Task<Status> CompactIndexes(Ctx ctx);
  // Graphs (graphs.cc).
  bool WantsGraph(const CollectionIndex& index) const;
  void WantGraphs();
  Task<void> GrowGraphsSoon();
  enum class Graphs { kLoad, kKeep };  // only memory, or the file too
  Status GrowGraphs(Graphs how);
  Status GrowGraph(std::int64_t collection, CollectionIndex& index, Graphs how);
  Result<std::string> GraphPath(std::int64_t collection);
  void RemoveStrayGraphs();

  const Config config_;
  const DataFolder& data_;
  Executor& blocking_;
  Retrieval* const successor_;
  std::atomic<std::int64_t> fence_{-1};      // the lease's number; -1: never had one
  std::atomic<std::uint64_t> known_seq_{0};  // the index holds every change up to this one
  std::atomic<bool> superseded_{false};      // another took the lease while we had it
  std::mutex follow_mutex_;                  // one catches up, the others wait
  // Under follow_mutex_: the index holds the rows up to this one; nothing: load all anew.
  std::optional<std::int64_t> last_chunk_;
  SqliteReaders readers_;
  WriteGate gate_{"retrieval"};
  WriteQueue writes_;
  mutable std::mutex indexes_mutex_;
  Indexes indexes_;
  std::atomic<bool> sweep_coming_{false};
  std::atomic<bool> originals_coming_{false};
  std::atomic<bool> graphs_coming_{false};
  std::mutex growing_mutex_;  // one graph at a time
  ThreadPool graph_thread_{"graphs", 1};
  Scope background_;
};

template <class T>
Task<Result<T>> LocalRetrieval::WriteNow(Ctx ctx,
                                         std::function<Result<T>(SqliteConnection&, Undo&)> fn) {
  Result<T> result = absl::InternalError("not applied");
  Undo undo;
  Write write;
  write.apply = [&](SqliteConnection& db) {
    undo = nullptr;
    result = fn(db, undo);
    return result.status();
  };
  write.undo = [&] {
    if (undo) undo();
    undo = nullptr;
  };
  Status status = co_await writes_.Run(ctx, std::move(write));
  if (!status.ok()) co_return status;
  co_return result;
}

template <class Fn>
auto LocalRetrieval::Read(Fn fn) -> Task<std::invoke_result_t<Fn, SqliteConnection&>> {
  using R = std::invoke_result_t<Fn, SqliteConnection&>;
  auto run = [this, fn = std::move(fn)]() mutable -> R {
    TRY(SqliteReaders::Lease lease, readers_.Take());
    TRY(SqliteTransaction transaction,
        SqliteTransaction::Begin(*lease, SqliteTransaction::Kind::kRead));
    return fn(*lease);
  };
  auto result = co_await RunOn(blocking_, std::move(run));
  co_return result;
}

}  // namespace tessera
