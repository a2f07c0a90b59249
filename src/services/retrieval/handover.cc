// Handover (docs/adr/0012): the lease, and how an instance that does not write keeps its index at
// the state of the disk.

#include <utility>

#include "base/str.h"
#include "runtime/timer.h"
#include "services/retrieval/local_retrieval.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr auto kFollowPause = std::chrono::milliseconds(100);

Result<std::int64_t> LastChunk(SqliteConnection& db) {
  TRY(const std::optional<std::int64_t> last, db.QueryInt("SELECT max(chunk) FROM chunk_index"));
  return last.value_or(0);
}

Result<std::int64_t> ReadFence(SqliteConnection& db) {
  TRY(const std::optional<std::int64_t> fence,
      db.QueryInt("SELECT value FROM meta WHERE key = 'fence'"));
  return fence.value_or(0);
}

}  // namespace

Status LocalRetrieval::CheckLease(SqliteConnection& db) {
  TRY(const std::int64_t fence, ReadFence(db));
  if (fence == fence_) return absl::OkStatus();
  superseded_ = true;
  return absl::FailedPreconditionError(
      StrCat(db.path(), ": another instance of retrieval has taken over writing (lease ", fence,
             ", this one had ", fence_.load(), "); call that one"));
}

Result<bool> LocalRetrieval::HasLease() {
  TRY(SqliteReaders::Lease db, readers_.Take());
  TRY(const std::int64_t fence, ReadFence(*db));
  return fence == fence_;
}

Result<std::uint64_t> LocalRetrieval::Advance(SqliteConnection& db) {
  TRY(const std::uint64_t seq, NextSeq(db));
  known_seq_ = seq;  // before anybody can read it: our own changes need no following
  return seq;
}

Task<Status> LocalRetrieval::Activate(Ctx ctx) {
  co_return co_await ActivateAs(std::move(ctx), Start::kTakeover);
}

Task<Status> LocalRetrieval::ActivateAs(Ctx ctx, Start start) {
  CO_TRY(const WriteGate::Turn turn, co_await gate_.TakeTurn(ctx));
  if (gate_.active()) {
    auto ask = [this] { return HasLease(); };
    CO_TRY(const bool has, co_await RunOn(blocking_, std::move(ask)));
    if (has) co_return absl::OkStatus();
  }
  auto prepare = [this] { return MakeSchemaReady(); };
  CO_TRY(co_await RunOn(blocking_, std::move(prepare)));
  CO_TRY(co_await TakeLease(ctx, start));
  gate_.Open();
  WantSweep();
  co_return absl::OkStatus();
}

Task<Status> LocalRetrieval::TakeLease(Ctx ctx, Start start) {
  std::int64_t fence = 0;
  Write write;
  write.unguarded = true;
  write.apply = [this, start, &fence](SqliteConnection& db) -> Status {
    TRY(db.Run("UPDATE meta SET value = value + 1 WHERE key = 'fence'"));
    TRY(fence, ReadFence(db));
    if (start == Start::kFirst) TRY(ClearDeadRuns(db, config_.unfinished_kept));
    // Nobody else can write now: what is read here is all there is.
    std::lock_guard following(follow_mutex_);
    return CatchUp(db);
  };
  write.committed = [this, &fence] {
    std::lock_guard following(follow_mutex_);
    last_chunk_.reset();  // from here on our own writes go beyond it
    superseded_ = false;
    fence_ = fence;
  };
  co_return co_await writes_.Run(std::move(ctx), std::move(write));
}

Task<Status> LocalRetrieval::Yield(Ctx ctx) {
  CO_TRY(const WriteGate::Turn turn, co_await gate_.TakeTurn(ctx));
  CO_TRY(co_await gate_.Close(std::move(ctx)));
  auto note = [this] { return NoteYielded(); };
  co_return co_await RunOn(blocking_, std::move(note));
}

// What the index holds, so that it can go on from there.
Status LocalRetrieval::NoteYielded() {
  if (gate_.state() != WriteGate::State::kYielded) return absl::OkStatus();
  TRY(SqliteReaders::Lease db, readers_.Take());
  TRY(SqliteTransaction snapshot, SqliteTransaction::Begin(*db, SqliteTransaction::Kind::kRead));
  std::lock_guard following(follow_mutex_);
  if (last_chunk_) return absl::OkStatus();
  TRY(const std::int64_t fence, ReadFence(*db));
  if (fence != fence_) {
    superseded_ = true;  // another has written: all is loaded anew
    return absl::OkStatus();
  }
  TRY(const std::uint64_t seq, ReadSeq(*db));
  TRY(last_chunk_, LastChunk(*db));
  known_seq_ = seq;
  return absl::OkStatus();
}

Task<Status> LocalRetrieval::Forward(Ctx ctx) {
  CO_TRY(const WriteGate::Turn turn, co_await gate_.TakeTurn(std::move(ctx)));
  if (successor_ == nullptr)
    co_return absl::FailedPreconditionError("retrieval was opened without a router to forward to");
  co_return gate_.Forward();
}

