#pragma once
// DATA/slos.db: what objectives have counted, and the alerts that were.

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "monitoring/burn_rate.h"
#include "monitoring/sli_history.h"
#include "store/sqlite.h"

namespace tessera {

struct AlertRecord {
  std::int64_t id = 0;  ///< grows
  std::string slo;
  AlertSeverity severity = AlertSeverity::kTicket;
  std::int64_t since_ms = 0;
  std::int64_t until_ms = 0;  ///< 0: it goes on
  std::string text;
};

struct SavedSlot {
  std::string slo;
  std::size_t grain = 0;
  SliHistory::Slot slot;
};

/// What is written at once, so that counters and what came of them belong together.
struct SloSave {
  std::int64_t at_ms = 0;
  std::int64_t watching_since_ms = 0;
  std::vector<SavedSlot> slots;
  std::vector<std::pair<std::string, double>> counters;  ///< NaN: is to be forgotten
  std::vector<AlertRecord> alerts;
};

struct SloSaved {
  std::int64_t at_ms = 0;  ///< 0: nothing was saved yet
  std::int64_t watching_since_ms = 0;
  std::vector<SavedSlot> slots;
  std::unordered_map<std::string, double> counters;
  std::vector<AlertRecord> alerts;  ///< the oldest first
};

/// One writer at a time: whoever claims the file last. Used by one thread at a time.
class SloStore {
 public:
  static constexpr std::size_t kAlertsMax = 1000;

  /// A file that is damaged is begun anew.
  static Result<std::unique_ptr<SloStore>> Open(const std::string& path);

  /// From now on this store writes, and no other one of the file. What an objective counts is its
  /// fingerprint: where that has changed, what was counted is dropped, as are objectives that are
  /// not among them.
  Result<SloSaved> Claim(const std::map<std::string, std::string>& fingerprints);
  /// FAILED_PRECONDITION: another one has claimed the file.
  Status Save(const SloSave& save);

 private:
  explicit SloStore(std::unique_ptr<SqliteConnection> connection)
      : connection_(std::move(connection)) {}
  Status Forget(const std::map<std::string, std::string>& fingerprints);
  Status Clear(const std::string& slo);
  Status Write(const SloSave& save);
  Result<std::vector<SavedSlot>> ReadSlots();
  Result<std::vector<AlertRecord>> ReadAlerts();

  const std::unique_ptr<SqliteConnection> connection_;
  std::int64_t claim_ = 0;
  std::int64_t pruned_ms_ = 0;
};

}  // namespace tessera
