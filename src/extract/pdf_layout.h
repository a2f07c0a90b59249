#pragma once
// The page layout that pdftotext -bbox-layout writes, and the blocks it stands for. Pure functions
// of text: what a hostile PDF makes pdftotext write ends here.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "extract/block.h"

namespace tessera {

struct PdfLine {
  double x_min = 0;
  double y_min = 0;
  double y_max = 0;
  double height = 0;  ///< of its longest word: stands for the font's size
  std::string text;
};

struct PdfPage {
  double height = 0;
  std::vector<std::vector<PdfLine>> blocks;
  std::size_t text_bytes = 0;
};

/// Takes the output line by line.
class PdfLayoutParser {
 public:
  /// True when `line` ended a page (see TakePage).
  bool Line(std::string_view line);
  PdfPage TakePage();

 private:
  PdfPage page_;
  std::size_t longest_word_ = 0;
};

/// Turns pages into blocks. Learns the size of the body text on the way; the caller holds back the
/// first pages until enough of it was seen.
class PdfBlocks {
 public:
  /// Counts the page's characters by size.
  void Learn(const PdfPage& page);
  /// The page's blocks in reading order.
  std::vector<Block> Make(const PdfPage& page, std::uint32_t number) const;

 private:
  double BodyHeight() const;
  /// 0: not a heading.
  std::uint8_t HeadingLevel(const std::vector<PdfLine>& lines, double body) const;

  std::array<std::uint64_t, 400> characters_ = {};  // by height in quarters of a point
};

}  // namespace tessera