Status LocalRetrieval::Follow(SqliteConnection& db, std::uint64_t seq) {
  if (seq <= known_seq_ && !superseded_) return absl::OkStatus();
  std::lock_guard following(follow_mutex_);
  if (superseded_.exchange(false))
    last_chunk_.reset();
  else if (seq <= known_seq_)
    return absl::OkStatus();
  return CatchUp(db);
}

Task<void> LocalRetrieval::FollowWhileStandby() {
  const Ctx ctx = SystemCtx(background_.token());
  const auto follow = [this]() -> Status {
    TRY(SqliteReaders::Lease db, readers_.Take());
    TRY(SqliteTransaction snapshot, SqliteTransaction::Begin(*db, SqliteTransaction::Kind::kRead));
    TRY(const std::uint64_t seq, ReadSeq(*db));
    TRY(const std::int64_t last, LastChunk(*db));
    std::lock_guard following(follow_mutex_);
    // A search may have followed further meanwhile.
    if (!last_chunk_ || seq < known_seq_) return absl::OkStatus();
    if (seq == known_seq_ && last <= *last_chunk_) return absl::OkStatus();
    return CatchUp(*db);
  };
  while (true) {
    const Status slept = co_await SleepFor(ctx, kFollowPause);
    if (!slept.ok() || gate_.state() != WriteGate::State::kStandby) co_return;
    const Status followed = follow();
    if (!followed.ok()) {
      Log(LogLevel::kWarning, "following the one that writes failed",
          {{"why", followed.ToString()}});
    }
  }
}

Status LocalRetrieval::LoadAll(SqliteConnection& db) {
  TRY(const std::uint64_t seq, ReadSeq(db));
  TRY(const std::int64_t last, LastChunk(db));
  TRY(Indexes indexes, LoadIndexes(db));
  {
    std::lock_guard lock(indexes_mutex_);
    indexes_ = std::move(indexes);
  }
  last_chunk_ = last;
  known_seq_ = seq;
  return absl::OkStatus();
}

Status LocalRetrieval::CatchUp(SqliteConnection& db) {
  if (!last_chunk_) return LoadAll(db);
  const auto catch_up = [&]() -> Status {
    TRY(const std::uint64_t seq, ReadSeq(db));
    TRY(const std::unordered_set<std::int64_t> whole, CatchUpCollections(db));
    TRY(CatchUpRows(db, whole));
    TRY(CatchUpDocuments(db, seq));
    known_seq_ = seq;
    return absl::OkStatus();
  };
  const Status status = catch_up();
  if (!status.ok()) last_chunk_.reset();  // half done: next time all anew
  return status;
}

// New ones, deleted ones, and those whose vectors are others now. Returns the last: they are made
// anew, with all their rows.
Result<std::unordered_set<std::int64_t>> LocalRetrieval::CatchUpCollections(SqliteConnection& db) {
  TRY(const std::uint64_t seq, ReadSeq(db));
  std::unordered_set<std::int64_t> whole;
  std::unordered_set<std::int64_t> present;
  TRY(SqliteStatement rows,
      db.Prepare("SELECT id, dimension, vectors_seq FROM collections WHERE removed = 0"));
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) break;
    const std::int64_t id = rows.Int(0);
    present.insert(id);
    const IndexPtr index = FindIndex(id);
    if (index == nullptr) {
      PutIndex(id, std::make_shared<CollectionIndex>(static_cast<std::uint32_t>(rows.Int(1)), seq));
    } else if (static_cast<std::uint64_t>(rows.Int(2)) > index->built_at()) {
      TRY(Indexes renewed, LoadIndexes(db, id));
      for (auto& [renewed_id, one] : renewed) PutIndex(renewed_id, std::move(one));
      whole.insert(id);
    }
  }
  std::lock_guard lock(indexes_mutex_);
  std::erase_if(indexes_, [&](const auto& entry) { return !present.contains(entry.first); });
  return whole;
}

// Visibility. Of what has changed since the last time the exact number is not known, so the bounds
// are taken that make a document seen too long rather than too short: what a snapshot does not hold
// is left out by the search when it reads the passages.
Status LocalRetrieval::CatchUpDocuments(SqliteConnection& db, std::uint64_t seq) {
  std::unordered_map<std::int64_t, std::unordered_set<std::int64_t>> committed;
  TRY(SqliteStatement rows, db.Prepare("SELECT id, collection FROM documents WHERE state = 1"));
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) break;
    committed[rows.Int(1)].insert(rows.Int(0));
  }
  std::vector<std::pair<std::int64_t, IndexPtr>> indexes;
  {
    std::lock_guard lock(indexes_mutex_);
    indexes.assign(indexes_.begin(), indexes_.end());
  }
  for (const auto& [id, index] : indexes) {
    for (const std::int64_t document : index->RemoveOthers(committed[id], seq)) {
      TRY(const DocumentRecord record, FindDocument(db, document));
      index->Publish(document, known_seq_ + 1, TitleText(record.message));
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
