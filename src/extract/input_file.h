#pragma once
// The bytes that a reader reads: an open file that can be read anywhere.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "extract/block.h"
#include "extract/fd.h"

namespace tessera {

/// What went wrong with a document, or nothing.
using ExtractFailure = std::optional<ExtractError>;

/// A regular file (or memory file) and the name it goes by.
class InputFile {
 public:
  InputFile(Fd fd, std::string name);
  /// A memory file; an invalid one when the system refuses.
  static InputFile OfBytes(std::string_view bytes, std::string name);

  const std::string& name() const { return name_; }
  /// The name's extension in lower case, without the dot; empty where there is none.
  std::string extension() const;
  int fd() const { return fd_.get(); }
  std::uint64_t size() const { return size_; }

  /// Fills `buffer` from `offset`; fewer bytes only at the end of the file (or of a broken disk).
  std::size_t Read(std::uint64_t offset, char* buffer, std::size_t length) const;
  /// The first bytes.
  std::string Head(std::size_t length) const;
  /// The last bytes.
  std::string Tail(std::size_t length) const;
  /// All of it, unless it is longer than `max` (too_large).
  ExtractFailure ReadAll(std::uint64_t max, std::string& out) const;

 private:
  Fd fd_;
  std::string name_;
  std::uint64_t size_ = 0;
};

}  // namespace tessera
