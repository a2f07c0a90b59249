#pragma once
// The tokenizer of BERT models ("uncased"): clean, lower-case, split, then longest-match-first
// pieces.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"

namespace tessera {

/// Ids equal to those of Hugging Face's BertTokenizer (lowercase, strip accents), but for one
/// thing: "[CLS]" and its like in a text are plain characters here, so that no document can forge a
/// special token. Immutable after Load; thread-safe.
class WordPiece {
 public:
  /// From a vocab.txt (one piece a line, the line number is the id) or a tokenizer.json.
  /// INVALID_ARGUMENT when a special token is missing.
  static Result<WordPiece> Load(const std::string& path);
  static Result<WordPiece> FromPieces(std::vector<std::string> pieces);

  WordPiece(WordPiece&&) = default;
  WordPiece& operator=(WordPiece&&) = default;

  /// The ids of `text` without [CLS] and [SEP]. Any bytes are accepted; those that are not UTF-8
  /// are skipped.
  std::vector<std::int32_t> Encode(std::string_view text) const;
  /// How many ids Encode gives; allocates nothing but a word's buffer.
  std::size_t Count(std::string_view text) const;

  std::int32_t cls() const { return cls_; }
  std::int32_t sep() const { return sep_; }
  std::int32_t pad() const { return pad_; }
  std::size_t size() const { return pieces_.size(); }
  const std::string& piece(std::int32_t id) const { return pieces_[static_cast<std::size_t>(id)]; }

 private:
  WordPiece() = default;
  template <class Emit>
  void EncodeWord(std::string_view word, Emit& emit) const;
  template <class Emit>
  void EncodeText(std::string_view text, Emit emit) const;

  std::vector<std::string> pieces_;  // as in the file, with "##"
  absl::flat_hash_map<std::string, std::int32_t> starts_;
  absl::flat_hash_map<std::string, std::int32_t> continuations_;  // without "##"
  std::size_t longest_ = 0;                                       // bytes of the longest piece
  std::int32_t unknown_ = 0;
  std::int32_t cls_ = 0;
  std::int32_t sep_ = 0;
  std::int32_t pad_ = 0;
};

}  // namespace tessera
