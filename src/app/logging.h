#pragma once
// The log of this process, and of the whole platform in its first process.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/schema.h"
#include "logs/local_logs.h"
#include "logs/log_shipper.h"
#include "logs/logs_config.h"
#include "net/io_loop.h"
#include "runtime/thread_pool.h"
#include "telemetry/log_pipeline.h"
#include "telemetry/redact.h"
#include "telemetry/telemetry_config.h"
#include "tessera/v1/group.pb.h"

namespace tessera {

class RootProcess;

/// What the command line says, for this process and the children that it starts: goes before
/// TESSERA_LOG_LEVEL and TESSERA_LOG_FORMAT. Before any thread is made.
void ChooseLog(const std::string& level, const std::string& format);

/// Takes out of texts what the configuration hides from the log: its own secrets, and
/// `logs.redact`.
std::shared_ptr<const Redactor> RedactorOf(const ConfigSnapshot& config);

/// What the log is written as; the command line and the environment go before `config`.
LogFormat FormatOfLog(const ConfigSnapshot& config);

/// The log runs as `config` says until the result goes. What this process was `told`
/// when it started goes first; null: nothing.
std::unique_ptr<LogRun> BeginLog(const ConfigSnapshot& config, const v1::GroupBootstrap* told);

/// Gathers the records of all processes and sends them where they are to go. Thread-safe.
class PlatformLogs {
 public:
  /// What waits for a sink lies in DATA/outbound. `sends`: from the start.
  static Result<std::unique_ptr<PlatformLogs>> Start(const ConfigSnapshot& config,
                                                     const std::string& data, bool sends);
  /// The sinks get what is gathered from now on. One process of a platform sends at a time.
  void BeginSending();
  /// What waits stays on the disk, for the one that sends then.
  void EndSending();
  ~PlatformLogs();
  Logs& logs() { return *logs_; }

  /// While it lives, records of `root`'s children are gathered too.
  class Following {
   public:
    Following(PlatformLogs& logs, RootProcess& root);
    ~Following();
    Following(const Following&) = delete;

   private:
    PlatformLogs& logs_;
  };

 private:
  PlatformLogs(const ConfigSnapshot& config, std::string data);
  Status StartSinks();

  const LogsConfig config_;
  const TelemetryConfig telemetry_;
  const std::string data_;

  IoLoops loops_{1};  // of the sinks: it outlives the platform's own
  std::mutex sending_;
  std::vector<std::unique_ptr<LogShipper>> shippers_;  // under it
  ThreadPool waiting_{"logs", 2};
  std::unique_ptr<LogCollector> collector_;
  std::unique_ptr<LocalLogs> logs_;
};

}  // namespace tessera
