#include "store/data_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

Status SystemError(const char* what, const std::string& path, int error) {
  const std::string text = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT)
    return absl::ResourceExhaustedError(absl::StrCat(text, "; free some space and retry"));
  if (error == EACCES || error == EPERM || error == EROFS) return absl::PermissionDeniedError(text);
  if (error == ENOENT) return absl::NotFoundError(text);
  return absl::UnavailableError(text);
}

Status Sync(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path, errno);
  const int code = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  return code == 0 ? absl::OkStatus() : SystemError("sync", path, error);
}

Status MakeFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return SystemError("make folder", path, errno);
}

std::string HolderOf(int lock) {
  char text[32] = {};
  const ssize_t size = ::pread(lock, text, sizeof text - 1, 0);
  std::string pid(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "another process" : absl::StrCat("process ", pid);
}

}  // namespace

Status SyncFolder(const std::string& path) { return Sync(path, O_RDONLY | O_DIRECTORY); }
Status SyncFile(const std::string& path) { return Sync(path, O_RDONLY); }

Result<DataFolder> DataFolder::Open(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  TRY(MakeFolder(path));
  const std::string absolute = fs::canonical(path, error).string();
  if (error) return SystemError("open", path, error.value());

  const std::string lock_path = absolute + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return SystemError("open", lock_path, errno);
  DataFolder folder(absolute, lock);  // closes the file on every way out
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("lock", lock_path, errno);
    return absl::FailedPreconditionError(absl::StrCat("the data folder ", absolute,
                                                      " is in use by ", HolderOf(lock),
                                                      "; stop it or choose another --data"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  if (::ftruncate(lock, 0) != 0 ||
      ::pwrite(lock, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return SystemError("write", lock_path, errno);

  fs::remove_all(folder.tmp(), error);
  for (const char* name : {"tmp", "originals", "index"}) TRY(MakeFolder(folder.Path(name)));
  TRY(SyncFolder(absolute));
  return folder;
}

Result<DataFolder> DataFolder::Join(const std::string& path) {
  std::error_code error;
  const std::string absolute = fs::canonical(path, error).string();
  if (error) return SystemError("open", path, error.value());
  const std::string lock_path = absolute + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CLOEXEC);
  if (lock < 0) return SystemError("open", lock_path, errno);
  const bool free = ::flock(lock, LOCK_SH | LOCK_NB) == 0;
  ::close(lock);
  if (free) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data folder ", absolute, " belongs to no running platform; start one"));
  }
  return DataFolder(absolute, -1);
}

DataFolder::DataFolder(DataFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataFolder::~DataFolder() {
  if (lock_ >= 0) ::close(lock_);
}

std::string DataFolder::Path(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

Result<std::string> DataFolder::OriginalPath(std::string_view sha256) {
  const bool valid = sha256.size() == 64 && std::all_of(sha256.begin(), sha256.end(), [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
  if (!valid) return absl::InvalidArgumentError("sha256: want 64 lower-case hexadecimal digits");
  return "originals/" + std::string(sha256.substr(0, 2)) + "/" + std::string(sha256);
}

DataFolder::OriginalsLock::~OriginalsLock() {
  if (fd_ >= 0) ::close(fd_);
}

// Not the file `lock`: another description of a file has another flock.
Result<DataFolder::OriginalsLock> DataFolder::ShareOriginals() const {
  const std::string path = Path("originals");
  OriginalsLock lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.fd_ < 0) return SystemError("open", path, errno);
  while (::flock(lock.fd_, LOCK_SH) != 0)
    if (errno != EINTR) return SystemError("lock", path, errno);
  return lock;
}

Result<std::optional<DataFolder::OriginalsLock>> DataFolder::TryOwnOriginals() const {
  const std::string path = Path("originals");
  OriginalsLock lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.fd_ < 0) return SystemError("open", path, errno);
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) == 0) return std::optional(std::move(lock));
  if (errno == EWOULDBLOCK) return std::optional<OriginalsLock>();
  return SystemError("lock", path, errno);
}

Result<std::string> DataFolder::KeepOriginal(const std::string& file,
                                             std::string_view sha256) const {
  TRY(std::string relative, OriginalPath(sha256));
  const std::string target = Path(relative);
  const std::string folder = target.substr(0, target.rfind('/'));
  TRY(const OriginalsLock shared, ShareOriginals());
  TRY(MakeFolder(folder));
  TRY(SyncFolder(Path("originals")));
  // Its age is counted from now, so that the collector leaves it alone until a document refers to
  // it.
  if (::utimensat(AT_FDCWD, target.c_str(), nullptr, 0) == 0) {
    ::unlink(file.c_str());
    return relative;
  }
  TRY(SyncFile(file));
  if (::rename(file.c_str(), target.c_str()) != 0) return SystemError("keep", target, errno);
  ::utimensat(AT_FDCWD, target.c_str(), nullptr, 0);
  TRY(SyncFolder(folder));
  return relative;
}

}  // namespace tessera
