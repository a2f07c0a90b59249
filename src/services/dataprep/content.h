#pragma once
// Files as content: digests, copies, room on the disk. Everything here blocks.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/status.h"

namespace tessera {

/// A file's digest and size, of the bytes that were read.
struct Content {
  std::string sha256;  ///< 64 hexadecimal digits, lower case
  std::uint64_t bytes = 0;
};

/// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (not a regular file), or what the disk said.
Result<Content> ReadContent(const std::string& path, const CancelToken& cancel);

/// Copies `from` to a new file `to` and tells what was copied. On an error `to` is removed.
/// RESOURCE_EXHAUSTED: the disk is full.
Result<Content> CopyContent(const std::string& from, const std::string& to,
                            const CancelToken& cancel);

/// A file that is being written. Not thread-safe.
class NewFile {
 public:
  /// ALREADY_EXISTS is not among its errors: the name must be new, or it is UNAVAILABLE.
  static Result<NewFile> Create(std::string path);
  NewFile(NewFile&& other) noexcept;
  ~NewFile();
  /// RESOURCE_EXHAUSTED: the disk is full.
  Status Append(std::string_view bytes);

 private:
  NewFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

/// Writes a new file; the same errors.
Status WriteContent(const std::string& path, std::string_view bytes);

/// RESOURCE_EXHAUSTED unless, after writing `bytes` more, `floor` bytes stay free below `folder`.
Status CheckRoom(const std::string& folder, std::uint64_t bytes, std::uint64_t floor);

}  // namespace tessera
