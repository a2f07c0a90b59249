#pragma once
// The last records of a process.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "telemetry/log_record.h"

namespace tessera {

using LogRecordPtr = std::shared_ptr<const LogRecord>;

/// Up to so many bytes; the oldest go first. Numbers what it takes from 1 on, without gaps: a
/// reader that finds one knows how many it missed. Thread-safe.
class LogRing {
 public:
  explicit LogRing(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  LogRecordPtr Add(LogRecord record);
  /// Records after `sequence`, the oldest first, `max` at most.
  std::vector<LogRecordPtr> After(std::uint64_t sequence, std::size_t max) const;
  /// The number of the newest; 0: none has come.
  std::uint64_t last() const;
  void SetBound(std::size_t bytes_max);

 private:
  void LockedTrim();

  mutable std::mutex mutex_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t last_ = 0;
  std::deque<LogRecordPtr> records_;
};

}  // namespace tessera
