#pragma once
// The contract Logs, in the process that was started.

#include <atomic>
#include <memory>

#include "base/executor.h"
#include "logs/log_collector.h"
#include "tessera/v1/logs.tessera.h"

namespace tessera {

/// Of this process. Thread-safe.
class OwnLogs final : public ProcessLogs {
 public:
  Task<Result<v1::TakeLogsReply>> TakeLogs(Ctx ctx, v1::TakeLogsRequest request) override;
};

/// Thread-safe.
class LocalLogs final : public Logs {
 public:
  /// Both outlive it.
  LocalLogs(LogCollector& collector, Executor& blocking)
      : collector_(collector), blocking_(blocking) {}

  Task<Result<v1::ListLogsReply>> ListLogs(Ctx ctx, v1::ListLogsRequest request) override;
  Task<Result<StreamPtr<v1::LogRecord>>> WatchLogs(Ctx ctx, v1::ListLogsRequest request) override;
  Task<Result<v1::LogLevels>> GetLogLevels(Ctx ctx, v1::GetLogLevelsRequest request) override;
  Task<Result<v1::LogLevels>> SetLogLevel(Ctx ctx, v1::SetLogLevelRequest request) override;
  /// Whoever follows the log here has to ask again, and is answered by another process then.
  void EndTails() { *over_ = true; }

 private:
  LogCollector& collector_;
  Executor& blocking_;
  const std::shared_ptr<std::atomic<bool>> over_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace tessera
