#pragma once
// Tells others of alerts: a webhook, Prometheus' Alertmanager. In nobody's way.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "monitoring/slo_config.h"
#include "monitoring/slo_store.h"
#include "net/http_client.h"
#include "telemetry/metrics.h"

namespace tessera {

/// One receiver, with a thread of its own that sends and tries again. Thread-safe.
class AlertReceiver {
 public:
  struct Options {
    std::string kind;  ///< "webhook", "alertmanager": in figures
    AlertReceiverConfig config;
    std::map<std::string, std::string> labels;  ///< of Alertmanager, besides our own
    Duration resend = std::chrono::minutes(1);  ///< of Alertmanager: while an alert fires
    Duration retry_min = std::chrono::seconds(1);
    Duration retry_max = std::chrono::seconds(60);
    std::function<bool()> in_charge;  ///< false: another process tells now
  };
  virtual ~AlertReceiver();
  AlertReceiver(const AlertReceiver&) = delete;

  /// An alert began, ended or, not `fresh`, goes on from an earlier process. Never waits.
  void Tell(const AlertRecord& alert, bool fresh);

 protected:
  AlertReceiver(Options options, IoLoops& loops);
  void Start();
  void Stop();  ///< in the destructor of what derives from it

  /// Under the mutex: takes it in.
  virtual void Take(const AlertRecord& alert, bool fresh) = 0;
  /// Under the mutex: what is to be sent now; "" when nothing is.
  virtual std::string Next(SteadyTime now) = 0;
  /// Under the mutex: what Next() gave is through, taken or given up.
  virtual void Done(SteadyTime now) = 0;
  /// Under the mutex: forgets all.
  virtual void Clear() = 0;
  /// Under the mutex: when Next() may have something without a Tell().
  virtual SteadyTime Due() const = 0;
  void CountDropped() { dropped_.Add(); }

  const Options options_;

 private:
  enum class Outcome {
    kTaken,
    kAgain,  ///< not reached, or it may take it later
    kRefused
  };
  void Run();
  Outcome Send(const std::string& body);
  Task<Result<int>> Post(Ctx ctx, std::string body);

  HttpClient http_;
  Counter& sent_;
  Counter& failed_;
  Counter& refused_;
  Counter& dropped_;
  CancelSource cancel_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool fresh_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

/// The receivers of the configuration. Thread-safe.
class AlertSender {
 public:
  /// `loops` outlives it.
  AlertSender(const SloNotifyConfig& config, IoLoops& loops, std::function<bool()> in_charge);
  void Tell(const AlertRecord& alert, bool fresh);

 private:
  std::vector<std::unique_ptr<AlertReceiver>> receivers_;
};

/// As a webhook gets it.
std::string WebhookBody(const AlertRecord& alert);
/// As POST /api/v2/alerts takes them; what fires ends at `ends_ms` unless it is told of again.
std::string AlertmanagerBody(const std::vector<AlertRecord>& alerts,
                             const std::map<std::string, std::string>& labels,
                             std::int64_t ends_ms);

}  // namespace tessera
