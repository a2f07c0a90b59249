#pragma once
// Sends what lies in a spool to its sink, in order, until the sink has taken it.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "logs/log_sink.h"
#include "logs/log_spool.h"
#include "telemetry/metrics.h"

namespace tessera {

/// A thread for one sink. Thread-safe.
class LogShipper {
 public:
  struct Options {
    std::size_t batch_records = 1000;
    std::size_t batch_bytes = std::size_t{1} << 20;
    Duration delay = std::chrono::seconds(1);  ///< that a record waits for others to go with
    Duration retry_min = std::chrono::seconds(1);
    Duration retry_max = std::chrono::seconds(30);
    Duration last_try = std::chrono::seconds(2);  ///< at the end; what is left stays in the spool
  };
  LogShipper(std::unique_ptr<LogSpool> spool, std::unique_ptr<LogSink> sink, Options options);
  ~LogShipper();
  LogShipper(const LogShipper&) = delete;

  /// Never waits for the sink.
  void Add(const std::vector<GatheredLog>& records);
  /// Waits until all is taken; false: `limit` came first.
  bool Flush(Duration limit);

 private:
  void Run();
  void Show();
  void Work();
  void Reject(const std::vector<v1::LogRecord>& records, std::uint64_t count,
              const std::string& reason);
  bool SendAll(std::vector<v1::LogRecord> records);
  void Judge(const Result<LogSink::Reply>& reply, std::vector<v1::LogRecord>* left);
  bool Pause(Duration duration);
  void Tell(const std::string& reason);
  bool stopping() const;

  const std::unique_ptr<LogSpool> spool_;
  const std::unique_ptr<LogSink> sink_;
  const Options options_;
  Counter& sent_;
  Counter& rejected_;
  Counter& dropped_;
  Counter& failed_;
  Gauge& waiting_;
  Gauge& spooled_;
  std::size_t batch_records_;  // of the thread: fewer after the sink said that it was too much
  bool away_ = false;          // of the thread
  CancelSource cancel_;
  mutable std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  bool fresh_ = false;
  bool hurry_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace tessera
