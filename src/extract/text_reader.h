#pragma once
// Any text file as UTF-8, piece by piece, in bounded memory.

#include <cstdint>
#include <string>
#include <string_view>

#include "extract/input_file.h"
#include "extract/text.h"

namespace tessera {

/// Reads an InputFile from its start to its end, decoding on the way.
class TextReader {
 public:
  /// `encoding` empty: guessed from the file's start.
  explicit TextReader(const InputFile& file, std::string encoding = {});
  /// Empty: binary, nothing can be read.
  const std::string& encoding() const { return encoding_; }
  /// The next piece (up to about 256 KiB, cut anywhere between characters); false at the end.
  bool ReadPiece(std::string& piece);
  /// The next line without its end; false at the end. A line longer than 64 KiB comes in pieces,
  /// all but the last with `unfinished`.
  bool ReadLine(std::string& line, bool& unfinished);
  std::size_t bad_bytes() const { return decoder_.bad_bytes(); }

 private:
  const InputFile& file_;
  std::string encoding_;
  TextDecoder decoder_;
  std::uint64_t offset_ = 0;
  std::string bytes_;
  std::string carry_;  // the cut character at the end of a piece of UTF-8
  std::string lines_;
  std::size_t line_start_ = 0;
  bool ended_ = false;
};

}  // namespace tessera
