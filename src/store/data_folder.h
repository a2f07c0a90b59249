#pragma once
// The folder that holds everything the platform keeps, owned by one process at a time.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace tessera {

/// `DATA`: tessera.db, jobs.db, originals/, tmp/, index/, lock. Holds the lock while it lives; the
/// kernel frees it when the process dies, so a crash leaves nothing to clean up. Thread-safe.
class DataFolder {
 public:
  /// Makes the folder (mode 0700) where it is missing, and takes the lock. FAILED_PRECONDITION
  /// names the process that has it already.
  static Result<DataFolder> Open(const std::string& path);
  /// For a process of a platform whose first process holds the lock: takes no lock and empties
  /// nothing. NOT_FOUND: there is no such folder; FAILED_PRECONDITION: nobody holds its lock.
  static Result<DataFolder> Join(const std::string& path);
  DataFolder(DataFolder&& other) noexcept;
  DataFolder& operator=(DataFolder&&) = delete;
  ~DataFolder();

  const std::string& path() const { return path_; }
  /// `DATA/name`.
  std::string Path(std::string_view name) const;
  /// Where temporary files go: same file system, so that they can be renamed into place; emptied by
  /// Open.
  std::string tmp() const { return Path("tmp"); }

  /// The file that holds the lock; -1 in a process that joined. A child that inherits it (it is
  /// close-on-exec) keeps the folder locked until the last of them is dead.
  int lock_fd() const { return lock_; }

  /// Where an original of this content lies, relative to the folder: "originals/ab/abcd…". `sha256`
  /// is 64 hexadecimal digits in lower case; anything else is INVALID_ARGUMENT.
  static Result<std::string> OriginalPath(std::string_view sha256);
  /// Moves `file` (in tmp()) to its OriginalPath and makes it durable; a copy that is there already
  /// is kept and the file removed. Returns the relative path. Call it before BeginDocument: an
  /// original that no document refers to is removed a while after it was stored.
  Result<std::string> KeepOriginal(const std::string& file, std::string_view sha256) const;

  /// Held by those that refer to originals which no document names (shared), and by who removes
  /// such (exclusive), in all processes of the platform.
  class OriginalsLock {
   public:
    OriginalsLock(OriginalsLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OriginalsLock& operator=(OriginalsLock&&) = delete;
    ~OriginalsLock();

   private:
    friend class DataFolder;
    explicit OriginalsLock(int fd) : fd_(fd) {}
    int fd_;
  };
  /// Blocks while originals are being removed: for milliseconds.
  Result<OriginalsLock> ShareOriginals() const;
  /// Nothing while somebody else has it.
  Result<std::optional<OriginalsLock>> TryOwnOriginals() const;

 private:
  DataFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_;
};

/// fsync of a folder, so that names made, renamed or removed in it survive a power cut.
Status SyncFolder(const std::string& path);
/// fsync of a file by name.
Status SyncFile(const std::string& path);

}  // namespace tessera
