#pragma once
// One pass over an archive (ZIP, tar, or a single compressed file), by libarchive.

#include <cstdint>
#include <memory>
#include <string>

#include "extract/input_file.h"

namespace tessera {

/// A member as its header describes it.
struct ArchiveEntry {
  std::string name;  ///< as stored, in UTF-8: not safe as a path
  bool is_file = false;
  bool encrypted = false;
};

/// Reads members in the archive's order.
class ArchiveFile {
 public:
  explicit ArchiveFile(const InputFile& file);
  ~ArchiveFile();
  /// Moves to the next member; false at the end and after a failure.
  bool Next(ArchiveEntry& entry);
  /// Up to `length` bytes of the current member; 0 at its end and after a failure.
  std::size_t Read(char* buffer, std::size_t length);
  /// What ended the pass early; of Read: of this member alone when `fatal()` is false.
  const ExtractFailure& failure() const;
  bool fatal() const;

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
};

}  // namespace tessera
