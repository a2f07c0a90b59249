#pragma once
// Records on their way to a sink, kept on the disk until it has taken them.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "logs/log_store.h"

namespace tessera {

/// A queue in a folder of its own: segments of framed records, and a file that says how far the
/// reader is. What was appended is there after the process was killed (not after the machine lost
/// its power). Beyond its bound new records are dropped and counted; the count, which is kept on
/// the disk too, goes into the queue as a record of its own where they are missing. Thread-safe.
class LogSpool {
 public:
  /// Makes the folder; takes over what an earlier process left in it. UNAVAILABLE when another
  /// process still has it after some seconds.
  static Result<std::unique_ptr<LogSpool>> Open(std::string folder, std::uint64_t bytes_max);
  ~LogSpool();
  LogSpool(const LogSpool&) = delete;

  /// Returns how many were dropped.
  std::uint64_t Append(const std::vector<GatheredLog>& records);

  struct Batch {
    std::vector<v1::LogRecord> records;
    std::uint64_t segment = 0;  ///< where the next one begins
    std::uint64_t offset = 0;
  };
  /// From the front, which stays there until Done.
  Batch Peek(std::size_t records_max, std::size_t bytes_max);
  void Done(const Batch& batch);

  std::uint64_t records() const;  ///< that wait
  std::uint64_t bytes() const;    ///< on the disk
  std::uint64_t dropped() const;  ///< since it was opened

 private:
  struct Segment {
    std::uint64_t index = 0;
    std::uint64_t bytes = 0;
    std::uint64_t records = 0;  ///< that wait
  };
  struct Position {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t untold = 0;  ///< dropped, and not yet told of in the queue
  };
  LogSpool(std::string folder, std::uint64_t bytes_max);
  Status TakeOver();
  std::string PathOf(std::uint64_t segment) const;
  void LockedSavePosition() const;
  bool LockedPut(const std::string& frames, std::uint64_t records);
  bool LockedNewSegment();
  std::string LockedNoteOfDrops() const;
  std::uint64_t LockedBytes() const;

  const std::string folder_;
  const std::uint64_t bytes_max_;
  const std::uint64_t segment_max_;
  mutable std::mutex mutex_;
  int position_fd_ = -1;
  int write_fd_ = -1;  // of the last segment
  std::deque<Segment> segments_;
  Position position_;
  std::uint64_t dropped_ = 0;
};

}  // namespace tessera
