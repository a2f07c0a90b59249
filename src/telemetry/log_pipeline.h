#pragma once
// Where records go: a bounded queue, and one thread that cleans them, keeps the last ones and
// writes them out.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "telemetry/log_format.h"
#include "telemetry/log_output.h"
#include "telemetry/log_ring.h"
#include "telemetry/metrics.h"
#include "telemetry/redact.h"

namespace tessera {

/// Of one process. Until Start() and after Stop() records are written to standard error by whoever
/// makes them, as commands and tests want it. Thread-safe but for Start and Stop.
class LogPipeline {
 public:
  struct Options {
    int fd = 2;  ///< -1: written nowhere
    LogFormat format = LogFormat::kText;
    LogOrigin origin;  ///< its node is the process's present name
    std::size_t queue_bytes = std::size_t{4} << 20;
    std::size_t output_bytes = std::size_t{4} << 20;
    std::size_t ring_bytes = std::size_t{8} << 20;
    std::shared_ptr<const Redactor> redactor;  ///< null: well-known forms of secrets only
  };
  static LogPipeline& Process();

  LogPipeline();
  ~LogPipeline();
  LogPipeline(const LogPipeline&) = delete;

  void Start(Options options);
  /// Writes what waits, as long as its reader takes it, a second at most.
  void Stop();
  /// Returns when all records made before are written or dropped, or after `limit`. May be called
  /// by a signal handler.
  bool Flush(Duration limit);

  void Add(LogRecord record);
  void CountSuppressed() { suppressed_.Add(); }

  /// The last records, cleaned.
  const LogRing& ring() const { return ring_; }
  LogOrigin origin() const;
  /// When this pipeline began, µs since 1970: with a record's number it names the record for ever.
  std::int64_t epoch_us() const { return epoch_us_; }

  struct Drops {
    std::uint64_t queue = 0;   ///< found the queue full
    std::uint64_t output = 0;  ///< whoever reads the output was too slow
  };
  Drops drops() const { return {dropped_.value(), unwritten_.value()}; }

 private:
  void Run();
  void Wake();
  void TakeAll();
  void Take(LogRecord record);
  void Clean(LogRecord& record) const;
  void Put(const LogRecord& record);
  void TellOfDrops();
  void WriteNow(LogRecord record);
  bool Idle();

  Options options_;
  std::int64_t epoch_us_ = 0;
  LogRing ring_;
  std::unique_ptr<LogOutput> output_;  // of the thread
  Counter& written_;
  Counter& suppressed_;
  Counter& dropped_;
  Counter& unwritten_;
  std::uint64_t handled_ = 0;  // of the thread, like the next two
  std::uint64_t told_queue_ = 0;
  std::uint64_t told_output_ = 0;
  std::atomic<bool> running_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> taken_{0};     ///< records that the queue has let in
  std::atomic<std::uint64_t> finished_{0};  ///< of them, written or dropped
  int wake_ = -1;
  std::mutex mutex_;  // of the queue
  std::vector<LogRecord> queue_;
  std::size_t queue_bytes_ = 0;
  std::thread thread_;
};

/// The process's pipeline runs as long as this lives; CHECK failures wait until what was said
/// before is written.
class LogRun {
 public:
  explicit LogRun(LogPipeline::Options options);
  ~LogRun();
  LogRun(const LogRun&) = delete;
};

}  // namespace tessera
