#pragma once
// multipart/form-data (RFC 7578), read in pieces: nothing of a part's content is held in memory.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/status.h"
#include "base/stream.h"

namespace tessera {

struct MultipartLimits {
  std::uint32_t parts_max = 1000;
  std::uint32_t part_head_bytes_max = 8 << 10;
  std::uint64_t field_bytes_max = 1 << 20;                ///< of a part without a file name
  std::uint64_t file_bytes_max = std::uint64_t{4} << 30;  ///< of one file
};

/// Finds the parts in a stream of bytes. No I/O. Not thread-safe.
class MultipartParser {
 public:
  struct Head {
    std::string name;
    std::optional<std::string> file_name;  ///< cleaned: relative, no ".."
    std::string media_type;
  };
  struct Step {
    enum class Kind : std::uint8_t { kNeedMore, kHead, kData, kPartEnd, kEnd };
    Kind kind;
    Head head;              ///< of kHead
    std::string_view data;  ///< of kData; valid until the next call
  };

  /// `boundary` as in the Content-Type.
  MultipartParser(std::string boundary, MultipartLimits limits);
  /// Adds bytes; call Next() until it needs more.
  void Feed(std::string_view bytes);
  /// INVALID_ARGUMENT says what is wrong with the body.
  Result<Step> Next();
  /// After the last byte: an error unless kEnd was reached.
  Status Finish() const;

 private:
  enum class State : std::uint8_t { kPreamble, kAfterBoundary, kHead, kData, kEnd };
  Result<Step> NextHead();
  Result<Step> NextData();

  const std::string delimiter_;  // "\r\n--boundary"
  const MultipartLimits limits_;
  State state_ = State::kPreamble;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint32_t parts_ = 0;
};

/// The boundary of a Content-Type; INVALID_ARGUMENT when it is not multipart/form-data or has none.
Result<std::string> MultipartBoundary(std::string_view content_type);

/// A file of a form, spooled to disk; removed with this object unless Release() was called.
class SpooledFile {
 public:
  SpooledFile(std::string field, std::string name, std::string media_type, std::string path)
      : field(std::move(field)),
        name(std::move(name)),
        media_type(std::move(media_type)),
        path_(std::move(path)) {}
  SpooledFile(SpooledFile&& other) noexcept;
  SpooledFile& operator=(SpooledFile&&) = delete;
  ~SpooledFile();

  std::string field;
  std::string name;
  std::string media_type;
  std::uint64_t bytes = 0;
  const std::string& path() const { return path_; }
  /// The caller's from now on.
  std::string Release() { return std::exchange(path_, {}); }

 private:
  std::string path_;
};

/// A whole form: small fields in memory, files on disk.
struct Form {
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<SpooledFile> files;
  /// The first field of that name, or nullptr.
  const std::string* Field(std::string_view name) const;
};

/// Reads a form to its end; files go to `folder` (made when missing) through `blocking`. On an
/// error, or when the task is dropped, nothing is left behind. RESOURCE_EXHAUSTED with HTTP 507
/// when the disk is full.
Task<Result<Form>> ReadForm(Ctx ctx, StreamPtr<std::string> body, std::string boundary,
                            std::string folder, MultipartLimits limits, Executor& blocking);

}  // namespace tessera
