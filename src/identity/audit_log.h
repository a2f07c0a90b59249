#pragma once
// Who was refused, and why: one JSON line each, in a file of bounded size.

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/status.h"
#include "telemetry/log.h"

namespace tessera {

/// Thread-safe. Write never waits for the disk: lines go to a bounded queue, which `disk` empties;
/// what does not fit is counted, and the count written. All of it goes to the process's log as
/// well, of warnings at most ten a second.
class AuditLog {
 public:
  /// Goes on with the file at `path` (0600), which several processes may share; above `bytes_max`
  /// it becomes `path`.1, and a new one is begun. `process` names the writer in each line. `disk`
  /// must outlive the queue: its last closure.
  AuditLog(std::string path, Executor& disk, std::size_t bytes_max = 8 << 20,
           std::string process = {});
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;

  /// `event` is a fixed word such as "call_refused". Never secrets.
  void Write(std::string_view event, std::initializer_list<LogField> fields,
             LogLevel level = LogLevel::kWarning);
  /// Waits until what was written before is in the file; for tests and the end of a process.
  void Flush();

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace tessera
