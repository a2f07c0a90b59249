#include "services/dataprep/content.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kBuffer = 256u << 10;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Status FileError(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string message = StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(StrCat(message, "; free some space and try again"));
    default:
      return absl::UnavailableError(message);
  }
}

Result<File> OpenToRead(const std::string& path) {
  // Not blocking: a FIFO must not hold the thread.
  File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd() < 0) return FileError("cannot open", path);
  struct stat info{};
  if (::fstat(file.fd(), &info) != 0) return FileError("cannot look at", path);
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(StrCat(path, " is not a regular file"));
  return file;
}

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void Add(std::string_view bytes) {
    CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::string Finish() {
    std::array<unsigned char, 32> digest{};
    CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
    std::string hex;
    for (const unsigned char byte : digest) {
      hex.push_back("0123456789abcdef"[byte >> 4]);
      hex.push_back("0123456789abcdef"[byte & 15]);
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// Reads `from` to its end; copies to `to` where there is one.
Result<Content> Drain(const std::string& from, NewFile* to, const CancelToken& cancel) {
  TRY(const File in, OpenToRead(from));
  std::vector<char> buffer(kBuffer);
  Digest digest;
  Content content;
  while (true) {
    TRY(cancel.status());
    const ssize_t count = ::read(in.fd(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError("cannot read", from);
    if (count == 0) break;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    digest.Add(bytes);
    content.bytes += bytes.size();
    if (to != nullptr) TRY(to->Append(bytes));
  }
  content.sha256 = digest.Finish();
  return content;
}

}  // namespace

Result<NewFile> NewFile::Create(std::string path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FileError("cannot create", path);
  return NewFile(fd, std::move(path));
}

NewFile::NewFile(NewFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status NewFile::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError("cannot write", path_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

Result<Content> ReadContent(const std::string& path, const CancelToken& cancel) {
  return Drain(path, nullptr, cancel);
}

Result<Content> CopyContent(const std::string& from, const std::string& to,
                            const CancelToken& cancel) {
  TRY(NewFile out, NewFile::Create(to));
  Result<Content> content = Drain(from, &out, cancel);
  if (!content.ok()) ::unlink(to.c_str());
  return content;
}

Status WriteContent(const std::string& path, std::string_view bytes) {
  TRY(NewFile out, NewFile::Create(path));
  Status written = out.Append(bytes);
  if (!written.ok()) ::unlink(path.c_str());
  return written;
}

Status CheckRoom(const std::string& folder, std::uint64_t bytes, std::uint64_t floor) {
  struct statvfs info{};
  if (::statvfs(folder.c_str(), &info) != 0)
    return FileError("cannot ask for free space at", folder);
  const std::uint64_t free = std::uint64_t{info.f_bavail} * info.f_frsize;
  if (free >= bytes + floor) return absl::OkStatus();
  return absl::ResourceExhaustedError(StrCat(
      "disk full: ", free >> 20, " MiB are free below ", folder, ", ", (bytes + floor) >> 20,
      " MiB are needed (", floor >> 20, " MiB stay in reserve); free some space and try again"));
}

}  // namespace tessera
