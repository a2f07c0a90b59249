#include "telemetry/log_ring.h"

#include <algorithm>

namespace tessera {

LogRecordPtr LogRing::Add(LogRecord record) {
  std::lock_guard lock(mutex_);
  record.sequence = ++last_;
  bytes_ += record.bytes();
  auto added = std::make_shared<const LogRecord>(std::move(record));
  records_.push_back(added);
  LockedTrim();
  return added;
}

void LogRing::LockedTrim() {
  while (bytes_ > bytes_max_ && records_.size() > 1) {
    bytes_ -= records_.front()->bytes();
    records_.pop_front();
  }
}

std::vector<LogRecordPtr> LogRing::After(std::uint64_t sequence, std::size_t max) const {
  std::lock_guard lock(mutex_);
  if (records_.empty()) return {};
  const std::uint64_t first = records_.front()->sequence;
  const std::size_t skip = sequence < first ? 0 : sequence - first + 1;
  if (skip >= records_.size()) return {};
  const auto begin = records_.begin() + static_cast<std::ptrdiff_t>(skip);
  const std::size_t count = std::min(max, records_.size() - skip);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

std::uint64_t LogRing::last() const {
  std::lock_guard lock(mutex_);
  return last_;
}

void LogRing::SetBound(std::size_t bytes_max) {
  std::lock_guard lock(mutex_);
  bytes_max_ = bytes_max;
  LockedTrim();
}

}  // namespace tessera
