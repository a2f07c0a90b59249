#pragma once
// Where a text may be cut: sentences, cells, lines, words.

#include <cstdint>
#include <string_view>
#include <vector>

#include "extract/block.h"

namespace tessera {

/// How good a place the end of a piece is to cut, best last.
enum class Cut : std::uint8_t {
  kAnywhere,  ///< within a word or between words: only where nothing better is in reach
  kSentence,  ///< after a sentence, a table cell
  kLine,      ///< after a line of code
  kItem,      ///< after a list item, a table row, a code block's paragraph
  kBlock,     ///< after a paragraph
  kSection,   ///< before a heading
};

/// A part of a text, without the white space around it.
struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  double tokens = 0;
  Cut cut = Cut::kBlock;  ///< the quality of `end`
};

/// Ends of sentences: byte offsets behind each sentence (before the white space that follows), the
/// last one is text.size(). Abbreviations, initials, decimals and "e.g." do not end one.
std::vector<std::size_t> SentenceEnds(std::string_view text);

/// Cuts a block's text into pieces of at most `tokens_max` estimated tokens, in order: one piece
/// when it fits, else at the best places for its kind. Every byte that is not white space lies in
/// exactly one piece, pieces begin and end between code points.
std::vector<Piece> SplitBlock(BlockKind kind, std::string_view text, double tokens_max,
                              double scale);

}  // namespace tessera
