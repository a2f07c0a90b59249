#include "extract/archive_file.h"

#include <algorithm>
#include <cstring>

#include <archive.h>
#include <archive_entry.h>

#include "extract/ascii.h"
#include "extract/text.h"

namespace tessera {
namespace {

constexpr std::size_t kWindowBytes = 128u << 10;

/// libarchive's view of an InputFile.
struct Window {
  const InputFile* file;
  std::uint64_t offset = 0;
  std::string buffer;
};

la_ssize_t ReadWindow(archive*, void* data, const void** bytes) {
  auto* window = static_cast<Window*>(data);
  window->buffer.resize(kWindowBytes);
  const std::size_t got = window->file->Read(window->offset, window->buffer.data(), kWindowBytes);
  window->offset += got;
  *bytes = window->buffer.data();
  return static_cast<la_ssize_t>(got);
}

la_int64_t SkipWindow(archive*, void* data, la_int64_t request) {
  auto* window = static_cast<Window*>(data);
  const std::uint64_t left = window->file->size() - std::min(window->offset, window->file->size());
  const std::uint64_t skip =
      std::min(left, static_cast<std::uint64_t>(std::max<la_int64_t>(request, 0)));
  window->offset += skip;
  return static_cast<la_int64_t>(skip);
}

la_int64_t SeekWindow(archive*, void* data, la_int64_t offset, int whence) {
  auto* window = static_cast<Window*>(data);
  const auto size = static_cast<la_int64_t>(window->file->size());
  la_int64_t target = offset;
  if (whence == SEEK_CUR) target += static_cast<la_int64_t>(window->offset);
  if (whence == SEEK_END) target += size;
  if (target < 0 || target > size) return ARCHIVE_FATAL;
  window->offset = static_cast<std::uint64_t>(target);
  return target;
}

ExtractError ErrorOf(archive* reader) {
  const char* text = archive_error_string(reader);
  const std::string_view said = text != nullptr ? text : "";
  if (Contains(said, "ncrypt") || Contains(said, "assphrase")) {
    return {ExtractCode::kEncrypted, "needs a password: unpack it and add the files"};
  }
  if (Contains(ToLower(said), "truncated")) {
    return {ExtractCode::kTruncated, "ends too early: get it again from its source"};
  }
  return {ExtractCode::kCorrupt,
          StrCat("cannot be unpacked (", said.substr(0, 200), "): get it again from its source")};
}

}  // namespace

class ArchiveFile::Reader {
 public:
  explicit Reader(const InputFile& file) : archive_(archive_read_new()), window_{&file, 0, {}} {
    archive_read_support_format_zip(archive_);
    archive_read_support_format_tar(archive_);
    archive_read_support_format_raw(archive_);
    archive_read_support_filter_gzip(archive_);
    archive_read_support_filter_bzip2(archive_);
    archive_read_support_filter_xz(archive_);
    archive_read_support_filter_zstd(archive_);
    archive_read_set_seek_callback(archive_, SeekWindow);
    const int opened =
        archive_read_open2(archive_, &window_, nullptr, ReadWindow, SkipWindow, nullptr);
    if (opened < ARCHIVE_WARN) Fail();
  }
  ~Reader() { archive_read_free(archive_); }
  Reader(const Reader&) = delete;

  bool Next(ArchiveEntry& entry) {
    if (fatal_) return false;
    failure_.reset();
    archive_entry* header = nullptr;
    const int code = archive_read_next_header(archive_, &header);
    if (code == ARCHIVE_EOF) return false;
    if (code < ARCHIVE_WARN) {
      Fail();
      return false;
    }
    const char* name = archive_entry_pathname_utf8(header);
    entry.name = name != nullptr ? name : "";
    if (name == nullptr) {
      const char* raw = archive_entry_pathname(header);
      entry.name = raw != nullptr ? DecodeText(raw) : "";
    }
    if (archive_format(archive_) == ARCHIVE_FORMAT_RAW) entry.name.clear();
    entry.is_file =
        archive_entry_filetype(header) == AE_IFREG && archive_entry_hardlink(header) == nullptr;
    entry.encrypted = archive_entry_is_encrypted(header) != 0;
    return true;
  }

  std::size_t Read(char* buffer, std::size_t length) {
    if (failure_) return 0;
    const la_ssize_t got = archive_read_data(archive_, buffer, length);
    if (got >= 0) return static_cast<std::size_t>(got);
    failure_ = ErrorOf(archive_);
    fatal_ = got == ARCHIVE_FATAL;
    return 0;
  }

  const ExtractFailure& failure() const { return failure_; }
  bool fatal() const { return fatal_; }

 private:
  void Fail() {
    failure_ = ErrorOf(archive_);
    fatal_ = true;
  }

  archive* archive_;
  Window window_;
  ExtractFailure failure_;
  bool fatal_ = false;
};

ArchiveFile::ArchiveFile(const InputFile& file) : reader_(std::make_unique<Reader>(file)) {}
ArchiveFile::~ArchiveFile() = default;
bool ArchiveFile::Next(ArchiveEntry& entry) { return reader_->Next(entry); }
std::size_t ArchiveFile::Read(char* buffer, std::size_t length) {
  return reader_->Read(buffer, length);
}
const ExtractFailure& ArchiveFile::failure() const { return reader_->failure(); }
bool ArchiveFile::fatal() const { return reader_->fatal(); }

}  // namespace tessera
