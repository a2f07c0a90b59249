#pragma once
// The flags on the disk: a log of changes, which is the record of who changed what as well.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "tessera/v1/flags.pb.h"

namespace tessera {

/// DATA/flags/changes.jsonl: one v1::FlagChange a line; what they come to are the flags. So a crash
/// at any moment leaves a change with its record or neither. A log that has grown becomes
/// changes.NNNNNN.jsonl (the last ten are kept) after flags.json was written. Not thread-safe.
class FlagStore {
 public:
  /// Makes the folder where it is missing. A last line that a crash cut is dropped;
  /// FAILED_PRECONDITION when another one is broken.
  static Result<FlagStore> Open(const std::string& data, std::size_t log_bytes_max = 8 << 20);
  FlagStore(FlagStore&& other) noexcept;
  ~FlagStore();

  const std::map<std::string, v1::Flag>& flags() const { return flags_; }
  std::uint64_t version() const { return version_; }
  /// Fills in the version; on the disk when it returns. After an error nothing has changed.
  Status Commit(v1::FlagChange& change);
  /// The newest first; of the last thousand since the log was begun.
  std::vector<v1::FlagChange> Changes(std::string_view key, std::size_t limit) const;

 private:
  FlagStore(std::string folder, std::size_t log_bytes_max)
      : folder_(std::move(folder)), log_bytes_max_(log_bytes_max) {}
  Status Load();
  Status LoadLog(const std::string& text);
  Status OpenLog();
  Status Rotate();
  void Apply(const v1::FlagChange& change);

  std::string folder_;
  std::size_t log_bytes_max_;
  int fd_ = -1;
  std::size_t size_ = 0;
  std::uint64_t version_ = 0;
  std::map<std::string, v1::Flag> flags_;
  std::deque<v1::FlagChange> changes_;
};

}  // namespace tessera
