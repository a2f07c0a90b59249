#pragma once
// The platform's hold on its worker process: starts it, hands it jobs, starts it again.

#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "extract/fd.h"
#include "extract/worker_protocol.h"

namespace tessera {

/// One worker process, started at the first job. Thread-safe.
class WorkerProcess {
 public:
  /// `command` empty: this program with "extract-worker".
  explicit WorkerProcess(std::vector<std::string> command);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;

  /// Hands the job over, starting the worker when it is not there. UNAVAILABLE: it cannot be
  /// started, or dies at once.
  Status Send(const WorkerJob& job);

 private:
  Status Start();
  void Stop();

  std::vector<std::string> command_;
  std::mutex mutex_;
  Fd control_;
  int pid_ = -1;
};

}  // namespace tessera
