#include "identity/secret_files.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tessera {
namespace {

constexpr std::size_t kBytesMax = 256 << 10;

Status FileError(std::string_view what, const std::string& path) {
  const int error = errno;
  std::string message = StrCat("cannot ", what, " ", path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(std::move(message));
  return absl::FailedPreconditionError(std::move(message));
}

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  int fd() const { return fd_; }
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

Result<std::string> Read(const std::string& path, bool secret) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd() < 0) return FileError("read", path);
  struct stat found{};
  if (::fstat(file.fd(), &found) != 0) return FileError("read", path);
  if (secret && (found.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0) {
    return absl::FailedPreconditionError(
        StrCat(path, " is a private key that others can read or change: chmod 600 ", path));
  }
  std::string text(kBytesMax + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.fd(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kBytesMax) return absl::FailedPreconditionError(StrCat(path, " is above 256 KB"));
  text.resize(size);
  return text;
}

}  // namespace

Result<std::string> ReadSmallFile(const std::string& path) { return Read(path, false); }
Result<std::string> ReadKeyFile(const std::string& path) { return Read(path, true); }

Status WriteKeyFile(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.fd() < 0) return FileError("make", temporary);
  while (!text.empty()) {
    const ssize_t put = ::write(file.fd(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return FileError("write", temporary);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(file.fd()) != 0 || file.Close() != 0) return FileError("write", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FileError("make", path);
  const File folder(::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_CLOEXEC));
  if (folder.fd() < 0 || ::fsync(folder.fd()) != 0) return FileError("write the folder of", path);
  return absl::OkStatus();
}

}  // namespace tessera
