#pragma once
// Characters: encodings to UTF-8, and UTF-8 to the clean form that all blocks have.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tessera {

bool IsUtf8(std::string_view text);

/// The longest length of at most `max` bytes that cuts `text` between two characters.
std::size_t Utf8Cut(std::string_view text, std::size_t max);

/// How white space is treated.
enum class TextShape {
  kFlow,      ///< one line; any white space is one space
  kLines,     ///< line breaks stay, spaces within a line collapse, at most one empty line in a row
  kVerbatim,  ///< code: indentation, tabs and empty lines stay, trailing space goes
};

/// Valid UTF-8 (anything else becomes U+FFFD) in NFC; odd spaces become spaces, ligatures letters,
/// soft hyphens, control and direction characters nothing; white space by `shape`.
std::string CleanText(std::string_view text, TextShape shape);

/// The encoding of a text by its first bytes, as iconv names it: byte order mark, UTF-16 by its
/// zeros, valid UTF-8, then a statistical guess. `whole`: the sample is the whole text. Empty:
/// binary, not a text.
std::string GuessEncoding(std::string_view sample, bool whole);

/// Bytes of one encoding to UTF-8, piece by piece; what cannot be decoded becomes U+FFFD.
class TextDecoder {
 public:
  /// An unknown encoding is read as Windows-1252.
  explicit TextDecoder(const std::string& encoding);
  ~TextDecoder();
  TextDecoder(TextDecoder&&) noexcept;
  /// Appends to `out`. `last`: nothing follows; a cut character at the end is then an error.
  void Decode(std::string_view bytes, bool last, std::string& out);
  /// How many bytes could not be decoded so far.
  std::size_t bad_bytes() const;

 private:
  class Iconv;
  std::unique_ptr<Iconv> iconv_;
};

/// The whole of `bytes` in UTF-8; `encoding` empty: guessed.
std::string DecodeText(std::string_view bytes, std::string encoding = {});

}  // namespace tessera
