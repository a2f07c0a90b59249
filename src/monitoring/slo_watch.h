#pragma once
// The objectives of a platform: counted, judged, and alerts of those that burn.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "monitoring/burn_rate.h"
#include "monitoring/sli_history.h"
#include "monitoring/sli_terms.h"
#include "monitoring/slo_config.h"
#include "monitoring/slo_store.h"
#include "tessera/v1/monitoring.pb.h"

namespace tessera {

/// Thread-safe; Take() is called by one thread at a time.
class SloWatch {
 public:
  struct Parts {
    SloConfig config;
    std::unique_ptr<SloStore> store;  ///< null: what was counted goes with the process
    std::function<bool()> in_charge;  ///< false: another process counts now
    /// An alert began or ended; not `fresh`: it goes on from an earlier process. May be empty.
    std::function<void(const AlertRecord&, bool fresh)> tell;
  };
  explicit SloWatch(Parts parts);

  /// The figures of all processes at that time; times grow.
  void Take(std::int64_t wall_ms, std::int64_t steady_ms,
            const std::vector<MetricFamily>& families);

  v1::ListSlosReply List() const;
  /// NOT_FOUND
  Result<v1::Slo> Get(const std::string& name) const;
  v1::ListAlertsReply Alerts(const v1::ListAlertsRequest& request) const;
  /// What fires now.
  std::vector<AlertRecord> Firing() const;
  /// Prometheus lines `tessera_slo_…`, `tessera_alert_firing`; none while another process counts.
  void AppendFigures(std::string& out) const;

 private:
  struct Alarm {
    std::int64_t record = -1;  ///< id of what fires; -1: nothing
    std::int64_t burned_steady_ms = 0;
  };
  struct Watched {
    SloObjective objective;
    SliTerms terms;
    SliHistory history;
    BudgetState budget;
    std::array<BurnState, 4> burns{};
    std::array<Alarm, 2> alarms{};  ///< by severity
  };

  Status BeginWatch();
  void Count(std::int64_t steady_ms, const std::vector<MetricFamily>& families);
  void Judge(Watched& one, std::int64_t steady_ms, std::vector<AlertRecord>* changed);
  void JudgeAlarm(Watched& one, AlertSeverity severity, std::int64_t steady_ms,
                  std::vector<AlertRecord>* changed);
  void Save(const std::vector<AlertRecord>& changed);
  v1::Slo MessageOf(const Watched& one) const;
  AlertRecord* Find(std::int64_t id);

  const Parts parts_;
  // Of Take() alone.
  CounterGrowth growth_;
  bool watching_ = false;
  bool claimed_by_other_ = false;
  std::int64_t last_steady_ms_ = 0;

  mutable std::mutex mutex_;  // of all below
  std::int64_t now_ms_ = 0;
  bool tells_ = false;
  std::vector<std::unique_ptr<Watched>> all_;
  std::vector<AlertRecord> alerts_;  ///< the oldest first
};

}  // namespace tessera
