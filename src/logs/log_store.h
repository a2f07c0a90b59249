#pragma once
// The last records of all processes.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "tessera/v1/logs.pb.h"

namespace tessera {

using GatheredLog = std::shared_ptr<const v1::LogRecord>;

/// Up to so many bytes; the oldest go first. Thread-safe.
class LogStore {
 public:
  explicit LogStore(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Numbers them and keeps them.
  std::vector<GatheredLog> Add(std::vector<v1::LogRecord> records);
  /// What matches; `last` is the newest sequence that was looked at.
  v1::ListLogsReply List(const v1::ListLogsRequest& request) const;

 private:
  const std::size_t bytes_max_;
  mutable std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::uint64_t last_ = 0;
  std::deque<GatheredLog> records_;
};

bool Matches(const v1::ListLogsRequest& wanted, const v1::LogRecord& record);

}  // namespace tessera
