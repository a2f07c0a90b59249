#include "monitoring/slo_store.h"

#include <cmath>
#include <optional>

#include "base/str.h"
#include "store/disposable.h"

namespace tessera {
namespace {

constexpr std::int64_t kPruneMs = 3'600'000;

constexpr SqliteMigration kMigrations[] = {{1, R"sql(
CREATE TABLE watch (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  claim INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  since_ms INTEGER NOT NULL
);
INSERT INTO watch VALUES (1, 0, 0, 0);
CREATE TABLE objectives (slo TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE slots (
  slo TEXT NOT NULL,
  grain INTEGER NOT NULL,
  slot INTEGER NOT NULL,
  good REAL NOT NULL,
  total REAL NOT NULL,
  seen_ms INTEGER NOT NULL,
  PRIMARY KEY (slo, grain, slot)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  slo TEXT NOT NULL,
  severity INTEGER NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  text TEXT NOT NULL
);
)sql"}};

}  // namespace

Result<std::unique_ptr<SloStore>> SloStore::Open(const std::string& path) {
  const auto make =
      [](std::unique_ptr<SqliteConnection> connection) -> Result<std::unique_ptr<SloStore>> {
    std::unique_ptr<SloStore> store(new SloStore(std::move(connection)));
    TRY(store->connection_->Script("PRAGMA synchronous = NORMAL;"));
    TRY(MigrateSqlite(*store->connection_, kMigrations));
    return store;
  };
  return OpenOrBeginAnew(path, {.cache_bytes = 1 << 20, .mmap_bytes = 0},
                         "the file of objectives is damaged and is begun anew", make);
}

Status SloStore::Clear(const std::string& slo) {
  TRY(connection_->Run("DELETE FROM slots WHERE slo = ?", slo));
  return connection_->Run("DELETE FROM objectives WHERE slo = ?", slo);
}

Status SloStore::Forget(const std::map<std::string, std::string>& fingerprints) {
  std::vector<std::string> old;
  {
    TRY(SqliteStatement rows, connection_->Prepare("SELECT slo, fingerprint FROM objectives"));
    while (true) {
      TRY(const bool row, rows.Step());
      if (!row) break;
      const auto now = fingerprints.find(std::string(rows.Text(0)));
      if (now == fingerprints.end() || now->second != rows.Text(1)) old.emplace_back(rows.Text(0));
    }
  }
  for (const std::string& slo : old) TRY(Clear(slo));
  for (const auto& [slo, fingerprint] : fingerprints)
    TRY(connection_->Run("INSERT OR IGNORE INTO objectives VALUES (?, ?)", slo, fingerprint));
  return absl::OkStatus();
}

Result<std::vector<SavedSlot>> SloStore::ReadSlots() {
  std::vector<SavedSlot> slots;
  TRY(SqliteStatement rows,
      connection_->Prepare("SELECT slo, grain, slot, good, total, seen_ms FROM slots"));
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) return slots;
    slots.push_back(
        {.slo = std::string(rows.Text(0)),
         .grain = static_cast<std::size_t>(rows.Int(1)),
         .slot = {.index = rows.Int(2),
                  .sum = {.good = rows.Real(3), .total = rows.Real(4), .seen_ms = rows.Int(5)}}});
  }
}

Result<std::vector<AlertRecord>> SloStore::ReadAlerts() {
  std::vector<AlertRecord> alerts;
  TRY(SqliteStatement rows,
      connection_->Prepare(
          "SELECT id, slo, severity, since_ms, until_ms, text FROM alerts ORDER BY id"));
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) return alerts;
    alerts.push_back({.id = rows.Int(0),
                      .slo = std::string(rows.Text(1)),
                      .severity = rows.Int(2) == 0 ? AlertSeverity::kPage : AlertSeverity::kTicket,
                      .since_ms = rows.Int(3),
                      .until_ms = rows.Int(4),
                      .text = std::string(rows.Text(5))});
  }
}

Result<SloSaved> SloStore::Claim(const std::map<std::string, std::string>& fingerprints) {
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
  TRY(connection_->Run("UPDATE watch SET claim = claim + 1"));
  TRY(const std::optional<std::int64_t> claim, connection_->QueryInt("SELECT claim FROM watch"));
  claim_ = claim.value_or(0);
  TRY(Forget(fingerprints));
  SloSaved saved;
  {
    TRY(SqliteStatement row, connection_->Prepare("SELECT at_ms, since_ms FROM watch"));
    TRY(const bool found, row.Step());
    if (found) saved.at_ms = row.Int(0);
    if (found) saved.watching_since_ms = row.Int(1);
  }
  TRY(saved.slots, ReadSlots());
  TRY(saved.alerts, ReadAlerts());
  {
    TRY(SqliteStatement rows, connection_->Prepare("SELECT name, value FROM counters"));
    while (true) {
      TRY(const bool row, rows.Step());
      if (!row) break;
      saved.counters.emplace(rows.Text(0), rows.Real(1));
    }
  }
  TRY(transaction.Commit());
  return saved;
}

Status SloStore::Write(const SloSave& save) {
  TRY(connection_->Run("UPDATE watch SET at_ms = ?, since_ms = ?", save.at_ms,
                       save.watching_since_ms));
  for (const SavedSlot& one : save.slots)
    TRY(connection_->Run("INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?)", one.slo,
                         static_cast<std::int64_t>(one.grain), one.slot.index, one.slot.sum.good,
                         one.slot.sum.total, one.slot.sum.seen_ms));
  for (const auto& [name, value] : save.counters) {
    if (std::isnan(value)) {
      TRY(connection_->Run("DELETE FROM counters WHERE name = ?", name));
    } else {
      TRY(connection_->Run("INSERT OR REPLACE INTO counters VALUES (?, ?)", name, value));
    }
  }
  for (const AlertRecord& alert : save.alerts)
    TRY(connection_->Run("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?)", alert.id,
                         alert.slo, alert.severity == AlertSeverity::kPage ? 0 : 1, alert.since_ms,
                         alert.until_ms, alert.text));
  if (save.at_ms - pruned_ms_ < kPruneMs) return absl::OkStatus();
  pruned_ms_ = save.at_ms;
  for (std::size_t grain = 0; grain < SliHistory::kGrains; ++grain)
    TRY(connection_->Run("DELETE FROM slots WHERE grain = ? AND slot < ?",
                         static_cast<std::int64_t>(grain),
                         SliHistory::OldestIndex(grain, save.at_ms)));
  return connection_->Run("DELETE FROM alerts WHERE id <= (SELECT MAX(id) FROM alerts) - ?",
                          kAlertsMax);
}

Status SloStore::Save(const SloSave& save) {
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
  TRY(const std::optional<std::int64_t> claim, connection_->QueryInt("SELECT claim FROM watch"));
  if (claim != claim_)
    return absl::FailedPreconditionError("another process has the file of objectives now");
  TRY(Write(save));
  return transaction.Commit();
}

}  // namespace tessera
