#pragma once
// Gathers the records of all processes of the platform, in its first process.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/task.h"
#include "logs/log_store.h"
#include "runtime/rounds.h"
#include "telemetry/log_site.h"
#include "telemetry/metrics.h"

namespace tessera {

/// What a process is asked, by its number in the system.
using TakeLogsQuestion = std::function<v1::TakeLogsRequest(int pid)>;
/// Who answered, and what.
struct TakenLogs {
  std::string name;
  std::string group;
  int pid = 0;
  v1::TakeLogsReply reply;
};

/// Looks four times a second, on a thread of its own. Thread-safe.
class LogCollector {
 public:
  struct Parts {
    /// Gets what was gathered, in order, on the collector's thread; must not block for long.
    std::function<void(const std::vector<GatheredLog>&)> sink;
    std::size_t bytes_max = std::size_t{8} << 20;
  };
  explicit LogCollector(Parts parts);

  /// Returns when what was said before is gathered, and all processes write by the present levels,
  /// or after `limit`. Blocks.
  void Flush(Duration limit) { rounds_.Flush(limit); }
  /// Who asks the other processes of the platform; may be empty. Looks a last time through the one
  /// before, and returns when that is not called any more.
  using Others = std::function<Task<std::vector<TakenLogs>>(Ctx, TakeLogsQuestion)>;
  void SetOthers(Others others);
  /// Looks a last time.
  void Stop() { rounds_.Stop(); }

  /// Of this process at once, of the others after the next Flush(): they all write by its levels.
  void SetLevel(const std::string& module, std::optional<LogLevel> level);
  const LogStore& store() const { return store_; }

 private:
  void Round(Rounds::Why why);
  void Collect();
  v1::TakeLogsRequest Question(int pid);
  void Accept(TakenLogs taken, std::vector<v1::LogRecord>* gathered);

  const Parts parts_;
  Counter& missed_;
  LogStore store_;
  struct Cursor {
    std::uint64_t after = 0;
    std::uint64_t round = 0;  ///< when it was last asked
  };
  std::mutex collecting_;          // held while processes are asked
  Others others_;                  // under it
  mutable std::mutex mutex_;       // of all below
  std::map<int, Cursor> cursors_;  // by pid
  std::uint64_t round_ = 0;
  Rounds rounds_;
};

}  // namespace tessera
